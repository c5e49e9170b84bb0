"""The house rules that a program can check: floors, grammar, catalogue, configuration, generated texts."""
import ast
import importlib
import pathlib
import re
import subprocess
import sys

import pytest

from xenmeter.bench import readings
from xenmeter.core.options import camel, defaults
from xenmeter.front import plugins
from xenmeter.front.catalogue_text import as_markdown, catalogues

from tools import docs

TOP = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = TOP / "plugins" / "xenmeter"
MODULES = sorted(PACKAGE.rglob("*.py"))
FLOORS = {"core": 1, "xen": 2, "publish": 2, "bench": 3, "profile": 3, "front": 4, "collectd": 4}
FLOORS.update({name: 3 for name in plugins.NAMES})
#: Modules and folders beside the rooms; the one has no imports of ours, the other no modules.
OUTSIDE = {"__init__.py", "__main__.py", "example"}


def imports_of(path):
    """Rooms of this package that a module imports: (room, line)."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = path.relative_to(PACKAGE.parent).with_suffix("").parts[:-node.level]
                base = ".".join(parent + ((base,) if base else ()))
            names = [base + "." + alias.name for alias in node.names] if base == "xenmeter" else [base]
        for name in names:
            parts = name.split(".")
            if parts[0] == "xenmeter" and len(parts) > 1:
                assert parts[1] in FLOORS or not (PACKAGE / parts[1]).is_dir(), "%s:%d: no room" % (path, node.lineno)
                if parts[1] in FLOORS:      # else a name of the package's own, as its version
                    yield parts[1], node.lineno


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_never_up_and_never_between_plugins(path):
    room = path.relative_to(PACKAGE).parts[0]
    for imported, line in imports_of(path):
        if room not in OUTSIDE and imported != room:
            assert FLOORS[imported] < FLOORS[room] or (FLOORS[room], FLOORS[imported]) in ((2, 2), (4, 4)), (
                "%s:%d imports %s" % (path, line, imported))


def test_every_room_is_known_and_has_a_floor():
    rooms = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert rooms - OUTSIDE == set(FLOORS), "a plugin stands in front/plugins.py, another room in FLOORS"


def test_publishers_know_nothing_of_the_hypervisor_and_the_other_way_round():
    for path in MODULES:
        room = path.relative_to(PACKAGE).parts[0]
        found = {imported for imported, _ in imports_of(path)}
        assert not (room == "publish" and "xen" in found) and not (room == "xen" and "publish" in found), path


def test_sources_know_no_collector():
    """Bytes become records, records accounts. A plugin makes both, and a mirror may have a collector of its own."""
    seen = 0
    for path in MODULES:
        for name in re.findall(r"^\s*from (xenmeter\.\S*\bcollector) import", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert path.name in ("plugin.py", "mirror.py", "collector.py"), "%s imports %s" % (path, name)
            seen += 1
    assert seen >= 6


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_grammar_is_that_of_python_36(path):
    ast.parse(path.read_bytes(), feature_version=(3, 6))


def test_the_library_is_that_of_python_36():
    vermin = pathlib.Path(sys.executable).parent / "vermin"
    found = subprocess.run([str(vermin), "-t=3.6-", "--violations", "--eval-annotations", "--no-tips",
                            str(PACKAGE)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert found.returncode == 0, found.stdout


def test_no_hard_dependency():
    everywhere = set(sys.stdlib_module_names) | {"xenmeter", "collectd"}
    for path in MODULES:
        # the extra `report` is wanted by the report alone, which the command imports when it is asked for one
        allowed = everywhere | ({"bokeh", "numpy"} if path.parent == PACKAGE / "front" / "report" else set())
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
                [node.module] if isinstance(node, ast.ImportFrom) and not node.level else [])
            for name in names:
                assert name.split(".")[0] in allowed, "%s imports %s" % (path, name)


class TestCatalogue:
    @pytest.mark.parametrize("catalogue", catalogues(),
                             ids=lambda catalogue: catalogue.plugin)
    def test_names_carry_their_units(self, catalogue):
        for entity in catalogue.entities.values():
            for figure in entity.figures:
                family, field = figure.openmetrics, figure.influx
                if family is not None:
                    if figure.kind == "counter":
                        assert family.name.endswith("_total")
                    ending = {"ns": "_seconds", "bytes": "_bytes", "ppm": "_ratio"}.get(figure.unit, "")
                    assert family.name.replace("_total", "").endswith(ending), family.name
                if field is not None:
                    ending = {"ns": "_ns", "bytes": "_bytes", "ppm": "_percent"}.get(figure.unit, "")
                    assert field.field.endswith(ending), field

    def test_every_name_stands_once_in_all_plugins(self):
        seen = set()
        for catalogue in catalogues():
            for entity in catalogue.entities.values():
                for figure in entity.figures:
                    for name in (figure.openmetrics, figure.influx):
                        assert name is None or name not in seen, name
                        seen.add(name)


@pytest.mark.parametrize("name", plugins.NAMES)
class TestDocuments:
    def test_the_readme_shows_the_catalogue(self, name):
        text = (PACKAGE / name / "README.md").read_text(encoding="utf-8")
        assert as_markdown(plugins.get(name).catalogue) in text, "run: make docs"
        assert docs.refreshed(text) == text, "run: make docs"

    def test_the_readme_shows_every_option(self, name):
        text = (PACKAGE / name / "README.md").read_text(encoding="utf-8")
        for option in plugins.get(name).options:
            assert "`%s`" % camel(option.name) in text and "`--%s`" % option.name.replace("_", "-") in text, option.name

    def test_collectds_file_shows_every_option_with_its_default(self, name):
        text = (TOP / "conf.d" / "collectd" / (name + ".conf")).read_text()
        for option in plugins.get(name).options:
            match = re.search(r"^ *# %s\b(.*)$" % camel(option.name), text, re.MULTILINE)
            assert match, option.name
            if option.kind != "list":
                shown = [word.strip('"') for word in match.group(1).split()]
                default = option.default if isinstance(option.default, list) else [option.default]
                assert shown == [str(value).lower() if isinstance(value, bool) else str(value) for value in default]

    def test_telegrafs_file_shows_every_option(self, name):
        text = (TOP / "conf.d" / "telegraf" / (name + ".conf")).read_text()
        for option in plugins.get(name).options:
            assert "--" + option.name.replace("_", "-") in text, option.name


def test_every_generated_text_is_up_to_date_and_stands_somewhere():
    pages = {path: path.read_text(encoding="utf-8") for path in docs.readmes()}
    assert [str(path) for path, text in pages.items() if docs.refreshed(text) != text] == [], "run: make docs"
    for title, block in docs.blocks():
        assert any(docs.BEGIN % title + block + docs.END % title in text for text in pages.values()), title


def test_every_alert_stands_on_the_page():
    rules = (TOP / "conf.d" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert len(alerts) > 10 and re.findall(r"^\| (Xen\w+) \| \w+ \| .", docs.alerts(), re.MULTILINE) == alerts
    assert "{{" not in docs.alerts()


@pytest.mark.parametrize("name", [name for name in plugins.NAMES if "csv" in plugins.get(name).mirrors])
def test_every_column_of_a_csv_is_described(name):
    mirror = importlib.import_module("xenmeter.%s.mirror" % name)
    with_options = mirror.CsvMirror(defaults(plugins.get(name).options))
    assert with_options.header().decode().rstrip("\n").split(",") == [column for column, _ in mirror.MEANINGS]
    assert all(len(meaning) > 3 for _, meaning in mirror.MEANINGS)


def test_the_readme_of_benchmarks_shows_its_catalogue():
    text = (PACKAGE / "bench" / "README.md").read_text(encoding="utf-8")
    assert docs.refreshed(text) == text and as_markdown(readings.CATALOGUE) in text, "run: make docs"


def test_nothing_is_left_undone():
    words = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImple" + "mented"))
    found = subprocess.run(["git", "grep", "-nE", words, "--", "plugins", "conf.d", "packaging", "Makefile", "README.md"],
                           cwd=str(TOP), stdout=subprocess.PIPE, universal_newlines=True).stdout
    assert found == ""


def test_modules_are_of_a_size_that_one_can_read():
    for path in MODULES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 420, "%s has %d lines" % (path, lines)
