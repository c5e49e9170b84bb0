"""What is made of QEMU's bytes, whatever they are."""
import json

import pytest
from helpers.fake_qmp import EVENT, GREETING, disk, line
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import SourceError, Unsupported
from xenmeter.xen.qmp import LIMIT, Talk
from xenmeter.xen.tapdisk import RequestTimes

HELLO = GREETING % (2, 7)
ABLE = line({"return": {}, "id": 1})
XVDA = disk("xvda-qcow2", rd_operations=20, wr_operations=30, rd_bytes=20480, wr_bytes=25600, rd_total_time_ns=9000,
            wr_total_time_ns=8000, flush_operations=7, failed_rd_operations=1, failed_wr_operations=2,
            failed_flush_operations=4, invalid_rd_operations=8, invalid_wr_operations=16, invalid_flush_operations=32)
TOLD = ((None, 20, 30, 20480, 25600), RequestTimes(21, 9000, 32, 8000, 63))


def answer(*entries):
    return line({"return": list(entries), "id": 2})


def talk(*pieces):
    """What a QEMU's bytes come to: the disks, or the SourceError's text."""
    one = Talk()
    sent = b""
    try:
        for piece in pieces:
            sent += one.feed(piece)
    except SourceError as error:
        text = str(error)
        assert text and "\n" not in text and text.isprintable() and text.isascii() and len(text) < 200
        return text
    if sent:
        assert [json.loads(question)["execute"] for question in sent.decode().splitlines()] == [
            "qmp_capabilities", "query-blockstats"]
    return one.disks


def test_a_disk():
    assert talk(HELLO, ABLE, answer(XVDA)) == {"xvda": TOLD}
    assert talk(HELLO + ABLE + answer()) == {}


def test_one_byte_at_a_time():
    whole = HELLO + ABLE + answer(XVDA)
    assert talk(*[whole[place:place + 1] for place in range(len(whole))]) == {"xvda": TOLD}


@pytest.mark.parametrize("node, name", [
    ("xvda-raw", "xvda"), ("xvdaa1-vpc", "xvdaa1"), ("hdc-raw", "hdc"), ("sda15-qed", "sda15"), ("d3p2-raw", "d3p2"),
    ("d16-raw", "d16"), ("xvda-copy-on-read", "xvda"), ("#block123", None), ("xvda", None), ("xvda-", None),
    ("vda-raw", None), ("0-raw", None), ("", None), ("nbd-xvda-raw", None)])
def test_which_disk_it_is(node, name):
    found = talk(HELLO + ABLE + answer(disk(node)))
    assert list(found) == ([] if name is None else [name])


def test_what_the_emulated_disk_did_is_not_the_other_paths():
    emulated = disk("#block225", device="ide0-hd0", rd_operations=5, rd_bytes=2560)
    assert talk(HELLO + ABLE + answer(emulated, XVDA)) == {"xvda": TOLD}
    assert talk(HELLO + ABLE + answer(disk("xvda-raw", device="ide0-hd0"))) == {}


def test_an_empty_drive_has_no_node():
    empty = disk("x")
    del empty["node-name"]
    assert talk(HELLO + ABLE + answer(empty, XVDA)) == {"xvda": TOLD}


def test_the_time_of_failed_requests():
    plain = dict(XVDA, stats=dict(XVDA["stats"], account_failed=False))
    assert talk(HELLO + ABLE + answer(plain)) == {"xvda": (TOLD[0], RequestTimes(20, 9000, 30, 8000, 63))}


def test_events_come_between():
    assert talk(HELLO + EVENT + ABLE, EVENT * 3 + answer(XVDA) + EVENT) == {"xvda": TOLD}


@pytest.mark.parametrize("major, minor", [(2, 4), (2, 11), (3, 0), (3, 1)])
def test_a_qemu_that_may_die_of_the_question_is_not_asked(major, minor):
    one = Talk()
    with pytest.raises(Unsupported, match=r"QEMU %d\.%d is not asked: before 4\.0" % (major, minor)):
        one.feed(GREETING % (minor, major))
    assert one.disks is None


@pytest.mark.parametrize("version", [(0, 4), (2, 4), (0, 10), (1, 11)])
def test_later_ones_are(version):
    assert talk(GREETING % version, ABLE, answer(XVDA)) == {"xvda": TOLD}


