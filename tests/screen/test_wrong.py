"""A baker's document that is whole and wrong: one line, and the screen and the logs go on with the next."""
import copy
import functools
import json
import lzma
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.terminal_stage import KHZ
from helpers.paths import TRACES
from xenmeter.core.errors import SourceError
from xenmeter.core.log import Hourly
from xenmeter.core.source import Source
from xenmeter.front.commands.mon import _write
from xenmeter.front.screen.history import History
from xenmeter.front.screen.logs import Logs
from xenmeter.front.screen.pages import print_pages
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentrace.samples import Sample
from xenmeter.xentrace.engine.distribution import Distribution
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.baker.document import to_json

WRONG = [None, "x", -1, 1.5, [], {}, 10 ** 30, True, 0, 1e300]


@functools.lru_cache(maxsize=None)
def documents():
    """What a baker wrote at the ends of four windows."""
    baking = Baking(int(KHZ), [10 ** 7], 3, True)
    with lzma.open(str(TRACES / "narrow-churn" / "trace.bin.xz")) as file:
        baking.engine.feed(file.read(120000))
    baking.finish()
    figures = list(baking.taken)[-4:]
    baking.close()
    names = Snapshot([DomainFacts(domid, b"guest-%d" % domid, "00000000-0000-0000-0000-%012d" % domid, None, (), {})
                      for domid in sorted({one["domid"] for one in figures[0]["domains"]})], None)
    return [json.loads(to_json(10 ** 18 + step * 10 ** 7, one, names, None).decode()) for step, one in enumerate(figures)]


def sample_of(document):
    """As a source hands it over; SourceError where it is none."""
    told = copy.deepcopy(document)
    try:
        for one in told["domains"] + told["vcpus"]:
            one["histograms"] = {name: Distribution(*parts) for name, parts in one["histograms"].items()}
        for one in [domain for window in told["windows"] for domain in window["domains"]]:
            one["latency"] = {name: Distribution(*parts) for name, parts in one["latency"].items()}
        facts = [DomainFacts(domid, name.encode(), uuid, None, (), {}) for domid, name, uuid in told["names"]["domains"]]
        return Sample(told["time_ns"], told, Snapshot(facts, None), told["remark"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SourceError(str(error))


def places(value, path=()):
    """Each key and item of a document, of a list the first ones."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else list(enumerate(value))[:3] if isinstance(value, list) else ()
    for name, inner in inside:
        yield from places(inner, path + (name,))


def changed(document, path, value):
    """With another value there; KeyError: without the key."""
    document = copy.deepcopy(document)
    inner = functools.reduce(lambda at, name: at[name], path[:-1], document)
    if value is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return document


class Told(Source):
    """A source of these documents, as Baked is one: what is no sample is reported."""

    def __init__(self, told):
        self.told = told

    def samples(self, stop, report):
        for document in self.told:
            try:
                yield sample_of(document)
            except SourceError as error:
                report(error)


CASES = [(("vcpus", 0, "running_ns"), "x"), (("vcpus", 0, "running_ns"), KeyError), (("vcpus", 0, "pcpu"), "x"),
         (("trace", "span_ns"), None), (("pcpus", 0, "busy_ns"), []), (("windows", 0, "domains"), 5), (("observed",), 1),
         (("vcpus", 0, "histograms", "wait"), [1, 2, [3], [4, 5]]), (("time_ns",), 10 ** 30), (("names", "domains", 0, 0), {})]


@pytest.mark.parametrize("path, value", CASES, ids=str)
def test_pages_go_on_and_say_so_once(path, value, capsys):
    first, second, third, fourth = documents()
    assert print_pages(Told([first, second]), History(), "host", 120) == 0
    whole, err = capsys.readouterr()
    assert err == "" and "guest-" in whole
    wrong = changed(second, path, value)
    assert print_pages(Told([first, wrong, wrong, third, fourth]), History(), "host", 120) == 0
    out, err = capsys.readouterr()
    assert "guest-" in out.rpartition("xenmeter mon")[2] and "fault" not in out + err
    assert err.count("\n") <= 1 and (not err or err.startswith("xenmeter: figures that cannot be used are left out: "))


def test_a_line_says_what_is_wrong(capsys):
    first, second, third, _ = documents()
    print_pages(Told([first, changed(second, ("vcpus", 0, "running_ns"), KeyError), third]), History(), "host", 120)
    assert "left out: KeyError: 'running_ns'\n" in capsys.readouterr().err


@pytest.mark.parametrize("path, value", CASES, ids=str)
def test_logs_go_on(path, value, tmp_path, capsys):
    first, second, third, fourth = documents()
    history, logs = History(), Logs(str(tmp_path / "log"), 10 ** 7)
    told = [first, changed(second, path, value), third, fourth]
    _write(Told(told).samples(None, lambda error: None), history, logs, None, None, Hourly())
    logs.close()
    assert logs.intervals and (tmp_path / "log.csv").read_text().count("guest-") > 1
    assert capsys.readouterr().err.count("\n") <= 1


@given(st.data())
def test_whatever_stands_where(data):
    first, second, third, fourth = documents()
    path = data.draw(st.sampled_from(sorted(places(second), key=str)))
    wrong = changed(second, path, data.draw(st.sampled_from(WRONG + ([KeyError] if isinstance(path[-1], str) else []))))
    history, before = History(), sys.stdout
    sys.stdout = out = type("Out", (), {"write": lambda self, text: pages.append(text), "flush": lambda self: None})()
    pages = []
    try:
        assert print_pages(Told([first, wrong, third, fourth]), history, "host", 120) == 0 and out
    finally:
        sys.stdout = before
    assert "guest-" in pages[-1] and history.unusable is None
