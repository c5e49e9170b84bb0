"""A guest's name that holds line ends and looks like another guest's row: never another guest's figures."""
import json
import shutil
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenmeter.core.options import from_pairs
from xenmeter.front.cli import main
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xen.domains import Unreadable
from xenmeter.xentop.text.collector import Collector
from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.lineends import with_line_ends
from xenmeter.xentop.text.live import LiveXentop
from xenmeter.xentop.mirror import JsonMirror
from xenmeter.xentop.text.parse import Parser
from xenmeter.xentop.plugin import PLUGIN
from xenmeter.xentop.text.records import Iteration

from helpers import xentop_cases as cases
from helpers.xentop_rows import net, row, rows

JOINED = "credit2-2pcpu-joined-b-d1-i3-fnxvr"


@pytest.mark.parametrize("before, after", [(b"x\n", b"\nidle.guest_1"), (b"\n", b"\n"), (b"x\n\n", b"\nVCPUs(sec):   0: 5s\ny")])
@pytest.mark.parametrize("padded", [True, False])
def test_a_row_in_a_name_of_a_recording(tmp_path, capsysbinary, before, after, padded):
    """Of Xen 4.5 and later, which pad names to the longest, and of those before, which do not."""
    for name in ("manifest.json", "xenstore-ls.txt", "xentop.txt"):
        shutil.copy(str(cases.FIXTURES / JOINED / name), str(tmp_path / name))
    lines = (tmp_path / "xentop.txt").read_bytes().split(b"\n")
    forged = next(line for line in lines if line.split()[:1] == [b"busy"])
    seconds = forged.split()[2]
    forged = forged.replace(b" " * 5 + seconds, b"99999", 1)
    assert b"99999" in forged
    name = before + forged + after
    width = len(lines[0].partition(b"NAME")[0]) + 4

    def renamed(line):
        field, rest = line[:width], line[width:]
        if field.strip() == b"idle.guest_1":
            field = name
        return (field.rjust(len(name)) if padded and rest[:2] == b" -" or padded and b"NAME" in field else field) + rest
    (tmp_path / "xentop.txt").write_bytes(b"\n".join(map(renamed, lines)))
    store = (tmp_path / "xenstore-ls.txt").read_bytes()
    assert store.count(b'"idle.guest_1"') >= 1
    (tmp_path / "xenstore-ls.txt").write_bytes(store.replace(b'"idle.guest_1"', b'"%s"' % name.replace(b"\n", b"\\n")))

    def played(path):
        assert main(["xentop", "--source", str(path), "--format", "json"]) == 0
        out, err = capsysbinary.readouterr()
        assert err == b""
        return [json.loads(line) for line in out.splitlines()]
    found, true = played(tmp_path), played(cases.FIXTURES / JOINED)
    assert len(found) == len(true)
    for forged_sample, true_sample in zip(found, true):
        for one in true_sample["domains"]:
            one["name"] = name.decode() if one["name"] == "idle.guest_1" else one["name"]
        assert sorted(map(str, forged_sample["domains"])) == sorted(map(str, true_sample["domains"]))


def hostile(victim):
    """Names with line ends, in which whole lines of xentop's are: rows, headers, devices."""
    text = encode(Iteration([victim])).split(b"\n")
    part = st.one_of(st.sampled_from(text), st.binary(max_size=12).map(lambda name: name.replace(b"\0", b"")),
                     st.sampled_from([b"", b" ", b"--b---", b"web --b--- 5"]))
    return st.lists(part, min_size=2, max_size=5).map(b"\n".join).filter(lambda name: len(name) < 4096)


@settings(max_examples=150, deadline=None)
@given(rows(), st.data(), st.integers(1, 400))
def test_whatever_such_names_hold_rows_are_read_as_they_are(victim, data, size):
    victim.name = b"victim"
    guests = [row(name, nets=[net()]) for name in data.draw(st.lists(hostile(victim), min_size=1, max_size=3, unique=True))]
    for guest in guests:
        guest.name = guest.name.lstrip(b" ")
    guests = list({guest.name: guest for guest in guests if b"\n" in guest.name}.values())
    wanted = Iteration(sorted([row(b"Domain-0"), victim] + guests, key=lambda one: one.name.lower()))
    text = encode(wanted) * 3
    parser = Parser("nxv")
    parser.know(with_line_ends(guest.name for guest in guests))
    found = [one for start in range(0, len(text), size) for one in parser.feed(text[start:start + size])] + parser.close()
    assert (found, parser.skipped) == ([wanted] * 3, 0)


class Store:
    """xenstore's word: another one from a moment on."""

    def __init__(self, *turns):
        self.turns = list(turns)

    def snapshot(self):
        names = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        return Snapshot([DomainFacts(domid, name, "%08d-0000-0000-0000-000000000000" % domid, None, (), {})
                         for domid, name in enumerate(names)], None)


def lived(tmp_path, store, *iterations):
    script = []
    for index, iteration in enumerate(iterations):
        (tmp_path / str(index)).write_bytes(encode(iteration))
        script.append("cat %s; sleep 0.5" % (tmp_path / str(index)))
    source = LiveXentop(1, store, ["sh", "-c", "; ".join(script)])
    stop, found = threading.Event(), []
    for sample in source.samples(stop, lambda error: stop.set()):
        found.append(sample)
    return found


def forged_by(victim):
    return b"x\n" + encode(Iteration([victim]), vcpus=False).split(b"\n")[1] + b"\ny"


def test_a_name_that_is_known_is_read_from_the_first_iteration_on(tmp_path):
    name = forged_by(row(b"web", cpu_seconds=99999))
    wanted = Iteration([row(b"Domain-0"), row(b"web", cpu_seconds=5), row(name)])
    found = lived(tmp_path, Store([b"Domain-0", b"web", name]), wanted, wanted)
    assert [sample.iteration for sample in found] == [wanted, wanted]


def test_a_name_that_is_new_costs_that_iteration_and_says_so(tmp_path):
    """Its text was taken apart before the name was known: nothing of it is published, by no form."""
    name = forged_by(row(b"web", cpu_seconds=99999))
    before = Iteration([row(b"Domain-0"), row(b"web", cpu_seconds=5)])
    after = Iteration(before.rows + [row(name)])
    old, new = [b"Domain-0", b"web"], [b"Domain-0", b"web", name]
    found = lived(tmp_path, Store(old, old, new, new), before, after, after)
    left_out = [sample for sample in found if isinstance(sample.names, Unreadable)]
    assert left_out and all(sample.iteration == Iteration() for sample in left_out)
    assert [sample.iteration for sample in found if sample not in left_out] == [before, after]
    collector, mirror = Collector(), JsonMirror(from_pairs(PLUGIN.options, [])[0])
    for sample in found:
        told = collector.collect(sample).tables["domain"]
        assert 99999 not in [one["cpu_seconds"] for one in mirror.domains(sample)]
        assert 99999 * 10 ** 9 not in [values[3] for _, _, values in told]
        if sample in left_out:
            assert told == [] == mirror.domains(sample) and "holds a line end" in collector.trouble and mirror.trouble
