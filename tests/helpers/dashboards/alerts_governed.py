"""Hosts whose baker rests, for promtool: what a page says at every reading, worked out from the true shares."""
STEP = 10       # seconds between readings
#: How two hosts are: mean of each domain's vCPUs. Both dom0s have 16 vCPUs; both guests 2.
TRUTH = {
    "bad:1": {"Domain-0": (16, {"waiting": 0.08, "running": 0.2, "blocked": 0.72}),
              "web": (2, {"waiting": 0.15, "running": 0.5, "blocked": 0.35})},
    "good:1": {"Domain-0": (16, {"waiting": 0.03, "running": 0.2, "blocked": 0.77}),
               "web": (2, {"waiting": 0.07, "running": 0.5, "blocked": 0.43})},
}
LOST_PER_S = {"bad:1": 12.0, "good:1": 0.0}
LONG_WAITS_PER_S = {"bad:1": 5.0, "good:1": 0.5}     # of 100 waits


def observed_s(at, observation, cycle):
    """Seconds observed until then, by a baker that observes so long of every so long."""
    whole, part = divmod(at, cycle)
    return whole * observation + min(part, observation)


def series(observation, cycle, minutes, end=None):
    """promtool's input_series. end: "gone" (no such series after two thirds), "frozen" (no more is observed), or None."""
    steps = minutes * 60 // STEP
    last = steps * 2 // 3 if end else steps
    times = [observed_s(step * STEP, observation, cycle) for step in range(last)]

    def one(name, per_s, **labels):
        text = ",".join('%s="%s"' % pair for pair in sorted(labels.items()))
        values = ["%.6f" % (1000 + seconds * per_s) for seconds in times]      # not from 0, as of a baker that has run for long
        values += {"gone": ["stale"], "frozen": [values[-1]] * (steps - last), None: []}[end]
        return {"series": "%s{%s}" % (name, text), "values": " ".join(values)}

    found = []
    for instance, domains in TRUTH.items():
        labels = {"instance": instance, "job": "xenmeter"}
        found.append(one("xen_trace_observed_seconds_total", 1.0, **labels))
        found += [one("xen_trace_lost_records_total", LOST_PER_S[instance] / 2, pcpu=str(pcpu), **labels) for pcpu in (0, 1)]
        for uuid, (domain, (vcpus, shares)) in enumerate(domains.items()):
            labels.update(domain=domain, uuid=str(uuid))
            found += [one("xen_sched_runstate_seconds_total", vcpus * share, state=state, **labels)
                      for state, share in shares.items()]
            found += [one("xen_sched_wait_seconds_bucket", rate, le=bound, cause="wake", **labels)
                      for bound, rate in (("0.01", 100 - LONG_WAITS_PER_S[instance]), ("0.05", 100.0), ("+Inf", 100.0))]
        found.append({"series": 'xenmeter_up{instance="%s",job="xenmeter",plugin="xentrace"}' % instance,
                      "values": " ".join(["1"] * last + ["0" if end == "gone" else "1"] * (steps - last))})
    return found
