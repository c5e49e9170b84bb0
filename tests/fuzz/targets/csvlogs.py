"""Logs as CSV, which `xenmeter report` reads."""
import io
import json

from fuzz.target import FIXTURES, Target, allowed
from xenmeter.core.errors import SourceError
from xenmeter.front.report.csvlog import of_csv


class CsvLogs(Target):
    """Refused with the number of the line, or a document that JSON holds."""

    name = "csv-logs"
    reads = "logs as CSV (report)"
    longest = 6000
    words = (b",", b"\n", b'"', b"\r\n", b"time_ns", b"length_ns", b"2026-11-01T12:00:00Z", b"1e999", b"nan", b"-5", b"inf",
             b"\0", b"10s")

    def seeds(self):
        shares = (FIXTURES / "xentrace" / "narrow-churn" / "expected.csv").read_bytes()[:4000]
        sums = (b"time_ns,length_ns,domain,uuid,domid,running_ns,waiting_ns,blocked_ns,offline_ns,unknown_ns,executions,io,"
                b"wait_p50_ns,wait_p99_ns,wait_max_ns,lost_records\n" +
                b"".join(b"%d,1000000000,guest,u,3,5,6,7,8,9,10,11,12,13,14,%d\n" % (10 ** 18 + at * 10 ** 9, at % 2)
                         for at in range(6)))
        return [shares, sums]

    def check(self, data, chance):
        lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace", newline="")
        told = allowed(SourceError, of_csv, lines, "log.csv", {})
        if told is not None:
            json.dumps(told, allow_nan=False)
