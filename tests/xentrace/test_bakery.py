"""The baker's parts: passes out of a stream, three sources that agree, the document, and answers."""
import json
import os
import threading

import pytest
from hypothesis import given, settings, strategies as st

from helpers import encoding
from helpers.captures import KHZ, SECOND, capture
from helpers.figures import by_file, by_passes
from helpers.pictures import picture_of
from xenmeter.core.errors import SourceError
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentrace.engine import compiled, records
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.baker.control import answer
from xenmeter.xen.domains import Unreadable
from xenmeter.xentrace.baker.bakery import Bakery
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.baker.document import Words, to_json, to_sample
from xenmeter.xentrace.engine.splitter import Splitter
from xenmeter.xentrace.baker.streams import ChildStream, Stream


def split(data, size):
    splitter = Splitter()
    for at in range(0, len(data), size):
        for pass_ in splitter.feed(data[at:at + size]):
            yield pass_
    yield splitter.rest()


@pytest.mark.parametrize("case", ["narrow-steady", "narrow-churn", "S1-sched", "cap20", "loss-sched-churn",
                                  "all-lost-slowpoll", "S1-sched-slowpoll"])
def test_the_stream_agrees_with_the_file(case):
    data = capture(case)
    assert by_passes(split(data, 70001)) == by_file(data)


def test_pieces_do_not_matter():
    data = capture("sched-S1-after")[:100000]
    whole = list(split(data, len(data)))
    assert [list(split(data, size)) for size in (1, 7, 4096)] == [whole] * 3


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_garbage_between_windows_is_counted_and_left_out(garbage, size):
    window = records.window(1, encoding.runstate(5, 1, 0, 1, 0))
    splitter = Splitter()
    data = window + garbage + window * 2
    found = [one for at in range(0, len(data), size) for pass_ in splitter.feed(data[at:at + size]) for one in pass_]
    found += splitter.rest()
    assert sum(len(held) + 12 for _, held in found) + splitter.skipped <= len(data)
    if garbage.find(b"\x03") < 0:
        assert [one for one in found if one == (1, window[12:])] == found and len(found) == 3
        assert splitter.skipped == len(garbage)


def test_a_stream_of_a_file_a_fifo_and_a_child(tmp_path):
    data = capture("narrow-steady")
    (tmp_path / "trace.bin").write_bytes(data)
    expected = by_file(data)
    stop = threading.Event()
    assert by_passes(Stream(str(tmp_path / "trace.bin")).passes(stop)) == expected
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    stream = Stream(fifo)
    writer = threading.Timer(0.5, lambda: (tmp_path / "fifo").write_bytes(data))
    writer.start()
    assert by_passes(stream.passes(stop)) == expected
    writer.join()
    stream.close()
    child = ChildStream(["/bin/sh", "-c", "cat %s; echo who is there >&2; exit 1" % (tmp_path / "trace.bin")])
    passes = []
    with pytest.raises(SourceError, match="ended: who is there"):
        for pass_ in child.passes(stop):
            passes.append(pass_)
    child.close()
    assert by_passes(passes) == expected


def test_an_xentrace_that_writes_into_files_only_says_what_can_be_done():
    """Before Xen 4.18: its usage on stdout, nothing on stderr, exit status 1 (seen on 4.14.6)."""
    usage = "Usage: xentrace [OPTION...] [output file]\\nTool to capture Xen trace buffer data\\n\\n  -c, --cpu-mask=c\\n"
    child = ChildStream(["/bin/sh", "-c", "printf '%s'; exit 1" % usage])
    with pytest.raises(SourceError) as raised:
        assert [pass_ for pass_ in child.passes(threading.Event()) if pass_] == []
    child.close()
    told = str(raised.value)
    assert "wrote text in the place of a trace (Usage: xentrace" in told and "before Xen 4.18" in told and "FIFO" in told
    assert "\n" not in told and "without a word" not in told


@pytest.mark.parametrize("output", ["exit 1", "printf '\\001\\377junk'"])
def test_a_child_that_says_nothing_readable(output):
    child = ChildStream(["/bin/sh", "-c", output])
    with pytest.raises(SourceError, match="ended without a word"):
        list(child.passes(threading.Event()))
    child.close()


