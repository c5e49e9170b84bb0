"""What benchmark programs print, and files of runs."""
import contextlib
import io
import json
import math
import os
import tempfile

from fuzz.target import FIXTURES, Target, allowed
from fuzz.targets.recordings import CONTROL, CUT
from xenmeter.bench import runs
from xenmeter.bench.readers import READERS, result_of
from xenmeter.bench.results import Figure, MORE, Result, Unusable, Work
from xenmeter.bench.runner import Ran
from xenmeter.bench.schema import wrong
from xenmeter.core.errors import XenmeterError
from xenmeter.front.cli import build_parser

_NAMES = sorted(READERS)
_RAN = Ran(0, 10 ** 18, 10 ** 9, [], {}, "")


def _case(folder):
    case = json.loads((folder / "case.json").read_text())
    return b"%s\n%d\n%s%s%s" % (case["program"].encode(), case["status"], (folder / "stdout").read_bytes(), CUT,
                                (folder / "stderr").read_bytes())


class BenchOutputs(Target):
    """A reader's name, a status, stdout and stderr: figures that are numbers and can be kept, or why there are none."""

    name = "bench-outputs"
    reads = "what benchmark programs print"
    longest = 12000
    words = (CUT, b"nan", b"1e999", b"-1.00", b"{", b"}", b'"end"', b'"error"', b"Requests/sec:", b"Trace Time:", b"+++++",
             *(name.encode() + b"\n" for name in _NAMES))

    def seeds(self):
        return [_case(folder) for folder in sorted((FIXTURES / "bench").iterdir()) if folder.is_dir()]

    def check(self, data, chance):
        name, _, rest = data.partition(b"\n")
        status, _, rest = rest.partition(b"\n")
        out, _, err = rest.partition(CUT)
        reader = READERS.get(name.decode("utf-8", "replace")) or READERS[_NAMES[len(data) % len(_NAMES)]]
        texts = [text.decode("utf-8", "replace") for text in (out, err)]
        result = allowed(Unusable, result_of, reader, texts[0], texts[1], 0 if status == b"0" else 1)
        if result is None:
            return
        assert result.figures and all(figure.value is None or math.isfinite(figure.value) for figure in result.figures)
        record = runs.unwatched(runs.record_of("", 1, [name.decode("utf-8", "replace")], reader.name, _RAN, result, None))
        assert wrong(json.loads(json.dumps(record))) is None
        if reader.threads is not None:
            assert reader.threads(texts[0]) >= 1


def _runs(rising=False):
    """:param rising: each asked at a rate of its own, beside a trace."""
    made = []
    for number, label in enumerate("ABBA"):
        asked = (Figure("asked_rate", 10.0 * number, "connection/s", ""),) if rising else ()
        result = Result((Figure("rate", 100.0 + number, "reply/s", MORE), Figure("lost", None, "too fast", ""), *asked),
                        Work(1000.0, "request"), ("a note",))
        record = runs.unwatched(runs.record_of(label, number + 1, ["httperf"], "httperf", _RAN, result, None))
        record["domains"] = [{"name": name, "uuid": None, "domid": 0, "costs": {"cpu_ns": 10 ** 8, "executions": 5},
                              "above_idle": {"cpu_ns": 10 ** 7 + number}} for name in ("Domain-0", "web1")]
        record.update(lengths_ns={"xentop": 10 ** 9}, watching_ns=5, kernel="6.1",
                      phases=[{"name": "p", "began_ns": 0, "length_ns": 5, "cpu_ns": {"web1": 7}}])
        if rising:
            record["label"] = "row/" + label
            record["lengths_ns"]["xentrace"] = 10 ** 9
            for domain in record["domains"]:
                domain["costs"].update(running_ns=10 ** 7, waiting_ns=10 ** 7, blocked_ns=10 ** 8, grant_maps=7, tx_packets=9)
                domain["above_idle"]["executions"] = 3 + number
        made.append(json.dumps(record).encode())
    return b"\n".join(made) + b"\n"


class BenchRuns(Target):
    """A file of runs through compare, the report and every form: refused in one line, or text without control bytes."""

    name = "bench-runs"
    reads = "files of benchmark runs"
    longest = 9000
    words = (b"null", b"1e308", b"-1", b"9223372036854775807", b"{}", b"[]", b'"\\u001b[2J"', b'"unusable":"x"', b"NaN",
             b"Infinity", b'"above_idle":{}', b'"amount":0', b'"byte"', b'"better":"less"')

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="fuzz-")
        self._file = os.path.join(self._folder, "runs.jsonl")
        self._parser = build_parser()

    def seeds(self):
        return [_runs(), _runs(True)]

    def check(self, data, chance):
        with open(self._file, "wb") as file:
            file.write(data)
        page = os.path.join(self._folder, "r.html")
        form = chance.choice(("table", "json", "influx", "collectd", "openmetrics", "prometheus"))
        for words in (["compare", self._file], ["bench", "--source", self._file, "--format", form],
                      ["report", self._file, "-o", page]):
            if words[0] == "compare" or runs.is_file_of_runs(self._file):
                self._say(words)

    def _say(self, words):
        arguments = self._parser.parse_args(words)
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(out):
            allowed(XenmeterError, lambda: arguments.run(arguments) in (0, 3))
        out.flush()
        text = out.buffer.getvalue()
        text.decode("utf-8")
        assert text.translate(None, CONTROL) == text, "a control byte in the output"
