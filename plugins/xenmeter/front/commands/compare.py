"""``xenmeter compare``: two sets of runs of ``xenmeter bench``, judged honestly."""
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter.bench import runs, table, verdict
from xenmeter.bench.ranks import median
from xenmeter.core.errors import BadOption, SourceError
from xenmeter.publish.text import for_terminal

__all__ = ("add", "run")

#: The exit status where the second set is worse by more than --worse allows.
WORSE = 3
#: Runs of a set: each is compared with each of the other.
MOST = 1000


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "compare", parents=[parent], help="two sets of benchmark runs: better, worse, the same, or not to be told",
        description="Judges the runs of two files, or of the two labels in one: the median, an exact test that assumes nothing "
                    "of how figures are distributed (Mann-Whitney), and by how much they differ (Hodges-Lehmann). The primary "
                    "figure gets the verdict, and the CPU time of Domain-0 and of the busiest guest per unit of work one each.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="one file with two labels, or two files")
    parser.add_argument("--figure", metavar="NAME", help="the figure that is judged (default: the reader's primary one)")
    parser.add_argument("--same", type=float, default=100 * verdict.SAME, metavar="PERCENT",
                        help="a difference below this is called the same (default: %(default)g)")
    parser.add_argument("--worse", type=float, metavar="PERCENT",
                        help="exit status %d where the second is worse, and by more than this: for scripts" % WORSE)
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    if not 0 <= arguments.same < 100 or (arguments.worse is not None and not 0 <= arguments.worse < 100):
        raise BadOption("--same and --worse take 0 to 100 percent")
    names, before, after = _sets(arguments.files)
    primary = _primary(arguments.figure, before + after)
    old, new = verdict.series(before, primary["name"]), verdict.series(after, primary["name"])
    for name, values, records in ((names[0], old, before), (names[1], new, after)):
        if not values:
            raise SourceError("%s: no run that counts has the figure %s%s" % (name, primary["name"], _reason(records)))
        if len(records) > MOST:
            raise SourceError("%s: %d runs, and %d at most are compared: give a part of the file" % (name, len(records), MOST))
        sys.stdout.write("%s: %d of %d runs count, median %.6g %s, from %.6g to %.6g\n" % (
            for_terminal(name), len(values), len(records), median(values), for_terminal(primary["unit"]), min(values),
            max(values)))
    judged = verdict.judge(old, new, primary["better"] or "more", arguments.same / 100)
    sys.stdout.write("%s: %s\n" % (for_terminal(primary["name"]), judged.text))
    _others(primary["name"], before, after)
    _costs(before, after, arguments.same / 100)
    _circumstances(before, after)
    if arguments.worse is not None and judged.word == "worse" and abs(judged.shift) * 100 > arguments.worse:
        return WORSE
    return 0


def _sets(files: Sequence[str]) -> Tuple[List[str], List[Dict[str, Any]], List[Dict[str, Any]]]:
    """The names and runs of both sets."""
    if len(files) > 2:
        raise BadOption("compare takes one file or two, not %d" % len(files))
    if len(files) == 2:
        return list(files), list(runs.load(files[0])), list(runs.load(files[1]))
    by_label: Dict[str, List[Dict[str, Any]]] = {}
    for record in runs.load(files[0]):
        by_label.setdefault(record["label"], []).append(record)
    if len(by_label) != 2:
        raise SourceError("%s has %d labels (%s), and two are compared: give two files, or runs of --a and --b" % (
            files[0], len(by_label), ", ".join(sorted(by_label)) or "no run"))
    first, second = by_label
    return ["%s (%s)" % (files[0], name) for name in (first, second)], by_label[first], by_label[second]


def _primary(wanted: Optional[str], records: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    known = verdict.directions(records)
    if wanted is not None and wanted not in known:
        raise BadOption("--figure %s: the runs have %s" % (wanted, ", ".join(known) or "no figure"))
    if not known:
        raise SourceError("no run has a figure%s" % _reason(records))
    return known[wanted if wanted is not None else next(iter(known))] or {}


def _reason(records: Sequence[Dict[str, Any]]) -> str:
    """Why the first run that does not count does not."""
    return next(("; the first: %s" % record["unusable"] for record in records if record["unusable"]), "")


def _others(primary: str, before: Sequence[Dict[str, Any]], after: Sequence[Dict[str, Any]]) -> None:
    """All other figures by their medians, and no verdict: who judges twenty figures finds one that differs by chance."""
    for name, figure in verdict.directions(list(before) + list(after)).items():
        old, new = verdict.series(before, name), verdict.series(after, name)
        if name != primary and old and new and figure:
            sys.stdout.write("  %s: median %.6g, then %.6g %s\n" % (for_terminal(name), median(old), median(new),
                                                                     for_terminal(figure["unit"])))


def _costs(before: Sequence[Dict[str, Any]], after: Sequence[Dict[str, Any]], same: float) -> None:
    """What a unit of work costs Domain-0 and the guest that pays most: two verdicts together, by Holm's rule."""
    payers, pairs, units = [], [], []
    for name in _payers(before, after):
        old, unit = _per_unit(before, name)
        new, _ = _per_unit(after, name)
        if old and new:
            payers.append(name)
            pairs.append((old, new))
            units.append(unit)
    for name, (old, new), unit, judged in zip(payers, pairs, units, verdict.judge_all(pairs, "less", same)):
        sys.stdout.write("CPU us of %s per %s: median %.4g, then %.4g; %s\n" % (
            for_terminal(name), for_terminal(unit), median(old), median(new), judged.text))


def _circumstances(before: Sequence[Dict[str, Any]], after: Sequence[Dict[str, Any]]) -> None:
    """What else differs that a reader would want to know: dom0's kernel, and what the watching took."""
    old, new = (sorted({record["kernel"] for record in records if record.get("kernel")}) for records in (before, after))
    if old and new and old != new:
        sys.stdout.write("kernel of dom0: %s, then %s\n" % (for_terminal(", ".join(old)), for_terminal(", ".join(new))))
    watched = [[record["watching_ns"] / 1e6 for record in records if record.get("watching_ns") is not None]
               for records in (before, after)]
    if any(watched):
        sys.stdout.write("CPU ms of xenmeter itself per run: %s\n" % ", then ".join(
            "median %.4g" % median(values) if values else "unwatched" for values in watched))


def _payers(before: Sequence[Dict[str, Any]], after: Sequence[Dict[str, Any]]) -> List[str]:
    paid: Dict[str, int] = {}
    for record in list(before) + list(after):
        for name, domain in runs.domains_of(record).items():
            paid[name] = paid.get(name, 0) + domain["costs"].get("cpu_ns", 0)
    guests = sorted((name for name in paid if name != "Domain-0"), key=lambda name: -paid[name])
    return [name for name in ["Domain-0"] + guests[:1] if name in paid]


def _per_unit(records: Sequence[Dict[str, Any]], name: str) -> Tuple[List[float], str]:
    found, unit = [], ""
    for record in records:
        amount, unit_here = table.unit_of(record)
        domain = runs.domains_of(record).get(name)
        if domain is None or record["unusable"] or not amount:
            continue
        cost = table.per_unit(table.net(domain), amount)
        if cost is not None:
            found.append(cost)
            unit = unit_here
    return found, unit