def test_a_child_is_ended_gently_and_its_last_words_count(tmp_path):
    window = records.window(0, encoding.runstate(1000, 1, 0, 1, 0)).hex()
    script = 'trap "printf %%b \'%s\'; exit 0" TERM; while :; do sleep 0.05; done' % "".join(
        "\\\\x" + window[at:at + 2] for at in range(0, len(window), 2))
    child = ChildStream(["/bin/bash", "-c", script])
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    assert [pcpu for pass_ in child.passes(stop) for pcpu, _ in pass_ or ()] == [0]
    child.close()


def test_what_cannot_be_opened_is_said(tmp_path):
    with pytest.raises(SourceError, match="cannot read"):
        Stream(str(tmp_path / "none"))
    with pytest.raises(SourceError, match="cannot be started"):
        ChildStream([str(tmp_path / "none")])


NAMES = Snapshot([DomainFacts(1, b"caf\xe9\xff", "%036d" % 1, None, (), {})], None)


@pytest.mark.parametrize("names", [None, NAMES, Unreadable("no answer")])
@pytest.mark.parametrize("per_vcpu", [False, True])
def test_the_picture_comes_back_whole(core, names, per_vcpu):
    baking = Baking(KHZ, [SECOND], per_vcpu=per_vcpu, core=core)
    baking.engine.feed(capture("narrow-steady"))
    baking.finish()
    for picture in baking.taken:
        data = b"".join(Words().parts(picture, names, "a remark"))
        sample = to_sample(77, data, picture.cells)
        assert (sample.time_ns, sample.names, sample.remark) == (77, names, "a remark")
        assert to_json(77, sample.figures, names, "a remark") == to_json(77, picture, names, "a remark")
        records = {name: picture[name] for name in ("observed", "trace", "pcpus", "domains", "vcpus", "windows")}
        assert to_json(77, picture_of(records), names, None) == to_json(77, picture, names, None)
    baking.close()


