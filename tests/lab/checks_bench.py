"""What `xenmeter bench` and `xenmeter compare` say on a booted Xen, against work that is known."""
import json
import re

import pytest

from xenmeter.bench import table, verdict

pytestmark = pytest.mark.parametrize("boot", ["bench"], indirect=True)

#: The burner burns so many ms of each second (guest/init), and its cost may differ by this share.
BURNS, SHARE = 300, 0.03
#: The waker wakes up so often a second, and does nothing.
WAKES = 10
TRIES, RUNS = 10, 4
#: Bytes of each copy (inside/benchruns.py).
COPIED = 1 << 20


def runs_of(boot, name):
    return [json.loads(line) for line in boot.text(f"bench-{name}", ".jsonl").splitlines()]


def domain(record, name):
    return next(one for one in record["domains"] if one["name"] == name)


def burnt(seconds, wake):
    """The least and the most ms that it can cost in so long, whenever that begins.

    :param wake: ms that a wake-up costs here, without any work. Emulated beside other work that is up to 30 ms, for the guest's
        clock goes on while its emulator waits for a core; each burst has one, and its end is as late.
    """
    whole, rest = divmod(seconds * 1000, 1000)
    return (BURNS * whole + max(0, rest - (1000 - BURNS)),
            BURNS * whole + min(BURNS, rest) + 2 * wake * (whole + 1))


def test_a_guest_that_burns_300_ms_of_each_second_costs_that(boot, tell):
    record, = runs_of(boot, "burner")
    seconds = record["lengths_ns"]["xentop"] / 1e9
    cost = domain(record, "burner")["costs"]["cpu_ns"] / 1e6
    wake = domain(record, "waker")["costs"]["cpu_ns"] / 1e6 / (seconds * WAKES)
    low, high = burnt(seconds, wake)
    tell(f"bench: burner cost {cost:.1f} ms in {seconds:.3f} s, {low:.0f} to {high:.0f} are right; a wake-up costs {wake:.2f} ms")
    assert low * (1 - SHARE) <= cost <= high * (1 + SHARE)


def test_a_copy_through_a_vif_matches_its_bytes(boot, tell):
    """Beside the bytes there are heads, 66 in some 1500 or less; the ping's own are idle's."""
    records = runs_of(boot, "copy")
    assert len(records) == 10
    for record in records:
        assert record["unusable"] is None and record["work"] == {"amount": COPIED, "unit": "byte"}
        received = domain(record, "io-guest")["above_idle"]["rx_bytes"]
        assert 0.98 < received / COPIED < 1.12
        assert not any("did they stay in a cache" in check for check in record["checks"])
    tell(f"bench: {COPIED} bytes copied, {received} received by the guest's vif")


def test_two_commands_say_what_a_megabyte_costs_dom0_and_whether_it_changed(boot, tell):
    """Nothing was changed between A and B; each side has 5 runs, which is enough for a verdict on two costs."""
    assert boot.notes["bench-copy-compared.status"] == 0
    said = re.search(r"^CPU us of Domain-0 per MB: median ([\d.e+]+), then ([\d.e+]+); .*$", boot.text("bench-copy-compared"),
                     re.MULTILINE)
    tell("bench: " + said.group())
    assert all(float(median) > 0 for median in said.groups())


def test_weights_under_contention_are_seen(boot, tell):
    """The program shares its pCPU with the burner, whose weight is small, then large: then it has more of each second."""
    records = runs_of(boot, "weights")
    assert "".join(record["label"] for record in records) == "ABBAABBAAB"
    before, after = ([table.per_unit(table.net(domain(record, "burner")), table.unit_of(record)[0]) for record in records
                      if record["label"] == side] for side in "AB")
    judged = verdict.judge(before, after, "less")
    tell(f"bench: weights: the burner's CPU us per second: {judged.text}")
    assert judged.word == "worse"
    said = boot.text("bench-weights-compared")
    assert boot.notes["bench-weights-compared.status"] in (0, 3)
    for line in re.findall(r"^(?:duration|CPU us of .* per second): .*", said, re.MULTILINE):
        tell("bench: weights: compare says: " + line)


def test_the_same_against_the_same_is_rarely_called_a_difference(boot, tell):
    """20 tries: ten of 4 and 4 runs in the order A B B A, by how long the program took and by what it cost dom0."""
    records = runs_of(boot, "same")
    assert len(records) == TRIES * 2 * RUNS and not any(record["unusable"] for record in records)
    took = [record["length_ns"] for record in records]
    costs = [table.net(domain(record, "Domain-0")) for record in records]
    words = []
    for values in (took, costs):
        for first in range(0, len(values), 2 * RUNS):
            mine = values[first:first + 2 * RUNS]
            before = [value for place, value in enumerate(mine) if place % 4 in (0, 3)]
            after = [value for place, value in enumerate(mine) if place % 4 in (1, 2)]
            words.append(verdict.judge(before, after, "less").word)
    alarms = sum(word in ("better", "worse") for word in words)
    tell(f"bench: the same against the same: {alarms} alarms in {len(words)} tries")
    assert len(words) == 20 and alarms <= 3


def test_what_watching_costs_is_told_and_compared(boot, tell):
    said = boot.text("bench-blind-compared")
    assert boot.notes["bench-blind-compared.status"] == 0
    tell("bench: unwatched, then watched: " + re.search(r"^duration: .*", said, re.MULTILINE).group())
    tell("bench: " + re.search(r"^CPU ms of xenmeter itself per run: unwatched, then median .*", said, re.MULTILINE).group())
    for record in runs_of(boot, "blind"):
        watched = record["label"] == "watched"
        assert bool(record["domains"]) == watched and (record["watching_ns"] is not None) == watched
        assert not watched or 0 < record["watching_ns"] < record["length_ns"]


@pytest.mark.parametrize("name", ["burner", "copy", "weights", "same", "blind"])
def test_runs_ended_well_and_found_every_plugin(boot, name):
    assert boot.notes[f"bench-{name}.status"] == 0
    assert boot.text(f"bench-{name}", ".err") == ""
