"""What Prometheus scraped and collectd stored while domains lived through what a host in use does to them."""
import collections
import functools
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.on("lives")

#: Steps after which the mover is a new domain of Xen's, whose counters begin again.
NEW_LIVES = ("restore", "migrate", "reboot")
STEPS = ("vcpus", "memory", "rename", "cap", "pool", "save", *NEW_LIVES, "suspend")
#: Seconds by which a scrape's figures may be older than it, and CPU time that two of them may differ by: each is a second old at
#: most, and all is slow here.
STALE = 5
PLUGINS = pytest.mark.parametrize("plugin", ["xentop", "vcpu"])


@functools.cache
def scrapes(boot, plugin):
    """[(ns, {(name, labels): value})] of one plugin's endpoint, from its first reading on."""
    found = []
    for one in boot.samples(f"scrapes-{plugin}"):
        assert "text" in one, one
        series = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for family in text_string_to_metric_families(one["text"]) for sample in family.samples}
        if found or any(name.startswith(("xen_domain", "xen_vcpu")) for name, _ in series):
            found.append((one["time_ns"], series))
    return found


def steps(boot):
    return {name: times for name, *times in boot.notes["steps"]}


def told(sample, name, **labels):
    """[value] of a scrape's series of that name that have these labels."""
    return [value for (one, its), value in sample.items() if one == name and labels.items() <= dict(its).items()]


def during(boot, plugin, step):
    """The scrapes of a step and of what came of it."""
    began, _, seen = steps(boot)[step]
    return [sample for when, sample in scrapes(boot, plugin) if began <= when <= seen]


def uuid_of(boot, name):
    """The one UUID that a name had in all scrapes."""
    uuid, = {dict(labels)["uuid"] for _, sample in scrapes(boot, "xentop") for metric, labels in sample
             if metric == "xen_domain_info" and dict(labels)["domain"] == name}
    return uuid


def test_every_step_was_taken(boot):
    assert not boot.notes["failed_steps"] and tuple(steps(boot)) == STEPS
    assert boot.notes["collectd_alive_at_the_end"] is True


@PLUGINS
def test_counters_never_fall_within_a_life(boot, plugin, tell):
    """Whatever is done to a domain; and where the mover begins anew, its counters alone do."""
    mover, fell, seen, before = uuid_of(boot, "mover"), collections.Counter(), 0, {}
    anew = [(began, until) for name, (began, _, until) in steps(boot).items() if name in NEW_LIVES]
    for when, sample in scrapes(boot, plugin):
        for series, value in sample.items():
            if not series[0].endswith("_total"):
                continue
            seen += 1
            if value < before.get(series, 0):
                assert dict(series[1]).get("uuid") == mover and any(began <= when <= until for began, until in anew), series
                fell[series] += 1
            before[series] = value
    tell(f"{boot.name}: {len(scrapes(boot, plugin))} scrapes of {plugin}, {seen} counters; {len(fell)} series began again, "
         f"at most {max(fell.values(), default=0)} times")
    assert seen > 500 and max(fell.values(), default=0) <= len(NEW_LIVES)


@pytest.mark.parametrize(("plugin", "name"), [("xentop", "xen_domain_cpu_seconds_total"),
                                              ("vcpu", "xen_vcpu_runstate_seconds_total")])
def test_no_step_makes_a_spike(boot, plugin, name):
    """What rate() shows is never more than the vCPUs can have run; where a counter begins again it counts from 0."""
    before = {}
    for when, sample in scrapes(boot, plugin):
        for series, value in sample.items():
            if series[0] == name and (plugin == "xentop" or ("state", "running") in series[1]):
                since, last = before.get(series, (when, value))
                room = ((when - since) / 1e9 + STALE) * (2 if plugin == "xentop" else 1)
                assert (value if value < last else value - last) <= room, (series, when)
                before[series] = when, value


@PLUGINS
def test_no_ghost_is_left(boot, plugin):
    """What was saved is gone from the endpoint before it is restored, and there is one of it, and one name, at the end."""
    mover = uuid_of(boot, "mover")
    last = during(boot, plugin, "save")[-1]
    assert not any(dict(labels).get("uuid") == mover for _, labels in last)
    final = scrapes(boot, plugin)[-1][1]
    assert {dict(labels)["domain"] for _, labels in final if dict(labels).get("uuid") == mover} == {"mover"}
    assert not any(dict(labels).get("domain") == "moved" for _, labels in final)
    assert len(told(scrapes(boot, "xentop")[-1][1], "xen_domain_info", uuid=mover)) == 1


