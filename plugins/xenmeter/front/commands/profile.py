"""``xenmeter profile``: which process and which function the CPU time of a domain went to, seen from dom0."""
import io
import os
import signal
import sys
from typing import Any, Callable, Dict, List, Optional, Tuple

from xenmeter.core import files
from xenmeter.core.clock import now_ns
from xenmeter.core.errors import BadInput, BadOption, SourceError
from xenmeter.core.stopping import stopped_by
from xenmeter.front import pmu, shares
from xenmeter.front.benchwork import watching
from xenmeter.front.progress import Progress
from xenmeter.profile import recorded, table
from xenmeter.profile.follow import Follower, replay
from xenmeter.profile.kernel.cache import Cache
from xenmeter.profile.kernel.elf import Elf
from xenmeter.profile.kernel.kallsyms import Names
from xenmeter.profile.record import FILE, of_session
from xenmeter.profile.session import Session
from xenmeter.profile.stacks import Stacks
from xenmeter.profile.tally import Tally, shown
from xenmeter.publish import flamesvg, folded, pprof, speedscope
from xenmeter.publish.text import for_terminal

__all__ = ("add", "run")

_LONGEST_S = 86400
#: Ends of names -> form.
_FORMS = ((".folded", "folded"), (".pb.gz", "pprof"), (".pprof", "pprof"), (".speedscope.json", "speedscope"),
          (".diff.svg", "difference"), (".svg", "svg"), (".samples", "samples"))


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "profile", parents=[parent], help="what a domain does, seen from dom0: processes and functions",
        description="Looks at the vCPUs of guests at uneven times: which process and which function they are in. Nothing is "
                    "installed in the guest. A vCPU that runs is paused for some microseconds at a look, no other, and "
                    "never dom0's; the samples of some seconds share the CPU time of those seconds.")
    parser.add_argument("domains", nargs="*", metavar="DOMAIN", help="name, UUID or domid")
    parser.add_argument("--all", action="store_true",
                        help="all domains, by what they ran and waited, exactly and without a sample: from Xen's CPU times and "
                             "the baker's trace")
    parser.add_argument("--pmu", action="store_true",
                        help="dom0, Xen and its guests by the processor's counters, through perf, where Xen was booted with vpmu")
    parser.add_argument("--event", default="cycles", metavar="EVENT",
                        help="what --pmu counts, as perf calls it (default: cycles); which event it really was is told")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="N", help="how long (default: 30)")
    parser.add_argument("--hz", type=float, default=99.0, metavar="N", help="looks a second on average (default: 99)")
    parser.add_argument("--share", type=float, default=5.0, metavar="PERCENT",
                        help="what it may take of one of dom0's CPUs; looks come later where they would take more (default: 5)")
    parser.add_argument("--kernel", metavar="FILE",
                        help="the guest's kernel, vmlinuz or vmlinux, where it is not in dom0 as kernel= of its configuration; "
                             "another build than the running one is refused")
    parser.add_argument("--user-symbols", metavar="FILE",
                        help="an ELF program, one that is not loaded at random places: its functions name addresses of user mode")
    parser.add_argument("--source", metavar="FILE",
                        help="a recording of raw samples: of -o FILE.samples, or of record --profile; or what perf recorded")
    parser.add_argument("--compare", metavar="FILE", help="another profile, FILE.folded: what has changed since, by function")
    parser.add_argument("-o", "--output", action="append", default=[], metavar="FILE",
                        help="written by the name's end: .folded, .pb.gz (pprof), .speedscope.json, .svg (flame graph), "
                             ".diff.svg (flame graphs of this one and of --compare's, coloured by what changed); .samples: raw "
                             "samples with bytes of the guest's stacks, for root alone; may be repeated")
    parser.set_defaults(run=run)