@pytest.mark.parametrize("case", ["narrow-churn", "alloc-steady", "loss-sched-churn"])
@pytest.mark.parametrize("per_vcpu", [False, True])
def test_both_loops_write_the_same_file(case, per_vcpu, shared_object):
    assert compiled.use(shared_object), compiled.reason()
    bakings = [Baking(KHZ, [SECOND // 4, SECOND], 3, per_vcpu, core, newest) for newest in (False, True)
               for core in ("python", "compiled")]
    data = capture(case)
    for at in range(0, len(data), 100000):
        files = []
        for baking in bakings:
            baking.engine.feed(data[at:at + 100000])
            files.append([b"".join(picture.parts() + [picture.frozen().cells]) for picture in baking.taken])
            baking.taken.clear()
        assert files[0] == files[1] and files[2] == files[3]
    for baking in bakings:
        baking.finish()
    files = [[b"".join(picture.parts() + [picture.cells]) for picture in baking.taken] for baking in bakings[:2]]
    assert files[0] == files[1] != []
    for baking in bakings:
        baking.close()


@pytest.mark.parametrize("data", [b"", b"{}", bytes(8), b"\xff" * 8, b"\1" + bytes(7) + b"\xff" * 40])
def test_a_picture_that_is_none(data):
    with pytest.raises(SourceError, match="the baker's figures are damaged"):
        to_sample(1, data)


@pytest.fixture
def bakery(tmp_path):
    (tmp_path / "trace.bin").write_bytes(capture("narrow-steady"))
    bakery = Bakery(Stream(str(tmp_path / "trace.bin")), KHZ, [SECOND, 2 * SECOND], None, lambda: None)
    bakery.run(threading.Event())
    yield bakery
    bakery.close()


def asked(bakery, line):
    told = b"".join(answer(bakery, line))
    assert told.count(b"\n") == 1 and told.endswith(b"\n")
    return json.loads(told.decode())


def test_answers(bakery):
    def ask(**question):
        return asked(bakery, json.dumps(question).encode())
    assert ask(get="figures") == json.loads(bakery.figures().decode())
    windows = ask(get="windows", window="1s", last=3)
    assert [window["start_ns"] for window in windows] == [windows[0]["start_ns"] + step * SECOND for step in range(3)]
    assert ask(get="windows", window="2s")[0]["length_ns"] == 2 * SECOND
    status = ask(get="status")
    assert status["windows"] == ["1s", "2s"] and status["source_ended"] and status["records"] > 1000
    for wrong in (dict(get="x"), dict(), dict(get="windows", window="9s"), dict(get="windows", last=0)):
        assert set(ask(**wrong)) == {"error"}
    for hostile in (b"[" * 4000, b'{"get": "windows", "last": Infinity}', b'{"get": "windows", "last": 1e999}', b"null", b"1"):
        assert set(asked(bakery, hostile)) == {"error"}
    assert "error" in asked(bakery, b"\xff\n") and "error" in asked(bakery, b"[]\n")


def test_six_hundred_windows_are_kept_for_who_comes_late(tmp_path):
    """A second of them more; the oldest that are kept are whole, and what is answered is the newest."""
    step = KHZ * 500        # half a second
    trace = b"".join(records.window(0, encoding.runstate(number * step, 1, 0, number & 1, 1 - (number & 1)))
                     for number in range(1, 2 * 650))
    (tmp_path / "trace.bin").write_bytes(trace)
    bakery = Bakery(Stream(str(tmp_path / "trace.bin")), KHZ, [SECOND], None, lambda: None)
    bakery.run(threading.Event())
    windows = asked(bakery, b'{"get": "windows"}')
    assert len(windows) == 600 and windows[-1]["start_ns"] == 648 * SECOND
    assert [one["start_ns"] for one in windows] == [windows[0]["start_ns"] + number * SECOND for number in range(600)]
    for one in windows:
        domain, = one["domains"]
        assert (domain["running_ns"], domain["waiting_ns"], domain["executions"]) == (SECOND // 2, SECOND // 2, 1)
    bakery.close()


def test_the_document_holds_the_newest_window_of_each_length(bakery):
    windows = json.loads(bakery.figures().decode())["windows"]
    assert [window["length_ns"] for window in windows] == [SECOND, 2 * SECOND]
    span = json.loads(bakery.figures().decode())["trace"]["span_ns"]
    for window in windows:
        assert window["start_ns"] + window["length_ns"] == span - span % window["length_ns"]


def test_a_host_that_makes_and_ends_domains_for_years_does_not_grow(core):
    """One life a second under ever new domids, 8 vCPUs each; windows of 1 s and 10 s keep their history all the while."""
    baking = Baking(KHZ, [SECOND, 10 * SECOND], history=600, per_vcpu=True, core=core)
    second, latest = KHZ * 1000, []
    for number in range(1, 64):
        began = number * second
        life = encoding.encode(records.DOM0_DOM_ADD, [number], began)
        for step, (old, new) in enumerate(((2, 1), (1, 0), (0, 2))):
            for vcpu in range(8):
                tsc = began + 1000 * (8 * step + vcpu + 1)
                life += encoding.runstate(tsc, number, vcpu, old, new)
        baking.engine.feed_rings([(0, life + encoding.encode(records.DOM0_DOM_REM, [number], began + second // 2))])
        baking.engine.pass_done()
        latest += [window for figures in baking.taken for window in figures["windows"] if window["length_ns"] == 10 * SECOND]
        baking.taken.clear()
    for window in latest:       # those that ended long before its border are told with their latencies
        assert len(window["domains"]) == 10
        assert all(one["latency"]["wait_wake"].count == one["executions"] == 8 for one in window["domains"])
    accounts = baking.engine.accounts
    lives = {life for closed in accounts.windows.closed for window in closed for life in window.lives}
    assert len(latest) == 6 and len(lives) > 55
    assert sum(1 for life in lives if life.vcpus or life.hist is not None) <= 14
    assert len(accounts.vcpus) <= 8
    if core == "compiled":
        assert baking.engine._store.tables.size == 256      # the index of vCPUs has forgotten them too
    baking.close()


def test_a_shared_file_that_cannot_grow_is_said_once_and_the_figures_go_on(tmp_path):
    class Full:
        """A writer on a disk that is full for the first documents."""
        written, left = [], 2

        def write(self, parts, time_ns, cells):
            self.left -= 1
            if self.left >= 0:
                raise SourceError("cannot make x: No space left on device")
            self.written.append((time_ns, b"".join(parts), bytes(cells.memory)))

        def beat(self):
            pass

        def close(self):
            pass
    (tmp_path / "trace.bin").write_bytes(capture("narrow-steady"))
    said, writer = [], Full()
    bakery = Bakery(Stream(str(tmp_path / "trace.bin")), KHZ, [SECOND // 4], writer, lambda: None, say=said.append)
    bakery.run(threading.Event())
    bakery.close()
    assert said == ["cannot make x: No space left on device; what is read is old until there is room"]
    time_ns, data, cells = writer.written[-1]
    assert to_json(time_ns, Picture.parse(data, cells), None, None) == bakery.figures()
