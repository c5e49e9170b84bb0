"""Counters of devices against a model of what kernels do to them: wraps, devices plugged again, damage, restarts of ours."""
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tools.kernel import G32, Kernel, near_its_end
from xenmeter.core.counters import SERVED, VBD, VIF, Devices, Monotonic, Shape, CounterLog

S = 10 ** 9


def seen(shape, *readings, **more):
    """What is shown of one device's figures, ten seconds apart, and what was counted as wrong."""
    told = CounterLog()
    counter = Monotonic(shape, told)
    return [counter.update(raw, number * 10 * S, **more) for number, raw in enumerate(readings)], told.errors


def vif(rx, tx, packets=1, drops=0):
    return (rx, packets, 0, 0, tx, packets, 0, drops)


class TestOneCounter:
    def test_that_wraps_at_4_gib_touches_no_other(self):
        shown, errors = seen(VIF, vif(2000000000, G32 - 3000000, 5000000, 7), vif(2000100000, G32 - 1000000, 5000010, 7),
                             vif(2000200000, 1000000, 5000020, 7), vif(2000300000, 3000000, 5000030, 7))
        assert [values[0] for values in shown] == [2000000000, 2000100000, 2000200000, 2000300000]
        assert [values[1] for values in shown] == [5000000, 5000010, 5000020, 5000030]
        assert [values[4] - G32 for values in shown] == [-3000000, -1000000, 1000000, 3000000]
        assert {values[7] for values in shown} == {7} and errors == {"counter_wrapped": 1}

    def test_of_several_queues_wraps_anywhere(self):
        """Netback adds up the 32-bit counters of its queues."""
        shown, errors = seen(VIF, *[vif(5, value, packets) for packets, value in enumerate(
            (9 * 10 ** 9, 9 * 10 ** 9 + 10 ** 8, 9 * 10 ** 9 + 2 * 10 ** 8 - G32, 9 * 10 ** 9 + 3 * 10 ** 8 - 2 * G32), 5)])
        assert [values[4] for values in shown] == [9 * 10 ** 9 + step * 10 ** 8 for step in range(4)]
        assert errors == {"counter_wrapped": 2}

    def test_of_sectors_wraps_in_sectors(self):
        shown, errors = seen(VBD, *[(number, 5, (sectors % G32) * 512, 5, 0) for number, sectors in enumerate(
            range(G32 - 2000, G32 + 3000, 1000), 1)])
        assert [values[2] // 512 - G32 for values in shown] == [-2000, -1000, 0, 1000, 2000]
        assert errors == {"counter_wrapped": 1}

    def test_a_wrap_of_which_only_the_next_readings_make_sure(self):
        """It rose by more than it did before."""
        shown, errors = seen(VIF, *[vif(5, value % G32, packets) for packets, value in enumerate(
            (G32 - 2000, G32 - 1000, G32 + 10 ** 9, G32 + 2 * 10 ** 9, G32 + 2 * 10 ** 9 + 5, G32 + 2 * 10 ** 9 + 7), 5)])
        assert [values[4] for values in shown] == [
            G32 - 2000, G32 - 1000, None, None, G32 + 2 * 10 ** 9 + 5, G32 + 2 * 10 ** 9 + 7]
        assert errors == {"counter_wrapped": 1}

    def test_with_a_sign_is_absent_while_it_is_negative(self):
        """As 64 bits read it: from 2^31 on. What it counted meanwhile is not lost."""
        values = [G32 // 2 - 500, 2 ** 64 - G32 // 2 + 500, 2 ** 64 - 10, 990, 1990, 2990, 3990]
        shown, errors = seen(VBD, *[(number, 5, value * 512, 5, 0) for number, value in enumerate(values, 1)])
        assert [value[2] and value[2] // 512 for value in shown] == [
            G32 // 2 - 500, None, None, None, None, G32 + 2990, G32 + 3990]
        assert errors == {"counter_impossible": 2, "counter_wrapped": 1}
        assert [value[0] for value in shown] == [1, 2, 3, 4, 5, 6, 7]

    @pytest.mark.parametrize("damage", [[5], [5, 6], [1 << 50], [1 << 50, 1 << 51], [1 << 63], [2 ** 64 - 1], [1 << 50, 3],
                                        [0, 1 << 63, 7], [1 << 47, (1 << 47) + 1], [999999]])
    def test_that_is_damaged_for_a_moment_is_absent_then_and_right_after(self, damage):
        values = [10 ** 6, 10 ** 6 + 10] + damage + [10 ** 6 + 50, 10 ** 6 + 60]
        shown, errors = seen(VBD, *[(number, 5, value, 5, 0) for number, value in enumerate(values, 1)])
        assert [value[2] for value in shown] == [10 ** 6, 10 ** 6 + 10] + [None] * len(damage) + [10 ** 6 + 50, 10 ** 6 + 60]
        assert [value[0] for value in shown] == list(range(1, len(values) + 1))
        assert sum(errors.values()) >= 1 and set(errors) <= {"counter_damaged", "counter_impossible"}

    def test_that_goes_on_from_elsewhere_adds_its_steps(self):
        """Neither what it fell by nor what it jumped by was counted by anybody."""
        for start in (5000, 1 << 50):
            values = [10 ** 6, 10 ** 6 + 10, start, start + 1, start + 2, start + 3]
            shown, _ = seen(VBD, *[(number, 5, value, 5, 0) for number, value in enumerate(values, 1)])
            assert [value[2] for value in shown] == [10 ** 6, 10 ** 6 + 10, None, None, 10 ** 6 + 12, 10 ** 6 + 13]

    def test_a_small_peak_that_was_told_is_waited_for(self):
        shown, errors = seen(VBD, *[(number, 5, value, 5, 0) for number, value in enumerate((100, 110, 900, 130, 890, 910), 1)])
        assert [value[2] for value in shown] == [100, 110, 900, None, None, 910] and errors == {"counter_damaged": 1}

    def test_garbage_in_every_reading_is_never_a_figure(self):
        """Sectors read of Xen 4.13 to 4.15: what lay on the stack."""
        stack = [0x7ffd1234, 0x7ffe99990000, 0x55d0aabbcc00, 3, 0x7ffd00000000, 2 ** 64 - 1, 0, 0x7fff12345678]
        shown, _ = seen(VBD, *[(number, 5, value * 512, 5, 0) for number, value in enumerate(stack, 1)])
        assert [value[2] for value in shown[1:]] == [None] * 7 and [value[0] for value in shown] == list(range(1, 9))


class TestADeviceThatBeganAgain:
    def test_by_its_identity_whatever_its_counters_say(self):
        counter = Monotonic(VIF)
        assert counter.update(vif(100, 7, 3), 0, 12) == vif(100, 7, 3)
        assert counter.update(vif(50, 9, 5), 0, 13) == vif(150, 16, 8)
        assert counter.update(vif(51, 9, 5), 0, 13) == vif(151, 16, 8)

    def test_as_all_its_counters_fell(self):
        assert seen(VIF, vif(100, 7, 3), vif(5, 0, 1), vif(6, 0, 1)) == ([vif(100, 7, 3), (105, 4, 0, 0, 7, 4, 0, 0),
                                                                       (106, 4, 0, 0, 7, 4, 0, 0)], {})

    def test_only_where_the_guests_driver_connected_anew(self):
        """Netback's queues go, and with them bytes and packets; drops are the interface's, which stays."""
        assert seen(VIF, vif(100, 7, 3, 9), vif(5, 1, 1, 9))[0][1] == vif(105, 8, 4, 9)

    def test_as_it_was_away_and_something_fell(self):
        devices = Devices(VIF)
        devices.update("0", vif(100, 7, 3))
        devices.listed(["0"])
        devices.listed([])
        assert devices.total(8) == vif(100, 7, 3)
        assert devices.update("0", vif(50, 9, 5)) == vif(150, 16, 8)

    def test_one_whose_only_counter_wraps_did_not(self):
        assert seen(None, (G32 - 500, 0), (G32 - 100, 0), (300, 0)) == (
            [(G32 - 500, 0), (G32 - 100, 0), (G32 + 300, 0)], {"counter_wrapped": 1})
        assert seen(None, (5000, 0), (6000, 0), (300, 0)) == ([(5000, 0), (6000, 0), (6300, 0)], {})

    @pytest.mark.parametrize("zero", [(0, 0), (3, 4)])
    def test_not_where_all_come_back(self, zero):
        """A file that is read as it is made, a kernel that says 0 for a moment: no spike, and nothing is added for good."""
        shown, errors = seen(None, (10 ** 9, 10 ** 6), (10 ** 9 + 100, 10 ** 6 + 1), zero, (10 ** 9 + 300, 10 ** 6 + 9))
        assert shown[2] == (10 ** 9 + 100 + zero[0], 10 ** 6 + 1 + zero[1])
        assert shown[3] == (10 ** 9 + 300, 10 ** 6 + 9) and errors == {"counter_damaged": 2}

    def test_a_sum_falls_when_a_part_goes_and_counts_on(self):
        devices = Devices(VIF)
        devices.update("columns", vif(1000, 2000, 0), 0, None, 2)
        assert devices.update("columns", vif(900, 1800, 0), 0, None, 2)[::4] == (1000, 2000)
        assert devices.update("columns", vif(910, 1900, 0), 0, None, 1)[::4] == (1010, 2100)


def test_devices_that_went_still_count():
    devices = Devices()
    assert devices.total(2) == (0, 0)
    devices.update("a", (5, 6))
    devices.update("b", (1, 1))
    assert devices.update("a", (2, 2)) == (7, 8) and devices.total(2) == (8, 9)
    devices.listed(["b"])
    assert devices.total(2) == (8, 9)


def test_a_sum_is_absent_while_a_part_is():
    devices = Devices()
    devices.update("a", (5, 6))
    devices.update("b", (1, 1 << 63))
    assert devices.total(2) == (6, None) and devices.told.errors == {"counter_impossible": 1}


def test_rates_of_hundreds_of_gigabits_and_long_pauses_are_no_damage():
    pace = 50 * 10 ** 9     # bytes per second, 400 Gbit/s
    counter, told = Monotonic(VIF, CounterLog()), CounterLog()
    total = 0
    for seconds in (0, 10, 20, 30, 30 + 3600, 30 + 2 * 86400):
        total = pace * seconds
        assert counter.update(vif(total, 5), seconds * S)[0] == total
    assert told.errors == {}


def test_time_of_deep_queues_is_no_damage():
    shown, errors = seen(SERVED, *[(n, n * 10 * S * 4096, 1, 1, 0) for n in range(5)])
    assert [value[1] for value in shown] == [n * 10 * S * 4096 for n in range(5)] and errors == {}


MODEL = Shape(((0, 1), (2, 3)), (1, 512, 1, 1), (1,) * 4)
STEPS = st.tuples(*[st.integers(0, 1 << 20)] * 4)
STARTS = st.tuples(*[st.one_of(st.integers(1, 5000), st.integers(G32 - (1 << 21), G32 - 1), st.integers(1, 1 << 40))] * 4)
#: Lower than anything that could be a wrap, or higher than anything that could be counted.
DAMAGE = st.one_of(st.integers(0, 1000), st.integers(1 << 55, (1 << 64) - 1))
EVENTS = st.one_of(
    st.tuples(st.just("count"), STEPS), st.tuples(st.just("count"), STEPS),
    st.tuples(st.just("plugged again"), st.tuples(*[st.integers(0, 1 << 40)] * 4)),
    st.tuples(st.just("connected anew"), st.tuples(*[st.integers(0, 4)] * 4)),
    st.tuples(st.just("damaged"), st.tuples(st.integers(0, 3), DAMAGE, STEPS)),
    st.tuples(st.just("restarted"), STEPS), st.tuples(st.just("restarted, no file"), STEPS))


def plays(kernel, counter, event, what):
    """One event; what the device says then, and the counters that see it."""
    if event == "plugged again":
        kernel.identity += 1
        kernel.begin(what)
    elif event == "connected anew":
        kernel.begin(what)
    elif event == "damaged":
        kernel.count(what[2])
    else:
        kernel.count(what)
    told = kernel.told()
    if event == "damaged":
        told[what[0]] = what[1]
    if event == "restarted":
        other = Monotonic(MODEL)
        other.restore(counter.raw, counter.total, counter.identity, False)
        counter = other
    elif event == "restarted, no file":
        counter, kernel.truth = Monotonic(MODEL), kernel.told()
    return told, counter


def may_look_like_a_wrap(kernel):
    """Whether all counters of a group are so near the end of 32 bits (of their own steps, or of what these are told as) that a
    fall to little is what a wrap would be: then it is told as one."""
    def near(place):
        return near_its_end(kernel.counted[place]) or MODEL.units[place] > 1 and kernel.told()[place] > G32 // 2
    counted = [[place for place in group if kernel.counted[place]] for group in MODEL.groups]
    return any(places and all(map(near, places)) for places in counted)


@settings(max_examples=400)
@example((4292870144, 4292870144, 4293328899, 4292870144), (False,) * 4, [
    ("count", (120095, 499545, 0, 110842)), ("count", (928480, 549030, 589820, 937733)), ("connected anew", (0, 0, 0, 0)),
    ("connected anew", (0, 0, 0, 0))])
@given(STARTS, st.tuples(*[st.booleans()] * 4), st.lists(EVENTS, max_size=25))
def test_against_a_model(start, narrow, events):
    """What is told is what was counted, to the last one; a counter is absent only while something is wrong with it or has
    just been; and never falls but at a restart without the file."""
    kernel = Kernel(start, narrow, MODEL.units)
    counter, last, quiet = Monotonic(MODEL), [0] * 4, 0
    assert counter.update(tuple(kernel.told()), 0, 1) == tuple(kernel.truth)
    for number, (event, what) in enumerate(events + [("count", (1,) * 4)] * 4, 1):
        before = kernel.told()
        if event == "connected anew" and (may_look_like_a_wrap(kernel) or not all(
                value * unit < old for value, unit, old in zip(what, MODEL.units, before) if old)) or (
                event == "damaged" and (before[what[0]] < 5000 or any(map(near_its_end, kernel.counted)))
                or quiet < 3 and event != "count"):
            event, what = "count", (1,) * 4     # it would be no evidence, or look like a wrap, or be damage amid damage
        quiet = quiet + 1 if event == "count" else 0
        told, counter = plays(kernel, counter, event, what)
        shown = counter.update(tuple(told), number * 10 * S, kernel.identity)
        if event == "restarted, no file":
            last = [0] * 4
        for place in range(4):
            if shown[place] is None:
                assert quiet < 3, (event, place)
                continue
            assert shown[place] == kernel.truth[place] >= last[place], (event, place)
            last[place] = shown[place]


ANY = st.lists(st.tuples(st.tuples(*[st.one_of(st.integers(0, 3000), st.integers(0, (1 << 65) - 1))] * 4),
                         st.sampled_from([None, None, None, 1, 2]), st.integers(-10, 100), st.integers(1, 3), st.booleans()))


@settings(max_examples=400)
@given(ANY)
def test_whatever_it_is_given_it_never_falls_and_never_tells_the_impossible(readings):
    devices, last = Devices(MODEL), [0] * 4
    highest = [0] * 4
    for raw, identity, seconds, parts, there in readings:
        devices.listed(["a"] if there else [])
        shown = devices.update("a", raw, seconds * S, identity, parts)
        devices.update("b", (1, 1, 1, 1), seconds * S)
        total = devices.total(4)
        for place in range(4):
            assert shown[place] is None or last[place] <= shown[place]
            assert total[place] is None or highest[place] <= total[place]
            last[place] = last[place] if shown[place] is None else shown[place]
            highest[place] = highest[place] if total[place] is None else total[place]
