"""Recordings with their manifests, lines of readings and of names."""
import json
import os
import pathlib
import tempfile

from fuzz.target import FIXTURES, Target, allowed
from fuzz.targets.shared import trace
from xenmeter.core.errors import XenmeterError
from xenmeter.core.options import defaults
from xenmeter.core.pipeline import Pipeline
from xenmeter.front import plugins
from xenmeter.front.output import make_format

CUT = b"\n--8<--\n"
FILES = ("xentop.txt", "xentop.stamps", "names.jsonl", "direct.jsonl", "vcpu.jsonl", "xenstore-ls.txt", "trace.bin")
FORMS = ("influx", "openmetrics", "prometheus", "collectd", "table", "json", "csv")
CONTROL = bytes(range(10)) + bytes(range(11, 32))
NAMES = (b'{"iteration":0,"time_ns":1,"domains":[{"domid":0,"name":"Domain-0","uuid":"00000000-0000-0000-0000-000000000000",'
         b'"start_time_ns":null,"vifs":[],"vbds":{}},{"domid":5,"name":"busy","uuid":null,"start_time_ns":7,"vifs":[0],'
         b'"vbds":{"51712":"xvda"},"qdisks":[51712],"device_model_of":"x"}],"vif_order":{"5":["0"]}}\n'
         b'{"iteration":2,"unreadable":"it hangs"}\n')
_DOMAIN = {"domid": 5, "uuid": None, "name": "busy", "shared": False,
           "info": {"domain": 5, "flags": 16, "tot_pages": 7, "max_pages": 9, "cpu_time": 123456, "max_vcpu_id": 0, "ssidref": 0,
                    "handle": "00" * 16},
           "vcpu_ns": [[0, 123456]], "vifs": [[0, False, [1] * 8]], "disks": [["vbd", 51712, [1] * 5, [2] * 5]],
           "facts": {"domid": 5, "name": "busy", "uuid": None, "start_time_ns": 1, "vifs": [0], "vbds": {"51712": "xvda"}}}


def direct_line(time_ns):
    return json.dumps({"time_ns": time_ns, "xen_ns": 5, "host": {"total_pages": 100, "free_pages": 7, "nr_cpus": 2},
                       "idle_ns": [1, 2], "left_out": {"no_uuid": 1}, "trouble": None, "domains": [_DOMAIN]},
                      separators=(",", ":")).encode() + b"\n"


DIRECT = direct_line(10 ** 18) + direct_line(10 ** 18 + 10 ** 10)


def vcpu_lines():
    return (FIXTURES / "vcpu" / "xenserver" / "input.jsonl").read_bytes()[:6000]


def played(name, source, form):
    """A recording through a plugin, in one form of output: refused in one line, or text without control bytes."""
    plugin = plugins.get(name)
    options = defaults(plugin.options)
    options.source = source
    options.start = "1000000000"
    pipeline = Pipeline(plugin, options)
    allowed(XenmeterError, _play, pipeline, make_format(form, pipeline))
    pipeline.stop()


def _play(pipeline, form):
    pipeline.start()
    told = [form.header()]
    for _ in range(6):
        for sample in pipeline.take():
            told.append(form.sample(sample))
        if pipeline.ended:
            break
    pipeline.remarks()
    text = b"".join(told)
    text.decode("utf-8")
    assert text.translate(None, CONTROL) == text, "a control byte in the output"
    if pipeline.error is not None:
        raise pipeline.error
    return True


class Recordings(Target):
    """A directory: its manifest and its files, one after the other."""

    name = "recordings"
    reads = "recordings and their manifests"
    longest = 16000
    words = (CUT, b'"file":', b'"xentop"', b'"vcpu"', b'"direct"', b'"xentrace"', b'"names"', b'"stamps":', b'"interval_s":',
             b"1e308",
             b"NaN", b"null", b'"start_ns":', b'"cpu_khz":', b'"../../x"', b'"\\u0000"', b'"\\ud800"', b"[[[[", b"-1",
             b'"trace.bin"')

    def __init__(self):
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-"))
        self._written = {}

    def seeds(self):
        sources = {"xentop": {"file": "xentop.txt", "interval_s": 1, "stamps": "xentop.stamps"}, "names": {"file": "names.jsonl"},
                   "vcpu": {"file": "vcpu.jsonl"}, "xentrace": {"file": "trace.bin", "cpu_khz": 2596120}}
        text = (FIXTURES / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr" / "xentop.txt").read_bytes()[:3000]
        found = []
        for change in ({}, {"direct": {"file": "direct.jsonl"}}, {"xenstore": {"file": "xenstore-ls.txt"}}):
            manifest = {"format": "xenmeter-recording", "version": 1, "made_by": "x", "host": {}, "start_ns": 10 ** 18,
                        "sources": dict(sources, **change)}
            found.append(CUT.join([json.dumps(manifest).encode(), text, b"%d\n%d\n" % (10 ** 18, 10 ** 18 + 5), NAMES, DIRECT,
                                   vcpu_lines()[:1500], b'/local/domain/5/name = "busy"\n', trace()[:3000]]))
        return found

    def check(self, data, chance):
        parts = data.split(CUT)
        for name, part in zip(("manifest.json",) + FILES, parts + [b""] * 9):
            if self._written.get(name) != part:     # of most inputs the other files are as they were
                (self._folder / name).write_bytes(part)
                self._written[name] = part
        for name in plugins.NAMES:
            played(name, str(self._folder), chance.choice(FORMS))


class Lines(Target):
    """Single files: what source direct or the vcpu plugin has read, line by line, or xentop's text."""

    name = "lines"
    reads = "direct's and vcpu's lines of JSON"
    longest = 8000
    words = (b"null", b"true", b"-1", b"1e5", b"[]", b"{}", b'"\\ud800"', b'"time_ns":', b'"domains":', b"[[[[", b"9" * 30,
             b'"facts":',
             b'"uuid":', b'"handle":"')

    def __init__(self):
        self._path = os.path.join(tempfile.mkdtemp(prefix="fuzz-"), "lines")

    def seeds(self):
        return [DIRECT, vcpu_lines(), direct_line(5)]

    def check(self, data, chance):
        with open(self._path, "wb") as file:
            file.write(data)
        for name in ("xentop", "vcpu"):
            played(name, self._path, chance.choice(FORMS))
