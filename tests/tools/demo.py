"""``make run``: in a dom0, what the host does now; anywhere else, a recorded host through the real collectd.

In a dom0 nothing is installed, and nothing but this checkout is used. Elsewhere collectd comes from the distribution,
unpacked under build/, and runs with the shipped conf.d/collectd/xentop.conf. Where there is no collectd to be had (no network,
no apt), the same recording is shown without it, and that is said.
"""
import collections
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = TOP / "plugins"
RECORDING = TOP / "fixtures" / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
ITERATIONS = 3
OLDEST_FOR_TOOLS = (3, 8)
INTERVAL = 0.2


def is_dom0():
    """Whether this kernel says that it is the control domain; as the toolstack's own scripts find out."""
    try:
        return "control_d" in pathlib.Path("/proc/xen/capabilities").read_text()
    except OSError:
        return False


def live():
    print("This is a dom0: what its domains do now, twice, a second apart (xenmeter xentop --count 2 --interval 1)\n",
          flush=True)
    return subprocess.call([sys.executable, "-m", "xenmeter", "xentop", "--count", "2", "--interval", "1"],
                           env=dict(os.environ, PYTHONPATH=str(PLUGINS)))


def recorded():
    if sys.version_info < OLDEST_FOR_TOOLS:
        return without_collectd("what fetches it needs Python %d.%d or newer, and this is %d.%d"
                                % (OLDEST_FOR_TOOLS + sys.version_info[:2]))
    sys.path.insert(0, str(TOP / "tests"))
    from tools import provision
    try:
        provision.ensure("collectd", say=lambda text: print(text, flush=True))
    except provision.ProvisionError as error:
        return without_collectd(str(error))
    return through_collectd()


def without_collectd(reason):
    """The table that needs nothing but Python. Where all must be there (CI sets XENMETER_NO_SKIP) that is a failure."""
    recording = str(RECORDING.relative_to(TOP))
    print("make run: no collectd can be had here: %s" % reason, file=sys.stderr)
    print("This is no dom0: a recorded host plays (xenmeter xentop --source %s).\nLEFT OUT: the real collectd with "
          "conf.d/collectd/xentop.conf, for the reason above.\n" % recording, flush=True)
    status = subprocess.call([sys.executable, "-m", "xenmeter", "xentop", "--source", recording], cwd=str(TOP),
                             env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
    return status or int(bool(os.environ.get("XENMETER_NO_SKIP")))


def through_collectd():
    from tools.daemons import Collectd, collectd_version
    print("This is no dom0: a recorded host (%s) plays through collectd %s\nwith conf.d/collectd/xentop.conf.\n"
          % (RECORDING.relative_to(TOP), collectd_version()), flush=True)
    snippet = (TOP / "conf.d" / "collectd" / "xentop.conf").read_text() + (
        '<Plugin python>\n<Module xentop>\nSource "%s"\nInterval %s\n</Module>\n</Plugin>\n' % (RECORDING, INTERVAL))
    with tempfile.TemporaryDirectory(prefix="xenmeter-run-") as work:
        with Collectd(work, snippet, [PLUGINS], INTERVAL, load_python=True) as collectd:
            # dispatched last in each reading: when it is in the file, all that came before is
            collectd.wait_values("*/xentop-xenmeter/gauge-xentop_up", count=ITERATIONS, timeout=60)
            values = collectd.values("*")
        show(values)
    return 0


#: Columns of the table: heading, series of a domain, which of its values, divided by, format.
COLUMNS = (
    ("CPU s", "virt_cpu_total", 0, 10 ** 9, "%.0f"), ("CPU %", "gauge-cpu_percent", 0, 1, "%.1f"),
    ("vCPUs", "vcpu-configured", 0, 1, "%.0f"), ("memory MiB", "memory-total", 0, 2 ** 20, "%.0f"),
    ("received KiB", "if_octets", 0, 2 ** 10, "%.1f"), ("sent KiB", "if_octets", 1, 2 ** 10, "%.1f"),
    ("reads", "disk_ops", 0, 1, "%.0f"), ("writes", "disk_ops", 1, 1, "%.0f"),
)


def show(values):
    """What collectd wrote: the last values of each domain, and how much there is in all."""
    domains = collections.OrderedDict()
    for value in sorted(values, key=lambda value: value.time):
        _, instance, series = value.identifier.split("/", 2)
        domains.setdefault(instance.partition("-")[2], {})[series] = value.values
    print("%-64s" % "domain" + "".join("%14s" % heading for heading, *_ in COLUMNS))
    for name, series in domains.items():
        if "virt_cpu_total" in series:
            print("%-64s" % name + "".join("%14s" % (
                form % (series[key][place] / divisor) if key in series else "-")
                for _, key, place, divisor, form in COLUMNS))
    print("\ncollectd wrote %d values of %d series, such as:" % (len(values), len({v.identifier for v in values})))
    for identifier in sorted({value.identifier for value in values if "io-guest" in value.identifier}):
        print("  " + identifier)


if __name__ == "__main__":
    sys.exit(live() if is_dom0() else recorded())
