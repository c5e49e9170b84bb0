"""One run as a record: what the program got, what each domain paid, and what a reader of both must know. JSON Lines."""
import json
import os
from typing import Any, Dict, Iterator, List, Optional, Sequence

from xenmeter import __version__
from xenmeter.bench import ledger
from xenmeter.bench.ledger import Span
from xenmeter.bench.results import Result
from xenmeter.bench.schema import wrong
from xenmeter.core.errors import SourceError
from xenmeter.core.unpacking import lines

__all__ = ("FORMAT", "VERSION", "record_of", "costs_of", "unwatched", "checks", "domains_of", "load", "is_file_of_runs",
           "FULL")

FORMAT, VERSION = "xenmeter-bench", 1

#: A run shorter than so many intervals of reading has edges that are too large a part of it.
SHORT = 20
#: Bytes that the program tells and bytes that a device of a guest moved may differ by this share: heads, retries, file systems.
LOOSE = 0.15
#: The host is taken for fully used above this share of its pCPUs.
FULL = 0.97
#: Bytes of a run's record.
MOST_LINE = 1 << 24


def record_of(label: str, number: int, command: Sequence[str], reader: Optional[str], ran: Any, result: Optional[Result],
              unusable: Optional[str]) -> Dict[str, Any]:
    """What is known of a run before its costs: figures of the program, or why it does not count."""
    figures = [] if result is None else [dict(figure._asdict()) for figure in result.figures]
    return {
        "format": FORMAT, "version": VERSION, "made_by": "xenmeter " + __version__,
        "label": label, "run": number, "command": list(command), "reader": reader,
        "began_ns": ran.began_ns, "length_ns": ran.length_ns, "status": ran.status,
        "unusable": unusable or ran.why or None, "figures": figures,
        "work": None if result is None or result.work is None else dict(result.work._asdict()),
        "notes": [] if result is None else list(result.notes), "command_cpu_ns": ran.cpu_ns,
    }


def costs_of(run: Span, idle: Optional[Span]) -> Dict[str, Any]:
    """What a span cost each domain, for a record."""
    net = ledger.above(run, idle)
    return {
        "lengths_ns": dict(run.lengths), "host": dict(run.host),
        "domains": [{"name": account.name, "uuid": account.uuid, "domid": account.domid, "costs": dict(account.costs),
                     "above_idle": net.get(key, {})} for key, account in sorted(
                         run.accounts.items(), key=lambda item: (-item[1].costs.get("cpu_ns", 0), item[1].name))],
        "came": run.came, "went": run.went, "reborn": run.reborn,
    }


def unwatched(record: Dict[str, Any]) -> Dict[str, Any]:
    """The record of a run beside which nothing was read."""
    record.update(lengths_ns={}, host={}, domains=[], came=[], went=[], reborn=[], idle_ns=None, watching_ns=None, edges_ns={},
                  missing={}, phases=[], checks=[])
    return record


def checks(record: Dict[str, Any], interval_ns: int) -> List[str]:
    """What keeps people honest, one line each; nothing where there is nothing to say."""
    found = []
    if record["length_ns"] < SHORT * interval_ns:
        found.append("short: %.1f s is less than %d readings of %g s; costs are blurred at both ends" % (
            record["length_ns"] / 1e9, SHORT, interval_ns / 1e9))
    for word, names in (("came", record["came"]), ("went or moved away", record["went"]),
                        ("was started again or moved here", record["reborn"])):
        if names:
            found.append("%s meanwhile, without a cost: %s" % (word, ", ".join(names)))
    if record["host"].get("lost_records"):
        found.append("%d trace records were lost: waiting and executions are too few" % record["host"]["lost_records"])
    paid = [domain["costs"]["cpu_ns"] for domain in record["domains"] if domain["costs"].get("cpu_ns")]
    if paid and all(cost % 10 ** 9 == 0 for cost in paid):
        found.append("CPU times are xentop's whole seconds: a cost of less than some ten of them says little")
    return found + _full(record) + _bytes(record)


def _full(record: Dict[str, Any]) -> List[str]:
    """Whether the host had nothing left: then the program did not measure what it thinks."""
    host, length = record["host"], record["lengths_ns"].get("xentop")
    if length and host.get("pcpus") and "busy_ns" in host and host["busy_ns"] > FULL * host["pcpus"] * length:
        return ["the host's pCPUs were all used: %.1f of %d" % (host["busy_ns"] / length, host["pcpus"])]
    return []


def _bytes(record: Dict[str, Any]) -> List[str]:
    """Bytes that the program tells, against the device of a guest that moved most."""
    work = record["work"]
    if not work or work["unit"] != "byte" or not work["amount"]:
        return []
    moved = [(domain["costs"].get(name, 0), domain["name"], name) for domain in record["domains"]
             for name in ("rx_bytes", "tx_bytes", "read_bytes", "write_bytes") if domain["name"] != "Domain-0"]
    amount, name, what = max(moved) if moved else (0, "", "")
    if amount >= work["amount"] * (1 - LOOSE):
        return []
    seen = "the most was %s's %s: %d" % (name, what.replace("_", " "), amount) if amount else "no device of a guest moved any"
    return ["the program tells %d bytes, and %s: did they stay in a cache, or take another way?" % (work["amount"], seen)]


def domains_of(record: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    """The domains of a record by their names."""
    return {domain["name"]: domain for domain in record.get("domains", ())}


def is_file_of_runs(path: str) -> bool:
    """Whether a file begins as ours do; a directory, a FIFO or what cannot be read is none."""
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            line = json.loads(file.readline(MOST_LINE).decode("utf-8"))
        return isinstance(line, dict) and line.get("format") == FORMAT
    except (OSError, ValueError, RecursionError):
        return False


def load(path: str) -> Iterator[Dict[str, Any]]:
    """The records of a file.

    :raises SourceError: it cannot be read, or a line is no run.
    """
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(lines(file, MOST_LINE), 1):
                if line.strip():
                    yield _checked(line.decode("utf-8"), "%s, line %d" % (path, number))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError("%s: %s" % (path, getattr(error, "strerror", None) or error))


def _checked(line: str, place: str) -> Dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise SourceError("%s: no run of `xenmeter bench`" % place)
    if record.get("version") != VERSION:
        raise SourceError("%s: version %.60r of this form is not known; a newer xenmeter made it?" % (
            place, record.get("version")))
    complaint = wrong(record)
    if complaint:
        raise SourceError("%s: no run of `xenmeter bench`: %s" % (place, complaint))
    return record