def test_identity_is_kept(boot):
    """Renamed, it is the same UUID under another name; restored, migrated and rebooted, the same UUID with another domid."""
    mover = uuid_of(boot, "mover")
    assert uuid_of(boot, "moved") == mover
    domids = [dict(labels)["domid"] for _, sample in scrapes(boot, "xentop") for name, labels in sample
              if name == "xen_domain_info" and dict(labels)["uuid"] == mover]
    lives = [boot.notes["guests"]["mover"], *(boot.notes[step] for step in ("restored", "migrated", "rebooted"))]
    assert (lives[2] is not None) == boot.release.shadow
    lives = [life for life in lives if life is not None]
    assert set(map(str, lives)) <= set(domids) and domids[0] == str(lives[0]) and domids[-1] == str(lives[-1])
    assert lives == sorted(set(lives))
    for step, life in (("pool", lives[0]), ("cap", lives[0]), ("suspend", lives[-1])):
        assert all(told(sample, "xen_domain_info", uuid=mover, domid=str(life)) for sample in during(boot, "xentop", step))


def test_a_suspended_guest_goes_on(boot, tell):
    """Where libxl tells it that nothing came of it: else its kernel makes its event channels anew, which are there, and dies."""
    _, done, seen = steps(boot)["suspend"]
    mover = uuid_of(boot, "mover")
    ran = [told(sample, "xen_domain_cpu_seconds_total", uuid=mover)[0] for when, sample in scrapes(boot, "xentop")
           if done <= when <= seen]
    died = "evtchn_fifo_resume" in (boot.results / "guest-mover.log").read_text(errors="replace")
    tell(f"{boot.name}: after xl save -c the mover {'died' if died else 'went on'}; it ran {ran[-1] - ran[0]:.2f} s more")
    assert died != boot.release.resumes and (died or ran[-1] > ran[0])


def test_a_vcpu_that_is_taken_away_is_offline_and_comes_back(boot):
    mover = uuid_of(boot, "mover")
    online = [told(sample, "xen_vcpu_online", uuid=mover, vcpu="1") for sample in during(boot, "vcpu", "vcpus")]
    assert [1.0] in online and [0.0] in online and online[-1] == [1.0]
    for sample in during(boot, "xentop", "vcpus"):      # configured vCPUs stay what they are
        assert told(sample, "xen_domain_vcpus", uuid=mover) == [2.0]


def test_memory_follows_mem_set(boot, tell):
    mover = uuid_of(boot, "mover")
    first = told(scrapes(boot, "xentop")[0][1], "xen_domain_memory_bytes", uuid=mover)[0]
    held = [value for sample in during(boot, "xentop", "memory") for value in told(sample, "xen_domain_memory_bytes", uuid=mover)]
    tell(f"{boot.name}: the mover held {first / 2 ** 20:.1f} MiB, then {min(held) / 2 ** 20:.1f}, then {held[-1] / 2 ** 20:.1f}")
    assert min(held) <= first - (7 << 20) and held[-1] > first - (7 << 20)


def test_a_cap_is_seen(boot, tell):
    """The burner wants 300 ms of each second and may have 100."""
    began, done, _ = steps(boot)["cap"]
    burner = uuid_of(boot, "burner")
    ran = [(when, told(sample, "xen_domain_cpu_seconds_total", uuid=burner)[0]) for when, sample in scrapes(boot, "xentop")
           if began + 3 * 10 ** 9 <= when <= done]
    share = (ran[-1][1] - ran[0][1]) / ((ran[-1][0] - ran[0][0]) / 1e9)
    tell(f"{boot.name}: capped at 10 % of a pCPU the burner had {share:.1%}")
    assert share <= 0.2


def test_the_burner_was_moved_to_another_pool(boot):
    assert re.search(r"^second +1 +credit2 +y +1", boot.text("pools"), re.MULTILINE)
    burner = uuid_of(boot, "burner")
    for plugin in ("xentop", "vcpu"):
        name = "xen_domain_cpu_seconds_total" if plugin == "xentop" else "xen_vcpu_online"
        assert all(told(sample, name, uuid=burner) for sample in during(boot, plugin, "pool"))


def test_collectds_values_begin_again_with_each_life_and_never_else(boot, tell):
    """csv keeps counters as they come: of all the mover's, none falls more often than it had new lives."""
    falls = {}
    for folder in (boot.results / "csv" / "dom0lab").glob("xen*-mover"):
        kinds = collections.defaultdict(list)
        for file in sorted(folder.iterdir()):
            if re.match(r"(derive|counter|if_octets|disk_ops|virt_vcpu|virt_cpu_total|cpu)", file.name):
                kinds[file.name[:-11]] += [line.split(",")[1:] for line in file.read_text().splitlines()[1:]]
        for kind, rows in kinds.items():
            for values in zip(*rows):
                numbers = [float(value) for value in values if value != "nan"]
                falls[folder.name, kind] = sum(after < before for before, after in zip(numbers, numbers[1:]))
    tell(f"{boot.name}: collectd kept {len(falls)} counters of the mover; they began again {max(falls.values())} times at most")
    assert len(falls) > 2 and max(falls.values()) <= len(NEW_LIVES)
