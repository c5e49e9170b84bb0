"""Our files for Telegraf on a host that is none: the shipped text with only the command's way in changed."""
import contextlib
import json
import pathlib
import re
import sys

from helpers.captures import unpacked
from helpers.fake_hypervisor import build
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of
from helpers.lineprotocol import parse
from helpers.stage import HOST, PATH, PLUGINS, TOP, Running, source_of, xenmeter
from tools import provision
from tools.process import poll
from helpers.vcpu_host import Host, dom0, guest

CONF = TOP / "conf.d" / "telegraf"
NAMES = ("xentop", "xentrace", "vcpu")
COMMAND = re.compile(r"^  command = (\[.*\])$", re.M)
START = 1795192500
KHZ = 2596120


def shipped(name):
    return (CONF / (name + ".conf")).read_text()


def own_command(name):
    """The words of the shipped command."""
    return json.loads(COMMAND.search(shipped(name)).group(1))


def adapted(name, *arguments, mode="STDIN", interval="200ms", restart="1s"):
    """The shipped file for this checkout: the same program with more arguments, without sudo, and other times."""
    words = [sys.executable, "-m", "xenmeter"] + own_command(name)[own_command(name).index("execd"):]
    if mode != "STDIN":
        words += ["--signal", mode.lower()]
    text = shipped(name)
    for pattern, value in ((COMMAND.pattern, "  command = " + json.dumps(words + [str(word) for word in arguments])),
                           (r'^  signal = "STDIN"$', "  signal = " + json.dumps(mode)),
                           (r'^  interval = "10s"$', "  interval = " + json.dumps(interval)),
                           (r'^  restart_delay = "10s"$', "  restart_delay = " + json.dumps(restart))):
        text, changed = re.subn(pattern, lambda match, value=value: value, text, flags=re.M)
        assert changed == 1, pattern
    return text


def environment(path=PATH, **extra):
    return dict({"PATH": path, "PYTHONPATH": str(PLUGINS), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
                 "XENMETER_COUNTERS": ""}, **extra)


@contextlib.contextmanager
def live(name, tmp_path, xentop):
    """A source that goes on: (arguments for execd, environment). xentop is faked from a capture, the rings are a recorded
    trace in a real baker, Xen is a faked kernel's device below the real libraries."""
    if name == "xentop":
        yield ["--interval", 1], environment(xentop.path)
    elif name == "xentrace":
        with Running("baker", "--source", unpacked(tmp_path), "--shared", tmp_path / "baker", "--cpu-khz", KHZ, "--stay",
                     ) as baker:
            baker.wait_err(rb"baking into")
            yield ["--interval", 1, "--shared", tmp_path / "baker"], environment()
    else:
        build()
        provision.ensure("libxen-dev")
        with Host(tmp_path / "state", [dom0(), guest(1, 100, 200), guest(2, 300, page=True), guest(3, 5)]) as host, \
                FakeXenstored(xenstore_of(3, vifs=False), str(tmp_path / "store")) as store:
            own = host.preload(XENSTORED_PATH=store.path)
            libraries = {key: own[key] for key in ("LD_PRELOAD", "FAKE_HYPERVISOR")}
            libraries["LD_LIBRARY_PATH"] = provision.environment("libxen-dev").get("LD_LIBRARY_PATH", "")
            yield ["--interval", 1], environment(XENSTORED_PATH=store.path, **libraries)


def vcpu_recording(path, domains=3, readings=3, vcpus=2, name=lambda number: "guest-%d" % number):
    """A recording of the vcpu plugin, in its documented form."""
    with path.open("w") as file:
        for second in range(readings):
            file.write(json.dumps({"time_ns": (START + second) * 10 ** 9, "domains": [
                {"domid": number, "uuid": "6f5902ac-237a-4de9-9b6b-%012x" % number, "name": name(number), "source": "resource",
                 "shared": False, "configured": vcpus, "cpu_time_ns": 2 * 10 ** 9 * number, "runstates": [7 * second] * 6,
                 "mean_ns": [300 * second, 10 ** 9 * number + 1000 * second, 100 * second], "missed_changes": second,
                 "vcpus": [{"vcpu": vcpu, "running_ns": 10 ** 9 * number + second * 1000 + vcpu, "runnable_ns": second,
                            "blocked_ns": 7 * second, "offline_ns": 0, "online": 1, "pcpu": vcpu}
                           for vcpu in range(vcpus)]} for number in range(domains)]}) + "\n")
    return path


def recording(name, folder):
    """Arguments that play a recording of the plugin, at once, with times of its own."""
    if name == "xentop":
        return ["--source", source_of(HOST), "--start", START]
    if name == "xentrace":
        return ["--source", unpacked(folder), "--cpu-khz", KHZ, "--start", START, "--per-vcpu", "true"]
    return ["--source", vcpu_recording(folder / "vcpus.jsonl")]


def without_host(lines):
    """Parsed lines of Telegraf by what they are about: {(measurement, tags, time): fields}; the host tag must be there."""
    found = {}
    for measurement, tags, fields, time in lines:
        tags = dict(tags)
        assert tags.pop("host") == "testhost"
        found.setdefault((measurement, tuple(sorted(tags.items())), time), {}).update(fields)
    return found


def figures(lines):
    """The same of our own lines, and both without the meter's own figures, which differ from one run to the next."""
    found = {}
    for measurement, tags, fields, time in lines:
        found.setdefault((measurement, tuple(sorted(tags.items())), time), {}).update(fields)
    return found


def measured(found):
    return {key: fields for key, fields in found.items() if not key[0].startswith("xenmeter")}


def said_by_the_command(name, arguments):
    """What `xenmeter PLUGIN --format influx` says of a recording."""
    ran = xenmeter(name, "--format", "influx", *arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    return measured(figures(parse(ran.stdout.encode())))


def children(pid):
    """Pids of a process's children; the kernel lists them by the thread that made them, and Telegraf has many."""
    found = []
    for path in pathlib.Path("/proc/%d/task" % pid).glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in path.read_text().split()]
    return sorted(found)


def wait_children(pid, timeout=20):
    return poll(lambda: children(pid), timeout, lambda text: AssertionError("children of %d: %s" % (pid, text)))


__all__ = ["CONF", "NAMES", "KHZ", "START", "adapted", "children", "environment", "figures", "live",
           "measured", "own_command", "recording", "said_by_the_command", "shipped", "unpacked", "vcpu_recording",
           "wait_children", "without_host"]