def run(arguments: Any) -> int:
    _check(arguments)
    if arguments.all:
        return _all(arguments)
    tally, user = Tally(), _user(arguments.user_symbols)
    before = folded.of_file(arguments.compare) if arguments.compare else []
    began = now_ns()
    if arguments.pmu:
        said = pmu.recorded(arguments, tally, stopped_by([signal.SIGINT, signal.SIGTERM]))
    elif arguments.source and pmu.is_perfs(arguments.source):
        said = pmu.of_file(arguments.source, tally)
    elif arguments.source:
        _replay(arguments, tally, user)
        said = ""
    else:
        said = _live(arguments, tally, user)
    _written(arguments, tally, began, before)
    sys.stdout.write(table.render(tally))
    if arguments.compare:
        sys.stdout.write("\n" + table.difference([(shown(frames[2:]), ns) for frames, ns in before],
                                                 [(row[2], row[4]) for row in tally.by_symbol()]))
    sys.stdout.write("\n" + said if said else "")
    return 0


def _check(arguments: Any) -> None:
    if arguments.all and (arguments.domains or arguments.source or arguments.output or arguments.compare):
        raise BadOption("--all takes no samples: not with DOMAIN, --source, --compare or -o")
    if arguments.pmu and (arguments.all or arguments.domains or arguments.source):
        raise BadOption("--pmu counts on all CPUs, and not for one domain: not with DOMAIN, --source or --all")
    if not arguments.all and not arguments.pmu and bool(arguments.domains) == bool(arguments.source):
        raise BadOption("which domains? xenmeter profile DOMAIN ..., or --source FILE for a recording")
    if not 0 < arguments.seconds <= _LONGEST_S:
        raise BadOption("--seconds %g: takes a number above 0, at most %d" % (arguments.seconds, _LONGEST_S))
    if not 0.1 <= arguments.hz <= 10000:
        raise BadOption("--hz %g: takes 0.1 to 10000" % arguments.hz)
    if not 0 < arguments.share <= 100:
        raise BadOption("--share %g: takes more than 0, at most 100 percent" % arguments.share)
    for path in arguments.output:
        form = _form(path)
        if form == "samples" and (arguments.source or arguments.pmu):
            raise BadOption("-o %s: raw samples are of DOMAIN, and --source has them already" % path)
        if form == "difference" and not arguments.compare:
            raise BadOption("-o %s: with which profile? --compare FILE.folded" % path)


def _form(path: str) -> str:
    for end, form in _FORMS:
        if path.endswith(end):
            return form
    raise BadOption("-o %s: the name says the form, by its end: %s" % (path, ", ".join([end for end, _ in _FORMS])))


