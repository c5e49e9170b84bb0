"""What goes over the wire per host and interval, what it makes in series, and what it takes on disk.

    python3 tests/bench/wire.py [--domains 100,1000] [--disk-hours H]

Hosts are grown from recordings (tests/tools/fleet.py): xentop by source direct with a vCPU, an interface and
a disk per guest, xentrace with windows of 1 and 10 s and its histograms, vcpu with two vCPUs per guest. Line protocol and
OpenMetrics are what our encoders write, gzip what Telegraf (content_encoding) or a proxy makes of it at level 6;
collectd's network protocol is counted as UDP payload that a real collectd's network plugin sends for our values.
Each host stands there twice: with all figures, and with those of the preset `--group small`. What each group of figures adds is
read from the catalogues.
--disk-hours: so many hours of a host with 20 domains, at 10 s, are written to a real VictoriaMetrics, influxd and Prometheus,
and the files on their disks are counted; 0 leaves that out.
"""
import argparse
import gzip
import os
import pathlib
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "plugins"), str(TOP / "tests")]

from xenmeter.core.catalogue import SMALL   # noqa: E402
from xenmeter.front import plugins     # noqa: E402
from tools import daemons, fleet    # noqa: E402
from tools.network_collectd import Sender, Sink     # noqa: E402
from tools.promtool import promtool     # noqa: E402
from tools.victoria import VictoriaMetrics  # noqa: E402


def compressed(data):
    return len(gzip.compress(data, 6))


def over_network(host, folder):
    """(bytes of UDP payload, packets, value lists) for one reading."""
    lists = host.value_lists(1)
    with Sink() as sink, Sender(folder, ("127.0.0.1", sink.port)) as sender:
        sender.put(fleet.COLLECTD[host.plugin.name], lists)
        sender.stop()       # flushes what is in its buffer
        sink.drain()
        return sink.bytes, sink.packets, len(lists)


def wire(counts, folder):
    print("bytes per interval %21s %12s %12s %12s %12s %12s" % ("", "collectd", "line prot.", "gzip", "OpenMetrics", "gzip"))
    rows = {}
    for count, preset in [(count, preset) for count in counts for preset in ("", SMALL)]:
        total = [0] * 5
        for name in fleet.NAMES:
            host = fleet.Host(name, count, 1, [preset] if preset else None)
            host.lines(0), host.page(0)
            lines, page = host.lines(1, "dom0-0001.example.org"), host.page(1)
            sent, packets, lists = over_network(host, folder / ("%s-%d%s" % (name, count, preset)))
            row = [sent, len(lines), compressed(lines), len(page), compressed(page)]
            total = [one + other for one, other in zip(total, row)]
            samples = sum(1 for line in page.splitlines() if not line.startswith(b"#"))
            _row(count, name, preset, row)
            rows[count, name, preset] = (lists, packets, lines.count(b"\n"), fleet.fields_of(lines), samples)
        _row(count, "all three", preset, total)
    print("\nin one interval %24s %12s %12s %12s %12s %12s" % ("", "value lists", "packets", "points", "fields", "series"))
    print("%40s" % "" + "".join("%13s" % text for text in ("(collectd)", "(collectd)", "(line p.)", "(line p.)", "(OpenM.)")))
    for name, row in rows.items():
        _row(*name, row)


def _row(count, name, preset, figures):
    print("%5d domains, %-10s %-13s" % (count, name, preset) + "".join("%13s" % format(one, ",") for one in figures))


def groups():
    """What each group of figures adds for each thing that has some, where all of it is known."""
    print("\nwhat a group adds (series in OpenMetrics, fields in line protocol; a histogram counts as one) for each")
    for name in fleet.NAMES:
        plugin = plugins.get(name)
        default = next(option.default for option in plugin.options if option.name == "group")
        for group in plugin.catalogue.groups():
            adds = []
            for entity in plugin.catalogue.entities.values():
                chosen = [figure for figure in entity.figures if figure.group == group]
                counts = [sum(1 for figure in chosen if getattr(figure, form)) for form in ("openmetrics", "influx")]
                if any(counts):
                    adds.append("%s %d, %d" % (entity.name, *counts))
            print("%-10s %-10s %s%s" % (name, group, "; ".join(adds), "" if group in default else "   (off unless it is named)"))


def size_of(folder):
    """Bytes that files take on the disk."""
    return sum(os.stat(os.path.join(path, name)).st_blocks * 512 for path, _, names in os.walk(str(folder)) for name in names)


def disk(hours, folder):
    """Bytes per sample of engines, for the retention arithmetic."""
    hosts = [fleet.Host(name, 20, 1) for name in fleet.NAMES]
    steps = int(hours * 360)
    print("\non disk: %d domains, %g h at 10 s, %d readings of each plugin" % (20, hours, steps))
    with VictoriaMetrics(folder / "vm") as victoria, daemons.Influxd(folder / "influx") as influx:
        influx.create("xen")
        fields = samples = 0
        with (folder / "all.om").open("wb") as file:
            for step in range(steps):
                for host in hosts:
                    lines = host.lines(step, "testhost")
                    fields += fleet.fields_of(lines)
                    assert victoria.write(lines)[0] == 204 and influx.write("xen", lines)[0] == 204
                    for line in host.page(step).splitlines():
                        if not line.startswith(b"#"):
                            samples += 1
                            file.write(line + b" %d\n" % (fleet.START + 10 * step))
            file.write(b"# EOF\n")
        victoria.flush()
        influx.stop()
        wal = size_of(folder / "influx" / "wal")
        report("VictoriaMetrics 1.79, from line protocol", size_of(victoria.storage), fields)
        report("InfluxDB 1.6, before its compaction of the log", size_of(folder / "influx" / "data") + wal, fields)
    (folder / "prometheus").mkdir()
    ran = promtool("tsdb", "create-blocks-from", "openmetrics", folder / "all.om", folder / "prometheus")
    assert ran.returncode == 0, ran.stdout
    report("Prometheus 2.42, blocks", size_of(folder / "prometheus"), samples)


def report(name, size, samples):
    print("%-50s %12s bytes  %10s samples  %6.2f bytes per sample" % (
        name, format(size, ","), format(samples, ","), size / samples))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domains", default="100,1000")
    parser.add_argument("--disk-hours", type=float, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wire([int(count) for count in options.domains.split(",")], pathlib.Path(folder))
        groups()
        if options.disk_hours:
            disk(options.disk_hours, pathlib.Path(folder))


if __name__ == "__main__":
    main()
