"""httperf, wrk and ab: clients of web servers."""
import re
from typing import List

from xenmeter.bench.readers.texts import PREFIXES, last_line, search, whole
from xenmeter.bench.results import Figure, LESS, MORE, Result, Unusable, Work

__all__ = ("httperf", "wrk", "wrk_threads", "ab")

_TOTAL = re.compile(r"^Total: connections (\d+) requests (\d+) replies (\d+) test-duration ([\d.]+) s$", re.M)
_ERRORS = re.compile(r"^Errors: (total (\d+) .*)$", re.M)
_LAST = re.compile(r"^Errors: fd-unavail .*$", re.M)
_REPLY_TIME = re.compile(r"^Reply time \[ms\]: response ([\d.]+) transfer ([\d.]+)$", re.M)
_CONNECTION = re.compile(r"^Connection time \[ms\]: min [\d.]+ avg [\d.]+ max [\d.]+ median ([\d.]+)", re.M)
_ASKED = re.compile(r"--rate=([\d.]+)")
_STATUS = re.compile(r"^Reply status: 1xx=\d+ 2xx=(\d+) 3xx=(\d+) 4xx=(\d+) 5xx=(\d+)$", re.M)
_CLIENT = re.compile(r"^CPU time \[s\]:.* total ([\d.]+)%\)$", re.M)
#: Above this share of a CPU httperf measures itself.
_BUSY = 97.0


def httperf(out: str, err: str, status: int) -> Result:
    """httperf 0.9. Its status is 0 where every connection was refused, and its "Reply rate" 0.0 in runs below 5 s (it is a mean
    of samples of 5 s), so the rate is replies / test-duration."""
    text = whole(out)
    total = _TOTAL.search(text)
    if status or total is None or not _LAST.search(text):
        raise Unusable("httperf: %s" % (last_line(err) or "no whole result"))
    replies, seconds = int(total.group(3)), float(total.group(4))
    errors = search(_ERRORS, text, "httperf", "no line of errors")
    if not replies or not seconds:
        raise Unusable("httperf: no reply at all (%s)" % errors.group(1))
    figures = [Figure("reply_rate", replies / seconds, "reply/s", MORE), Figure("errors", float(errors.group(2)), "1", LESS)]
    for pattern, name in ((_REPLY_TIME, "response_time"), (_CONNECTION, "connection_median")):
        found = pattern.search(text)
        if found:
            figures.append(Figure(name, float(found.group(1)), "ms", LESS))
    asked = _ASKED.search(text)
    if asked and float(asked.group(1)):
        figures.append(Figure("asked_rate", float(asked.group(1)), "connection/s", ""))
    notes: List[str] = []
    codes = _STATUS.search(text)
    if codes and int(codes.group(3)) + int(codes.group(4)):
        notes.append("%s replies of status 4xx and %s of 5xx among them" % (codes.group(3), codes.group(4)))
    client = _CLIENT.search(text)
    if client and float(client.group(1)) > _BUSY:
        notes.append("limited by the client: httperf itself took %s %% of a CPU" % client.group(1))
    return Result(tuple(figures), Work(float(replies), "request"), tuple(notes))


_WRK_DONE = re.compile(r"^  (\d+) requests in ([\d.]+)(us|ms|s|m|h), ([\d.]+)([KMGT]?)B read$", re.M)
_WRK_RATE = re.compile(r"^Requests/sec: +([\d.]+)$", re.M)
_WRK_LAST = re.compile(r"^Transfer/sec: +[\d.]+[KMGT]?B$", re.M)
_WRK_LATENCY = re.compile(r"^    Latency +([\d.]+)(us|ms|s|m|h) ", re.M)
_WRK_SHARE = re.compile(r"^ +(50|75|90|99)% +([\d.]+)(us|ms|s|m|h)$", re.M)
_WRK_SOCKET = re.compile(r"^  Socket errors: (.*)$", re.M)
_WRK_STATUS = re.compile(r"^  Non-2xx or 3xx responses: (\d+)$", re.M)
_WRK_THREADS = re.compile(r"^  (\d+) threads and \d+ connections$", re.M)
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0, "h": 3600000.0}


