"""What makes a trace's figures doubtful, in sentences for people: on stderr, in a report, in the baker's log."""
from typing import Any, Dict, List

from xenmeter.core.errors import SourceError
from xenmeter.xentrace.engine.loss import ELSEWHERE

__all__ = ("doubts", "anomalies", "no_trace", "NO_EVENTS")

NO_EVENTS = "this trace has no scheduler events; record with -e 0x00161000"

#: One anomaly in so many records, or fewer, leaves the others their meaning.
_MANY = 1000
#: Kind of anomaly -> what is said of so many of it.
_KINDS = (
    ("contradictions", "%d records that contradict those before them"),
    ("late", "%d records that came after later ones"),
    ("backwards", "%d time stamps that go back"),
    ("wild_stamps", "%d time stamps that cannot be"),
    ("resynchronised", "%d places that are no trace"),
    ("cut_windows", "%d windows cut short"),
    ("truncated", "an end in the middle of a window"),
)


def no_trace(name: str, size: int) -> SourceError:
    """What is wrong with a stream of so many bytes in which there is no window of a pCPU."""
    return SourceError("%s: no window of a pCPU found: this is not what xentrace writes" % name if size else
                       "%s is empty" % name)


def doubts(figures: Dict[str, Any]) -> List[str]:
    """Of the engine's figures; nothing where nothing is doubtful. Losses are told by figures of their own."""
    trace = figures["trace"]
    told = []
    if trace["records"] and not figures["vcpus"] and not any(one["busy_ns"] or one["idle_ns"] for one in figures["pcpus"]):
        told.append(NO_EVENTS)
    if trace.get("left_out_from") is not None:
        told.append("from byte %d on the stamps are older than before: another boot, or the same trace again; left out"
                    % trace["left_out_from"])
    mute = trace.get("mute") or ()
    if ELSEWHERE in mute:
        told.append("records of vCPUs contradict each other again and again: a pCPU that has no record in this trace is at "
                    "work, or the clocks (TSC) of the pCPUs disagree. Meanwhile only running vCPUs are known")
    known = [pcpu for pcpu in mute if pcpu != ELSEWHERE]
    if known:
        told.append("%s at work and writes no records: what may run there is unknown. So it is with a pCPU that was taken "
                    "offline and came back, until the host is booted anew" % (
                        "pCPU %d is" % known[0] if len(known) == 1 else "each of the pCPUs %s is" % ", ".join(map(str, known))))
    kinds = trace["anomaly_kinds"]
    if kinds.get("interruptions"):
        told.append("%s no pCPU has a record for more than a second although there was work, as between two recordings: "
                    "that time is unknown" % ("once" if kinds["interruptions"] == 1 else "%d times" % kinds["interruptions"]))
    some = anomalies(kinds)
    if some:
        first = trace.get("damaged_from")
        place = "" if first is None else " (the first in the window at byte %d, or behind it)" % first
        many = trace["anomalies"] * _MANY > trace["records"]
        told.append("anomalies: %s%s; what they touch is unknown%s" % (
            some, place, ", and they are so many that the rest may be wrong" if many else ""))
    return told


def anomalies(kinds: Dict[str, int]) -> str:
    """How many of which kind, but for those that have a sentence of their own; "" where there are none."""
    return ", ".join((text % kinds[kind]) if "%d" in text else text for kind, text in _KINDS if kinds.get(kind))
