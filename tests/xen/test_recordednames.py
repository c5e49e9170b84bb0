"""What a recording holds of xenstore, by iteration and by time."""
import json

import pytest

from xenmeter.core.errors import SourceError
from xenmeter.core.recording import open_recording, write_manifest
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xen.recordednames import names_by_iteration, names_by_time, noted_names, snapshot_from_json, \
    snapshot_to_json

FIRST = Snapshot([DomainFacts(0, b"Domain-0", "00000000-0000-0000-0000-000000000000", None, (), {}),
                  DomainFacts(3, b"\xff\nodd", None, 12, (0, 2), {51712: "xvda"})], {3: ["2", "0"]})
THEN = Snapshot(FIRST.domains[:1], None)


def recording(tmp_path, lines):
    (tmp_path / "names.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    (tmp_path / "stamps").write_text("100\n200\n300\n400\n")
    write_manifest(str(tmp_path), {"sources": {"names": {"file": "names.jsonl"},
                                               "xentop": {"file": "x", "stamps": "stamps"}}})
    return open_recording(str(tmp_path))


def test_any_name_survives():
    assert snapshot_from_json(json.loads(json.dumps(snapshot_to_json(FIRST)))) == FIRST


def test_each_holds_from_its_iteration_on_and_silence_is_no_name(tmp_path):
    found = recording(tmp_path, [dict(snapshot_to_json(FIRST), iteration=0), {"unreadable": "no answer", "iteration": 1},
                                 dict(snapshot_to_json(THEN), iteration=3)])
    at = names_by_iteration(noted_names(found))
    assert [(at(number).snapshot, at(number).unreadable) for number in range(5)] == [
        (FIRST, None), (None, "no answer"), (None, "no answer"), (THEN, None), (THEN, None)]
    by_time = names_by_time(found)
    assert [by_time(time) for time in (50, 100, 250, 399, 400, 900)] == [FIRST] * 4 + [THEN] * 2


def test_nothing_of_xenstore(tmp_path):
    write_manifest(str(tmp_path), {"sources": {"xentop": {"file": "x"}}})
    found = open_recording(str(tmp_path))
    assert names_by_iteration(noted_names(found))(0) is None and names_by_time(found)(0) is None


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"iteration": 0}', '{"iteration": "x", "unreadable": ""}'])
def test_damage_is_said(tmp_path, line):
    found = recording(tmp_path, [])
    (tmp_path / "names.jsonl").write_text(line + "\n")
    with pytest.raises(SourceError, match="names file is damaged"):
        names_by_iteration(noted_names(found))