@pytest.mark.parametrize("data, text", [
    (b"HTTP/1.1 400 Bad Request\r\n", "no QMP: 'HTTP/1.1 400"),
    (b"\xff\xfe\x00\n", "no QMP"), (b"[]\n", "no QMP"), (b"null\n", "no QMP"), (b"{}\n", "greeting is no QMP"),
    (b"[" * 100000 + b"\n", "no QMP"), (b'{"a":' * 100000 + b"\n", "no QMP"),
    (b'{"QMP": {"version": {"qemu": {"major": "7", "minor": 2}}}}\n', "no version"),
    (b'{"QMP": {"version": {"qemu": {"major": true, "minor": 2}}}}\n', "no version"),
    (b'{"QMP": {"version": {"qemu": {"major": 7.5, "minor": 2}}}}\n', "no version"),
    (b'{"QMP": {"version": {"qemu": {"major": ' + b"7" * 1000000 + b', "minor": 2}}}}\n', "no QMP"),
    (b'{"QMP": {"version": []}}\n', "greeting is no QMP"), (b'{"QMP": null}\n', "greeting is no QMP"),
    (b" " * (LIMIT + 1), "more than 2097152 bytes"),
    (HELLO + line({"error": {"class": "CommandNotFound", "desc": "no\n\x1b[31m"}, "id": 1}), r"refuses: 'no\n\x1b[31m'"),
    (HELLO + line({"error": 7}), "refuses: None"),
    (HELLO + line({"return": {}}), "no question of ours"), (HELLO + line({"return": {}, "id": 2}), "no question of ours"),
    (HELLO + ABLE + ABLE, "no question of ours"), (HELLO + ABLE + line({"id": 2}), "no question of ours"),
    (HELLO + ABLE + line({"return": 5, "id": 2}), "not what QEMU 4"),
    (HELLO + ABLE + answer(5), "not what QEMU 4"), (HELLO + ABLE + answer({"node-name": "xvda-raw"}), "not what QEMU 4"),
    (HELLO + ABLE + answer({"node-name": 5}), "not what QEMU 4"),
    (HELLO + ABLE + answer(dict(XVDA, stats=None)), "not what QEMU 4"),
    (HELLO + ABLE + answer(XVDA, XVDA), "a disk twice: xvda"),
])
def test_what_is_refused(data, text):
    assert text in talk(data)


@pytest.mark.parametrize("value", [-1, 1 << 62, 1.5, "7", None, True, [], 10 ** 30])
@pytest.mark.parametrize("name", ["rd_operations", "wr_bytes", "wr_total_time_ns", "failed_rd_operations",
                                  "invalid_flush_operations"])
def test_counters_that_are_none(name, value):
    wrong = dict(XVDA, stats=dict(XVDA["stats"], **{name: value}))
    assert isinstance(talk(HELLO + ABLE + answer(wrong)), str)
    del wrong["stats"][name]
    assert isinstance(talk(HELLO + ABLE + answer(wrong)), str)


def test_cut_off_anywhere():
    whole = HELLO + ABLE + answer(XVDA)
    assert all(talk(whole[:place]) is None for place in range(len(whole) - 1))
    assert talk(whole[:-2] + b"\n") == {"xvda": TOLD}


@given(st.binary(max_size=300))
def test_any_bytes(data):
    found = talk(data)
    assert found is None or isinstance(found, str)
    found = talk(HELLO + ABLE + data)
    assert found is None or isinstance(found, str) or found == {}


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
                        ["QMP", "return", "id", "event", "error", "desc", "device", "node-name", "stats", "version", "qemu"])
                        | st.text(max_size=4), inner, max_size=4), max_leaves=12)


@given(JSON, st.integers(0, 2))
def test_any_json(message, stage):
    found = talk((HELLO + ABLE)[:(0, len(HELLO), len(HELLO + ABLE))[stage]] + line(message))
    assert found is None or isinstance(found, (str, dict))


@given(st.integers(0, len(answer(XVDA)) - 1), st.binary(min_size=1, max_size=3))
def test_damaged_answers(place, damage):
    """Figures that can be, or one clear reason."""
    whole = bytearray(answer(XVDA))
    whole[place:place + len(damage)] = damage
    found = talk(HELLO + ABLE + bytes(whole))
    assert found is None or isinstance(found, str) or all(
        type(count) is int and 0 <= count < 1 << 62 for told in found.values() for count in told.counters[1:] + told.served)
