"""Results of `xenmeter bench` in every form: by their schema, line protocol, collectd, OpenMetrics, and the report's page."""
import copy
import html.parser
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings, strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from helpers import recorded_costs as recorded
from helpers.paths import PLUGINS
from tools import provision
from xenmeter.bench import runs
from xenmeter.bench.schema import SCHEMA, wrong

HOSTILE = "</title><script>alert(1)</script>\"'&\n$$x$$"


def bench(*words):
    return subprocess.run([sys.executable, "-m", "xenmeter", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=300, env={"PYTHONPATH": str(PLUGINS), "COLLECTD_HOSTNAME": "h"})


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A file of four runs with their costs."""
    folder = tmp_path_factory.mktemp("forms")
    host, file = recorded.write(folder, 2)
    ran = bench("bench", "--source", host, "--runs-of", file, "-o", folder / "costs.jsonl")
    assert ran.returncode == 0, ran.stderr
    return folder / "costs.jsonl"


@pytest.fixture(scope="module")
def records(kept):
    return [json.loads(line) for line in kept.read_text().splitlines()]


def by_jsonschema(values):
    """Whether each value is as the schema says, by the library of that name."""
    provision.ensure("bom")
    check = ("import json, sys, jsonschema\nschema, values = json.load(sys.stdin)\n"
             "checker = jsonschema.Draft7Validator(schema)\njsonschema.Draft7Validator.check_schema(schema)\n"
             "print(json.dumps([checker.is_valid(value) for value in values]))")
    ran = subprocess.run([provision.python_of("bom"), "-c", check], input=json.dumps([SCHEMA, values]), stdout=subprocess.PIPE,
                         universal_newlines=True, check=True)
    return json.loads(ran.stdout)


def places(value, path=()):
    """Each place of a value of JSON, as the keys that lead there."""
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], path + (key,))


def changed(record, path, new):
    """A record with another value in one place; None there takes the key away."""
    record = copy.deepcopy(record)
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return record


def test_every_run_is_as_the_schema_says_and_our_check_is_jsonschemas(records):
    """Each place of a run with each kind of value: both say the same of it."""
    found = [record for record in records]
    for path in places(records[0]):
        if path:
            found += [changed(records[0], path, new) for new in (None, True, "x", 7, -1.5, [], {}, [1], {"a": "b"}, 1 << 70)]
            if not isinstance(path[-1], int):
                lacking = changed(records[0], path, None)
                inner = lacking
                for key in path[:-1]:
                    inner = inner[key]
                del inner[path[-1]]
                found.append(lacking)
    theirs = by_jsonschema(found)
    assert [wrong(one) is None for one in found] == theirs
    assert all(theirs[:len(records)]) and theirs.count(False) > 300


def test_a_file_with_a_wrong_run_says_where(kept, tmp_path):
    lines = kept.read_text().splitlines()
    bad = changed(json.loads(lines[1]), ("figures", 0, "value"), "fast")
    (tmp_path / "x").write_text(lines[0] + "\n" + json.dumps(bad) + "\n")
    ran = bench("compare", tmp_path / "x")
    assert ran.returncode == 1 and "x, line 2: no run of `xenmeter bench`: figures[0].value is no number or null" in ran.stderr


def test_a_newer_form_is_told(kept, tmp_path):
    (tmp_path / "x").write_text(json.dumps(dict(json.loads(kept.read_text().splitlines()[0]), version=2)) + "\n")
    ran = bench("compare", tmp_path / "x")
    assert ran.returncode == 1 and "version 2 of this form is not known" in ran.stderr


def test_json_gives_back_the_file(kept):
    assert bench("bench", "--source", kept, "--format", "json").stdout == kept.read_text()


def test_the_table_of_kept_runs_is_that_of_the_runs(kept):
    said = bench("bench", "--source", kept).stdout
    assert len(re.findall(r"^run \d \(6\.1\d?\): 20\.00 s", said, re.MULTILINE)) == 4
    assert len(re.findall("^  Domain-0 ", said, re.MULTILINE)) == 4


def test_influx(kept, records):
    lines = bench("bench", "--source", kept, "--format", "influx").stdout.splitlines()
    assert all(re.match(r"xen_bench(_figure|_domain|_cost)?,\S+ \S+ \d+$", line) for line in lines)
    heads = [line for line in lines if line.startswith("xen_bench,")]
    assert [line.rpartition(" ")[2] for line in heads] == [str(record["began_ns"]) for record in records]
    cpu = [int(re.search(r" cpu_ns=(-?\d+)i", line).group(1)) for line in lines
           if line.startswith("xen_bench_domain,domain=web1")]
    assert cpu == [domain["above_idle"]["cpu_ns"] for record in records for domain in record["domains"]
                   if domain["name"] == "web1"]
    rate = [float(re.search(r" value=(\S+) ", line).group(1)) for line in lines if "figure=reply_rate" in line]
    assert rate == pytest.approx([record["figures"][0]["value"] for record in records], abs=1e-6)


def test_openmetrics_holds_the_last_run_of_each_label(kept, records):
    families = {family.name: family for family in text_string_to_metric_families(
        bench("bench", "--source", kept, "--format", "openmetrics").stdout)}
    started = {sample.labels["label"]: sample.value for sample in families["xen_bench_start_time_seconds"].samples}
    assert started == {record["label"]: record["began_ns"] / 1e9 for record in records}
    each = {(sample.labels["label"], sample.labels["domain"]): sample.value
            for sample in families["xen_bench_domain_cpu_per_unit_seconds"].samples}
    for record in records:
        for domain in record["domains"]:
            if record is records[1] or record is records[3]:
                assert each[record["label"], domain["name"]] == pytest.approx(
                    domain["above_idle"]["cpu_ns"] / 1e9 / recorded.REQUESTS, abs=1e-9)


def test_collectd(kept, records):
    lines = bench("bench", "--source", kept, "--format", "collectd").stdout.splitlines()
    told = [re.match(r'PUTVAL "h/xenbench-([^/]+)/(gauge|duration)-(6\.12?)_(\w+)" (\d+\.\d+):(\S+)$', line).groups()
            for line in lines]
    cpu = [float(value) for instance, _, _, name, _, value in told if (instance, name) == ("Domain-0", "cpu")]
    assert cpu == pytest.approx([domain["above_idle"]["cpu_ns"] / 1e9 for record in records for domain in record["domains"]
                                 if domain["name"] == "Domain-0"])


class _Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def page_of(path, tmp_path):
    ran = bench("report", path, "-o", tmp_path / "r.html")
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    page = _Page()
    page.feed((tmp_path / "r.html").read_text(encoding="utf-8"))
    return page


def test_the_report_has_a_dot_for_each_run_and_a_part_for_each_domain(kept, records, tmp_path):
    page = page_of(kept, tmp_path)
    figures = len(records[0]["figures"])
    assert sum(tag == "circle" for tag, _ in page.tags) == figures * len(records)
    assert sum(tag == "rect" for tag, _ in page.tags) == 2 * 2        # two labels, two domains
    assert any("CPU \u00b5s of each domain per request" in text for text in page.text)


def test_the_report_needs_no_bokeh(kept, tmp_path):
    """A dom0 can make it."""
    script = ("import sys; sys.modules['bokeh'] = sys.modules['numpy'] = None; from xenmeter.front.cli import main; "
              "sys.exit(main(['report', %r, '-o', %r]))" % (str(kept), str(tmp_path / "r.html")))
    assert subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": str(PLUGINS)}, timeout=300,
                          stdout=subprocess.DEVNULL).returncode == 0


def test_names_of_others_are_text_in_every_form(records, tmp_path):
    """A guest's name, a program's figure, a label: nothing of it becomes a tag, a line or a script."""
    file = tmp_path / "hostile.jsonl"
    with file.open("w") as out:
        for record in records:
            record = json.loads(json.dumps(record).replace('"web1"', json.dumps(HOSTILE)))
            record["figures"][0].update(name=HOSTILE, unit=HOSTILE)
            out.write(json.dumps(dict(record, label=HOSTILE + record["label"], notes=[HOSTILE], unusable=None)) + "\n")
    page = page_of(file, tmp_path)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe", "a"})
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    list(text_string_to_metric_families(bench("bench", "--source", file, "--format", "openmetrics").stdout))
    for form, pattern in (("influx", r"xen_bench\w*,.* \d+$"), ("collectd", r'PUTVAL "h/xenbench-[^/]*/[^/]*" [\d.]+:\S+$')):
        for line in bench("bench", "--source", file, "--format", form).stdout.splitlines():
            assert re.match(pattern, line), line
    assert "\x1b" not in bench("bench", "--source", file).stdout and len(bench("compare", file).stdout.splitlines()) < 12


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)))
def test_whatever_a_line_holds_it_is_a_run_or_told(value):
    """json.loads of anything at all never raises in the check."""
    assert wrong(value) is not None
    assert wrong({"format": runs.FORMAT, "version": runs.VERSION, "figures": value}) is not None