def wrk(out: str, err: str, status: int) -> Result:
    """wrk 4. Its status is 0 where every reply was an error page; they are a note here, and where nothing else came no result."""
    text = whole(out)
    done, rate = _WRK_DONE.search(text), _WRK_RATE.search(text)
    if status or done is None or rate is None or not _WRK_LAST.search(text):
        raise Unusable("wrk: %s" % (last_line(err, out) if status else "no whole result"))
    requests = int(done.group(1))
    bad = _WRK_STATUS.search(text)
    refused = int(bad.group(1)) if bad else 0
    if requests <= refused:
        raise Unusable("wrk: no good reply at all (%d replies with an error status)" % refused)
    figures = [Figure("request_rate", float(rate.group(1)), "request/s", MORE)]
    latency = _WRK_LATENCY.search(text)
    if latency:
        figures.append(Figure("latency_mean", float(latency.group(1)) * _MS[latency.group(2)], "ms", LESS))
    for share, number, unit in _WRK_SHARE.findall(text):
        figures.append(Figure("latency_p" + share, float(number) * _MS[unit], "ms", LESS))
    notes = ["%d replies with an error status among them" % refused] if refused else []
    socket = _WRK_SOCKET.search(text)
    if socket:
        notes.append("socket errors: " + socket.group(1))
    figures.append(Figure("received", float(done.group(4)) * PREFIXES[done.group(5)], "byte", ""))
    return Result(tuple(figures), Work(float(requests), "request"), tuple(notes))


def wrk_threads(out: str) -> int:
    """Its threads, each of which can use a CPU; 1 where it does not say."""
    found = _WRK_THREADS.search(out)
    return max(1, int(found.group(1)[:6])) if found else 1


_AB = {name: re.compile(r"^%s:? +([\d.]+)" % re.escape(text), re.M) for name, text in (
    ("complete", "Complete requests:"), ("failed", "Failed requests:"), ("rate", "Requests per second:"),
    ("bad", "Non-2xx responses:"), ("received", "Total transferred:"), ("time", "Time per request:"))}
_AB_SHARE = re.compile(r"^ +(50|90|99)% +(\d+)$", re.M)
_AB_LAST = re.compile(r"^ +100% +\d+ \(longest request\)$", re.M)


def ab(out: str, err: str, status: int) -> Result:
    """ApacheBench 2.3. Its status is an errno where the server refuses, and 0 where every reply was an error page."""
    text = whole(out)
    found = {name: pattern.search(text) for name, pattern in _AB.items()}
    rate, complete = found["rate"], found["complete"]
    if status or rate is None or complete is None or not _AB_LAST.search(text):
        raise Unusable("ab: %s" % (last_line(err, out) if status else "no whole result"))
    requests, bad = int(float(complete.group(1))), int(float(found["bad"].group(1))) if found["bad"] else 0
    if requests <= bad:
        raise Unusable("ab: no good reply at all (%d replies with an error status)" % bad)
    figures = [Figure("request_rate", float(rate.group(1)), "request/s", MORE)]
    if found["time"]:
        figures.append(Figure("request_time", float(found["time"].group(1)), "ms", LESS))
    for share, number in _AB_SHARE.findall(text):
        figures.append(Figure("request_time_p" + share, float(number), "ms", LESS))
    failed = int(float(found["failed"].group(1))) if found["failed"] else 0
    figures.append(Figure("failed", float(failed), "1", LESS))
    if found["received"]:
        figures.append(Figure("received", float(found["received"].group(1)), "byte", ""))
    notes = ("%d replies with an error status among them" % bad,) if bad else ()
    return Result(tuple(figures), Work(float(requests), "request"), notes)
