"""A profile as one HTML page: a flame graph and the functions of most time; no script in it, and nothing needed to make it."""
import html
import os
from typing import Dict, List, Optional, Tuple

from xenmeter import __version__
from xenmeter.core import shipped
from xenmeter.core.errors import SourceError
from xenmeter.front.report.runspage import POLICY
from xenmeter.publish import flamesvg, folded
from xenmeter.publish.text import bounded

__all__ = ("END", "page_of")

#: How the name of such a file ends.
END = ".folded"
_ROWS = 60


def page_of(path: str, before: Optional[str] = None) -> str:
    """The page of a file of folded stacks whose first two frames are domain and process; raises SourceError.

    :param before: an earlier one, which it is compared with.
    """
    stacks = _stacks_of(path)
    name = html.escape(bounded(os.path.basename(os.path.abspath(path))))
    style = shipped.text(os.path.dirname(os.path.abspath(__file__)), "page.css")
    picture = flamesvg.picture([({"domain": frames[0], "process": frames[1] if len(frames) > 1 else "?"}, frames[2:], 1, ns)
                                for frames, ns in stacks], "CPU time: a box is as wide as its time, on what called it")
    return "\n".join([
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" content="%s">' % POLICY,
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="generator" content="xenmeter %s">' % __version__,
        "<title>%s \u2013 xenmeter report</title>" % name, "<style>\n%s</style>" % style, "</head>\n<body>",
        "<header><h1>What the CPU time went to: %s</h1></header>" % name,
        '<section id="flames"><h2>Stacks</h2><div class="scroll">%s</div></section>' % picture,
        '<section id="functions"><h2>Functions</h2>%s</section>' % _table(stacks)] + (
            [_compared(before, stacks)] if before is not None else []) + [
        "<footer><p>xenmeter %s. A box's tooltip has its name, time and share. <code>xenmeter report --compare</code> shows "
        "what changed since another profile.</p></footer>" % __version__, "</body>\n</html>\n"])


def _stacks_of(path: str) -> List[Tuple[Tuple[str, ...], int]]:
    stacks = folded.of_file(path)
    if not stacks:
        raise SourceError("%s: no stack in it" % path)
    return stacks


def _compared(path: str, after: List[Tuple[Tuple[str, ...], int]]) -> str:
    """What changed since another profile: its boxes and ours, coloured by it, and the functions whose share changed most."""
    before = _stacks_of(path)
    picture = flamesvg.difference(before, after, ("Before: " + os.path.basename(os.path.abspath(path)),
                                                  "After: red had a smaller share before, blue a larger one"))
    shares = [_shares(stacks) for stacks in (before, after)]
    rows = sorted(((name, shares[0].get(name, 0.0), shares[1].get(name, 0.0)) for name in set(shares[0]) | set(shares[1])),
                  key=lambda row: (-abs(row[2] - row[1]), row[0]))[:_ROWS]
    body = "".join('<tr><th scope="row">%s</th><td>%.2f</td><td>%.2f</td><td>%+.2f</td></tr>' % (
        html.escape(bounded(name)), old, new, new - old) for name, old, new in rows)
    return ('<section id="changes"><h2>Since %s</h2><div class="scroll">%s</div><div class="scroll"><table><thead><tr>'
            "<th>function</th><th>before %%</th><th>after %%</th><th>change</th></tr></thead><tbody>%s</tbody></table></div>"
            "</section>" % (html.escape(bounded(os.path.basename(os.path.abspath(path)))), picture, body))


def _shares(stacks: List[Tuple[Tuple[str, ...], int]]) -> Dict[str, float]:
    """Function -> its percentage of the whole."""
    whole = max(sum(ns for _, ns in stacks), 1)
    found: Dict[str, float] = {}
    for frames, ns in stacks:
        found[frames[-1]] = found.get(frames[-1], 0.0) + 100.0 * ns / whole
    return found


def _table(stacks: List[Tuple[Tuple[str, ...], int]]) -> str:
    sums: Dict[Tuple[str, str, str], int] = {}
    for frames, ns in stacks:
        key = (frames[0], frames[1] if len(frames) > 1 else "?", frames[-1])
        sums[key] = sums.get(key, 0) + ns
    whole = max(sum(sums.values()), 1)
    rows = sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))[:_ROWS]
    body = "".join('<tr><th scope="row">%s</th>%s</tr>' % (html.escape(bounded(key[2])), "".join(
        "<td>%s</td>" % html.escape(bounded(text)) for text in (
            "%.1f" % (ns / 1e6), "%.2f" % (100.0 * ns / whole), key[0], key[1]))) for key, ns in rows)
    head = "".join("<th>%s</th>" % text for text in ("function", "CPU ms", "%", "domain", "process"))
    return '<div class="scroll"><table><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>' % (head, body)
