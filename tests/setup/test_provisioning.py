"""What the tools of the tests take from an archive, on whichever release; and `make run` where there is nothing to be had."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from helpers.paths import TOP
from tools import debian, provision

PACKAGE = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nMaintainer: x\nDescription: x\n{}\n"
COLLECTD = ("libpython{0}", "libpython{0}-stdlib", "libpython{0}-minimal", "libmicrohttpd{1}", "libprotobuf-c1", "libgcrypt20")


@pytest.fixture
def archive(tmp_path):
    """An apt that knows only the packages that a test makes: archive({name: its dependencies' fields})."""
    def make(packages):
        made = debian.Archive(tmp_path / "build", print)
        status = tmp_path / "status"
        status.write_text("\n".join(PACKAGE.format(name, fields) for name, fields in packages.items()))
        made.conf.write_text(made.conf.read_text().replace("/var/lib/dpkg/status", str(status)))
        return made
    return make


@pytest.mark.parametrize("python, http", [("3.11", "12"), ("3.13", "12t64"), ("3.14", "13")])
def test_the_libraries_of_collectd_have_the_names_that_the_archive_says(archive, python, http):
    names = [name.format(python, http) for name in COLLECTD]
    packages = dict.fromkeys([*names, "libprotobuf32", "libpython3-dev", "libc6"], "")
    packages["collectd-core"] = ("Depends: libc6\nSuggests: libprotobuf32, libpython3-dev, %s, %s (>= 0.9), libprotobuf-c1, %s\n"
                                 % (names[0], names[3], names[5]))
    packages[names[0]] = f"Depends: {names[1]} (= 1), libc6\nSuggests: libpython3-dev\n"
    packages[names[1]] = f"Depends: {names[2]} (= 1)\n"
    tool = provision.TOOLS["collectd"]
    assert sorted(archive(packages).related(tool.packages, tool.related)) == sorted(names)


@pytest.mark.parametrize("fields, expected", [("Depends: libc6", []), ("Depends: promtool, libc6", ["promtool"])])
def test_promtool_is_taken_where_it_is_a_package_of_its_own(archive, fields, expected):
    packages = {"prometheus": fields + "\n", "promtool": "", "libc6": ""}
    tool = provision.TOOLS["prometheus"]
    assert archive(packages).related(tool.packages, tool.related) == expected


def test_a_package_that_starts_a_daemon_is_never_installed(monkeypatch):
    """Neither for a program that is in none of its packages, nor for one that does not start."""
    class Archive:
        related = staticmethod(lambda names, patterns: [])
        update = staticmethod(lambda: None)
        unpack = staticmethod(lambda names: {name: "1" for name in names})
        install = staticmethod(lambda names: pytest.fail("it installs"))

    tool = provision.TOOLS["prometheus"]
    monkeypatch.setattr(provision, "ROOT", pathlib.Path("/nonexistent"))
    with pytest.raises(debian.ProvisionError, match="have no usr/bin/prometheus, usr/bin/promtool"):
        provision._unpack_or_install("prometheus", tool, Archive, print)
    monkeypatch.setattr(provision, "ROOT", pathlib.Path("/"))
    monkeypatch.setattr(provision, "_does_not_start", lambda tool, root: "the loader complains")
    with pytest.raises(debian.ProvisionError, match="does not run unpacked .the loader complains.: install prometheus"):
        provision._unpack_or_install("prometheus", tool._replace(programs=()), Archive, print)
    assert all(provision.TOOLS[name].service for name in ("collectd", "influxdb", "prometheus", "node-exporter",
                                                          "victoria-metrics"))


def test_what_another_release_left_under_build_is_provided_anew(monkeypatch, tmp_path):
    monkeypatch.setattr(provision, "ROOT", tmp_path)
    (tmp_path / ".provided").mkdir()
    monkeypatch.setattr(debian, "release", lambda: "Debian GNU/Linux 13 (trixie)")

    class Archive:
        update = staticmethod(lambda: None)
        unpack = staticmethod(lambda names: {name: "1" for name in names})
        related = staticmethod(lambda names, patterns: [])

    provision.TOOLS["nothing"] = provision.Tool(("no-such-package-here",), (), "a test")
    try:
        assert not provision.is_ready("nothing")
        provision._provide("nothing", Archive, print)
        assert provision.is_ready("nothing")
        monkeypatch.setattr(debian, "release", lambda: "Debian GNU/Linux 14 (forky)")
        assert not provision.is_ready("nothing")
    finally:
        del provision.TOOLS["nothing"]


@pytest.mark.parametrize("text, expected", [
    ('PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian"\n', "Debian GNU/Linux 13 (trixie)"),
    ("NAME=x\n# PRETTY_NAME=no\n\nPRETTY_NAME=Alpine\\ Linux\n", "Alpine Linux"), ("NAME=x\n", "this system"),
    (None, "this system")])
def test_the_release_is_called_by_its_own_name(text, expected, tmp_path):
    if text is not None:
        (tmp_path / "os-release").write_text(text)
    assert debian.release(str(tmp_path / "os-release")) == expected


def test_what_apt_cannot_find_is_asked_for_by_this_releases_name(archive):
    with pytest.raises(debian.ProvisionError) as told:
        archive({"libc6": ""}).related(("collectd-core",), ("lib*",))
    assert "collectd-core" in str(told.value) and debian.release() in str(told.value)


def test_no_tool_knows_the_names_of_one_release():
    """They are asked for, or found: a name with a version in it is right until the next release. But for the two tables of
    the releases that are tried."""
    named = re.compile(r"python3\.\d|libmicrohttpd\d|gcc-\d|\bbookworm\b|\btrixie\b|Debian 1\d(?! or 1\d)")
    files = [path for folder in ("tools", "lab", "daemons") for path in sorted((TOP / "tests" / folder).rglob("*.py"))]
    found = ["%s: %s" % (path.relative_to(TOP), line.strip()) for path in files if path.name not in ("roots.py", "releases.py")
             for line in path.read_text().splitlines() if named.search(line)]
    assert found == []


@pytest.fixture
def checkout(tmp_path):
    """This checkout with an empty build/ of its own."""
    (tmp_path / "tests").mkdir()
    shutil.copytree(str(TOP / "tests" / "tools"), str(tmp_path / "tests" / "tools"))
    for name in ("plugins", "fixtures", "conf.d"):
        (tmp_path / name).symlink_to(TOP / name)
    return tmp_path


def make_run(checkout, **variables):
    """`make run` of a machine that is no dom0."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import demo; sys.exit(demo.recorded())"
    environment = {name: value for name, value in os.environ.items() if name != "XENMETER_NO_SKIP"}
    return subprocess.run([sys.executable, "-c", code, str(checkout / "tests" / "tools")], text=True, capture_output=True,
                          env=dict(environment, **variables))


@pytest.mark.parametrize("there", [(), ("apt-get", "dpkg-deb", "dpkg-query", "apt-cache")],
                         ids=["no apt", "an apt that has nothing"])
def test_make_run_without_a_collectd_shows_the_recording_all_the_same(checkout, there):
    (checkout / "bin").mkdir()
    for name in there:
        (checkout / "bin" / name).write_text("#!/bin/sh\necho 'E: Could not resolve anything' >&2; exit 100\n")
        (checkout / "bin" / name).chmod(0o755)
    ran = make_run(checkout, PATH=str(checkout / "bin") + ":/bin" * bool(there))
    assert ran.returncode == 0
    assert "no collectd can be had here: " in ran.stderr and "Traceback" not in ran.stderr
    assert "LEFT OUT: the real collectd" in ran.stdout and re.search(r"^multi vcpu 2 .*90\.8%", ran.stdout, re.MULTILINE)


def test_where_all_must_be_there_a_make_run_without_collectd_fails(checkout):
    ran = make_run(checkout, PATH="/nonexistent", XENMETER_NO_SKIP="1")
    assert ran.returncode == 1 and "90.8%" in ran.stdout


def test_a_checkout_in_which_nothing_can_be_made_is_told_in_one_line(checkout):
    (checkout / "build").write_text("as good as a folder of somebody else's: nothing can be put into it, by root either")
    ran = make_run(checkout)
    assert ran.returncode == 0 and "LEFT OUT: the real collectd" in ran.stdout
    (line,) = ran.stderr.splitlines()
    assert f"{checkout / 'build'}: File exists; " in line


@pytest.mark.parametrize("words, wanted", [([], "all"), (["TESTS=tests/core"], "python")])
def test_a_part_of_the_tests_does_not_wait_for_what_others_use(words, wanted):
    ran = subprocess.run(["make", "--no-print-directory", "-n", "test", *words], cwd=str(TOP), check=True, text=True,
                         capture_output=True, env={"PATH": os.environ["PATH"]})
    assert ran.stdout.splitlines()[0] == "python3 tests/tools/provision.py " + wanted


def test_whatever_is_asked_of_a_tool_provides_it(monkeypatch, tmp_path):
    """A test that only looks for its files, or for its libraries, may be the first to want it."""
    monkeypatch.setattr(provision, "BUILD", tmp_path)
    monkeypatch.setattr(provision, "ROOT", tmp_path / "root")
    monkeypatch.setattr(debian, "Archive", lambda *of: None)
    asked = []

    def provide(name, archive, say):
        asked.append(name)
        raise debian.ProvisionError("no network")

    monkeypatch.setattr(provision, "_provide", provide)
    for ask in (provision.root_of, provision.environment, provision.packages_of, lambda name: provision.program(name, "bin/x")):
        with pytest.raises(debian.ProvisionError, match="no network"):
            ask("tmux")
    assert asked == ["tmux"] * 4
