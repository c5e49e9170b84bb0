"""What Xen tells beside xentop's figures, against Xen's own tools: xen-diag before and after us, xl info -n and xenpm after."""
import json
import re

#: MiB by which a node's free memory may differ while nothing is made: what Xen frees late.
FREE = 16
#: ns that pass between our look and xenpm's, at most, on a machine with other work.
BETWEEN = 300 * 10 ** 9


def told(boot):
    """What we were told, by each way to ask."""
    ways = json.loads(boot.text("hostfacts"))
    assert [way.get("way") for way in ways] == ["libxencall", "/dev/xen/privcmd"], ways
    return ways


def diag(boot, when):
    """{domid: (frames, most)} by xen-diag."""
    lines = "".join(boot.text(f"grants-{when}-{domid}") for domid in boot.notes["grants_domids"])
    return {int(domid): (int(frames), int(most)) for domid, frames, most in re.findall(
        r"domid=(\d+): nr_frames=(\d+), max_nr_frames=(\d+)", lines)}


def test_grant_frames_are_what_xen_diag_says(boot, tell):
    """Of each domain, at once and alone, lie between what Xen's own tool said before and after: a table never shrinks."""
    before, after = diag(boot, "before"), diag(boot, "after")
    assert set(before) == set(after) == set(boot.notes["grants_domids"]) and len(before) > 2
    for way in told(boot):
        assert way["multicall"] is None and way["grants_refused"] is None and way["hypercalls"] == 1
        for asked in ("at_once", "alone"):
            found = {int(domid): tuple(frames) for domid, frames in way[asked].items()}
            assert set(found) == set(before), "one that is not there has no table"
            for domid, (frames, most) in found.items():
                assert before[domid][0] <= frames <= after[domid][0] and before[domid][1] == most == after[domid][1], domid
                assert 0 < frames <= most
    tell(f"{boot.name}: grant frames and most of {len(before)} domains: xen-diag {sorted(before.values())}, "
         f"we {sorted(found.values())}")


def test_the_limit_is_the_guests_own(boot):
    for way in told(boot):
        limits = {int(domid): most for domid, (_, most) in way["at_once"].items()}
        own = boot.notes["guests"]["io-guest"]
        assert limits.pop(own) == 24 and 24 not in limits.values()


def test_nodes_and_places_are_those_of_xl(boot, tell):
    text = boot.text("hostfacts-xl")
    places, nodes = ([list(map(int, line)) for line in re.findall(pattern, part, re.MULTILINE)] for pattern, part in zip(
        (r"^ +\d+: +(\d+) +(\d+) +(\d+)$", r"^ +\d+: +(\d+) +(\d+) +\d+"), text.split("numa_info")))
    assert places and nodes
    for way in told(boot):
        assert way["places"] == places and len(way["nodes"]) == len(nodes)
        for (size, free), (mebibytes, left) in zip(way["nodes"], nodes):
            assert size >> 20 == mebibytes and abs((free >> 20) - left) <= FREE
    tell(f"{boot.name}: nodes (bytes, free) {way['nodes']}, xl (MiB) {nodes}")


def test_power_is_what_xenpm_says(boot, tell):
    """The emulated machine has no clock that Xen drives, and this Xen lets no thermometer be read: that is told, and not as 0."""
    states = [[int(ms) for ms in re.findall(r"residency +\[ *(\d+) ms\]", part)]
              for part in boot.text("hostfacts-cstates").split("cpu id")[1:]]
    assert boot.text("hostfacts-pstates").strip() == "" and len(states) > 1
    for way in told(boot):
        assert set(way["power_refused"]) == {"pstates", "temperature"}
        first, second = way["power"]
        assert len(first) == len(second) == way["pcpus"] == len(states)
        for early, late, theirs in zip(first, second, states):
            assert early[0] is late[0] is early[2] is late[2] is late[3] is None
            assert len(early[1]) == len(late[1]) == len(theirs)
            for one, other, milliseconds in zip(early[1], late[1], theirs):
                assert one[1] <= other[1] + 10 ** 9 and -10 ** 9 < milliseconds * 10 ** 6 - other[1] < BETWEEN
    tell(f"{boot.name}: C-states of pCPU 0 in ms: we {[state[1] // 10 ** 6 for state in second[0][1]]}, xenpm {states[0]}; "
         f"refused: {way['power_refused']}")
