"""A thousand domains in every gather: nothing is lost, torn, or late."""
import re
import threading

from helpers import crowd
import pytest
from helpers.lineprotocol import parse
from helpers.stage import many
from helpers.telegraf_stage import (START, adapted, environment, measured, said_by_the_command, vcpu_recording, without_host)
from helpers.paths import TOP
from tools.telegraf_daemon import Telegraf
from xenmeter.core.times import parse_time
from xenmeter.xentrace.baker.document import Words
from xenmeter.xentrace.playback import Playback
from xenmeter.xentrace.baker.writing import Writer

pytestmark = pytest.mark.daemon

DOMAINS = 1000


def from_xentop(tmp_path):
    (tmp_path / "many.txt").write_bytes(many(DOMAINS))
    return ["--source", tmp_path / "many.txt", "--start", START, "--interval", 1]


def from_vcpu(tmp_path):
    return ["--source", vcpu_recording(tmp_path / "vcpus", DOMAINS)]


def from_xentrace(tmp_path):
    """Three seconds, of which the second one has windows of both lengths: as full as a gather ever is."""
    return ["--source", crowd.recording(tmp_path / "crowd", DOMAINS, 3), "--start", START, "--window", "1,2"]


@pytest.mark.parametrize("name, make, measurement", [
    ("xentop", from_xentop, "xen_domain"), ("vcpu", from_vcpu, "xen_vcpu"), ("xentrace", from_xentrace, "xen_sched")])
def test_a_thousand_domains(tmp_path, name, make, measurement):
    arguments = make(tmp_path)
    want = said_by_the_command(name, arguments)
    assert len({dict(tags)["domain" if name == "xentop" else "uuid"] for one, tags, _ in want if one == measurement}) == DOMAINS
    # What waits for an output must fit in Telegraf's buffer (10000 points unless told otherwise; see conf.d/fleet).
    with Telegraf(tmp_path / "telegraf", adapted(name, *arguments, interval="500ms"), environment(), buffer=50000) as running:
        running.wait(lambda: running.output().count(b"\n") >= len(want), 90, "%d lines" % len(want))
        assert running.stop() == 0
    assert measured(without_host(parse(running.output()))) == want
    assert running.complaints() == []


def test_a_baker_with_a_thousand_domains(tmp_path, record_property):
    """xentrace is the largest: a document of the baker's for each gather, and what each domain is known to have done in it."""
    source = Playback(str(crowd.recording(tmp_path / "crowd", DOMAINS, 4)), [10 ** 9, 2 * 10 ** 9], None, parse_time(str(START)))
    samples = list(source.samples(threading.Event(), None))[:-1]    # the last one is no whole second
    writer = Writer(str(tmp_path / "baker"), 60 * 10 ** 9)
    text = adapted("xentrace", "--interval", 1, "--shared", tmp_path / "baker", "--source", "baker", interval="500ms")
    documents = [(Words().parts(sample.figures, sample.names, None), sample.time_ns) for sample in samples]
    try:
        writer.write(*documents[0])     # there before Telegraf asks
        with Telegraf(tmp_path / "telegraf", text, environment(), buffer=50000) as running:
            for number, told in enumerate(documents, 1):
                if number > 1:
                    writer.write(*told)
                running.wait_output(rb"^xen_trace,host=testhost records=", number, 90)
            assert running.stop() == 0
    finally:
        writer.close()
    assert running.complaints() == []
    found = {}
    for measurement, tags, fields, time in parse(running.output()):
        found.setdefault(time, []).append((measurement, tags, fields))
    times = [sample.time_ns for sample in samples]
    assert len(times) == 3 and set(times) <= set(found)
    sizes = []
    for number, time in enumerate(times, 1):
        sums = {tags["uuid"]: fields for one, tags, fields in found[time] if one == "xen_sched"}
        assert {uuid: (fields["domid"], fields["running_ns"], fields["waiting_ns"], fields["executions"])
                for uuid, fields in sums.items()} == {
            crowd.uuid_of(domid): (domid, number * crowd.running_ns(domid), number * crowd.WAIT, number)
            for domid in range(DOMAINS)}
        windows = {(tags["domain"], tags["window"]): fields["cpu_percent"]
                   for one, tags, fields in found[time] if one == "xen_sched_window"}
        assert windows == {(crowd.name_of(domid), window): pytest.approx(crowd.running_ns(domid) / 10 ** 7, abs=1e-4)
                           for domid in range(DOMAINS) for window in ("1s", "2s")[:2 - number % 2]}
        lines = [line for line in running.output().splitlines(True) if line.endswith(b" %d\n" % time)]
        sizes.append((len(lines), sum(map(len, lines))))
    most = max(sizes)
    print("a gather of %d domains: %d lines, %d bytes" % ((DOMAINS,) + most))
    record_property("lines_and_bytes_of_a_gather", most)
    # more than Telegraf keeps by itself; our file for its agent has room for that, and another while it is on its way
    limit = int(re.search(r"^  metric_buffer_limit = (\d+)$", (TOP / "conf.d" / "fleet" / "telegraf-agent.conf").read_text(),
                          re.M).group(1))
    assert 10000 < most[0] and 2 * most[0] < limit


def test_a_live_xentop_with_a_thousand_domains(tmp_path, xentop):
    xentop.play(many(DOMAINS, 6))
    text = adapted("xentop", "--interval", 1, interval="1s")
    with Telegraf(tmp_path / "telegraf", text, environment(xentop.path), buffer=50000) as running:
        running.wait_output(rb"^xenmeter,host=testhost,plugin=xentop .*domains=%di" % DOMAINS, 4, 90)
        assert running.stop() == 0
    per_time = {}
    for measurement, tags, fields, time in parse(running.output()):
        if measurement == "xen_domain":
            per_time.setdefault(time, set()).add(tags["domain"])
    assert len(per_time) >= 4 and {len(domains) for domains in per_time.values()} == {DOMAINS}
    assert running.complaints() == []