def _user(path: Optional[str]) -> Optional[Names]:
    """The functions of a program, by address."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            rows = Elf(file.read()).functions()
    except OSError as error:
        raise SourceError("%s: %s" % (path, error.strerror))
    except BadInput as error:
        raise SourceError("%s: %s" % (path, error))
    if not rows:
        raise SourceError("%s: it has no symbols of functions; give the program before it was stripped" % path)
    return _with_ends(rows)


def _with_ends(rows: List[Tuple[int, int, str]]) -> Names:
    """Names of functions by address, and none where all before have ended; one without a size (of an assembler's) ends a page
    behind its begin. :param rows: (address, size, name), by address."""
    at: List[int] = []
    names: List[str] = []
    end = 0
    for begin, size, name in rows:
        if at and begin > end:
            at.append(end)
            names.append("")
        at.append(begin)
        names.append(name)
        end = max(end, begin + (size or 4096))
    return Names(at + [end], names + [""], {})


def _all(arguments: Any) -> int:
    stop = stopped_by([signal.SIGINT, signal.SIGTERM])
    watch = watching("auto", 1.0, True, stop.is_set, {})
    try:
        with Progress("watching all domains", arguments.seconds) as progress:
            progress.clock()
            told = shares.measured(watch, arguments.seconds, stop)
    finally:
        watch.stop()
    sys.stdout.write(shares.render(told))
    return 0


def _live(arguments: Any, tally: Tally, user: Optional[Names]) -> str:
    """A profile of this host's guests; what it took, as text."""
    stop = stopped_by([signal.SIGINT, signal.SIGTERM])      # an interrupted profile is a whole one, only shorter
    session = Session(arguments.domains, arguments.kernel, user, tally)
    writer = None
    try:
        writer = _writer(arguments, session)
        with Progress("profiling " + ", ".join([for_terminal(name, 40) for name in session.names.values()]),
                      arguments.seconds) as progress:
            progress.clock()
            cost = session.run(arguments.seconds, arguments.hz, arguments.share / 100, stop, writer)
        said = table.costs(session.guests, cost, tally.followed)
    finally:
        session.close()
        if writer is not None:
            writer.close()
    for note in session.notes:
        sys.stderr.write("xenmeter: %s\n" % for_terminal(note))
    return said


def _writer(arguments: Any, session: Session) -> Optional[recorded.Writer]:
    for path in arguments.output:
        if _form(path) == "samples":
            return of_session(session, path, arguments.hz)
    return None


def _replay(arguments: Any, tally: Tally, user: Optional[Names]) -> None:
    source = arguments.source
    recording = recorded.load(os.path.join(source, FILE) if os.path.isdir(source) else source)
    followers: Dict[int, Follower] = {}
    for one in recording.head.domains:
        kernel = _kernel_of(arguments, one, recording.build_ids.get(one.domid) or one.build_id)
        known = kernel is not None and one.domid in recording.slides
        followers[one.domid] = Follower(one.name, Stacks(
            kernel if known else None, recording.slides.get(one.domid, 0), recording.modules.get(one.domid, ()), user), tally)
    replay(recording.samples, followers)


def _kernel_of(arguments: Any, one: recorded.Of, build_id: Optional[str]) -> Any:
    """The kernel of a recorded domain: by --kernel, as it was read before, or from where it was then; refused where it is another
    build."""
    cache = Cache()
    path = arguments.kernel or one.kernel
    kept = cache.of_build(build_id) if arguments.kernel is None else None
    if kept is not None:
        return kept
    if path is None or build_id is None or not (arguments.kernel or os.path.exists(path)):
        sys.stderr.write("xenmeter: %s: its kernel is not here (it was %s, build id %s): --kernel FILE\n" % (
            for_terminal(one.name), for_terminal(one.kernel or "not known"), for_terminal(build_id or "not known")))
        return None
    kernel = cache.of_file(path)
    if kernel.build_id != build_id:
        raise SourceError("%s is build %s, and %s ran build %s" % (path, kernel.build_id, one.name, build_id))
    return kernel


def _written(arguments: Any, tally: Tally, began: int, before: Any) -> None:
    names = ", ".join(sorted({key.domain for key in tally.seen}))
    title = "%s of %s" % ("CPU time" if tally.unit == "ns" else tally.unit, names) if names else "no CPU time"
    forms: Dict[str, Callable[[], bytes]] = {
        "folded": lambda: folded.encode(tally.stacks()),
        "pprof": lambda: pprof.encode(tally.stacks(), began, max(0, now_ns() - began), int(1e9 / arguments.hz),
                                      ["xenmeter profile: samples share the CPU time of their seconds"], tally.unit),
        "speedscope": lambda: speedscope.encode(tally.stacks(), title, tally.unit),
        "svg": lambda: flamesvg.encode(tally.stacks(), title, tally.unit),
        "difference": lambda: flamesvg.whole_file(flamesvg.difference(
            before, folded.decode(io.BytesIO(folded.encode(tally.stacks()))),
            ("Before: %s" % os.path.basename(arguments.compare), "After: red had a smaller share before, blue a larger one")))}
    for path in arguments.output:
        form = _form(path)
        if form != "samples":
            try:
                files.replace(path, forms[form]())
            except OSError as error:
                raise SourceError("%s cannot be written: %s" % (path, error.strerror))
