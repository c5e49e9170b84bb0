"""Who made whom wait, for a report: a matrix of domains, and the longest waits with who had the pCPU meanwhile."""
import html
from typing import Any, Dict, List, Optional

from xenmeter.front.report.words import duration, percent

__all__ = ("neighbours_of", "neighbours", "MOST_DOMAINS", "MOST_CAUSES")

#: Rows and columns of the matrix: the domains that waited longest, and the causes of most of their time; the rest is one each.
MOST_DOMAINS = 30
MOST_CAUSES = 12
_WAITS = 12
REST = "all others"


def neighbours_of(domains: List[Dict[str, Any]], causes: List[Dict[Any, int]], waits: List[Dict[str, Any]],
                  lives: List[Any]) -> Dict[str, Any]:
    """What the page shows, as plain JSON. :param domains: of the document; :param causes: of each what caused its completed
    waits, a life or a word -> ns; :param waits: as ``Engine.longest_waits``."""
    names = {life: domain["name"] for life, domain in zip(lives, domains)}
    sums: Dict[Any, int] = {}
    for one in causes:
        for by, length in one.items():
            sums[by] = sums.get(by, 0) + length
    shown = sorted(sums, key=lambda by: (-sums[by], str(by)))
    shown, few = shown[:MOST_CAUSES], len(shown) <= MOST_CAUSES
    rows = []
    order = sorted(range(len(domains)), key=lambda place: (-sum(causes[place].values()), lives[place]))
    for place in [place for place in order if causes[place]][:MOST_DOMAINS]:
        whole, mine = sum(causes[place].values()), [causes[place].get(by, 0) for by in shown]
        rows.append({"life": place, "waited_ns": whole, "by_ns": mine + ([] if few else [whole - sum(mine)])})
    told = [{"life": lives.index((wait["domid"], wait["generation"])) if (wait["domid"], wait["generation"]) in names else None,
             "vcpu": wait["vcpu"], "pcpu": wait["pcpu"], "began_ns": wait["began_ns"], "length_ns": wait["length_ns"],
             "causes": [{"by": _name(cause, names), "ns": cause["ns"]} for cause in wait["causes"]]} for wait in waits[:_WAITS]]
    return {"by": [names.get(by, by) for by in shown] + ([] if few else [REST]), "rows": rows, "waits": told}


def _name(cause: Dict[str, Any], names: Dict[Any, str]) -> str:
    return names[cause["by"], cause["generation"]] if "generation" in cause else cause["by"]


def neighbours(document: Dict[str, Any]) -> str:
    """As HTML; empty where nothing waited, or the document has none."""
    told: Optional[Dict[str, Any]] = document.get("neighbours")
    if not told or not told["rows"]:
        return ""
    domains = document["domains"]
    head = "".join('<th scope="col">%s</th>' % html.escape(name) for name in ["domain", "waited"] + told["by"])
    body = "".join('<tr><th scope="row">%s</th><td>%s</td>%s</tr>' % (
        html.escape(domains[row["life"]]["name"]), duration(row["waited_ns"]),
        "".join(_cell(part, row["waited_ns"]) for part in row["by_ns"])) for row in told["rows"])
    waits = "".join('<tr><th scope="row">%s, vCPU %d</th><td>%s</td><td>%.6f s</td><td>pCPU %d</td><td>%s</td></tr>' % (
        "a domain that is gone" if wait["life"] is None else html.escape(domains[wait["life"]]["name"]), wait["vcpu"],
        duration(wait["length_ns"]), wait["began_ns"] / 1e9, wait["pcpu"],
        ", ".join("<bdi>%s</bdi> %s" % (html.escape(cause["by"]), duration(cause["ns"])) for cause in wait["causes"]))
        for wait in told["waits"])
    return ('<section id="neighbours"><h2>Who made whom wait</h2>'
            "<p>Of each domain's completed waits for a pCPU the share in which another had the pCPU that it got: idle, nobody "
            "had it; unknown, the trace does not tell who. Its own vCPUs are among them.</p>" + _table(
                "Share of the waiting time, in percent", head, body) + _table(
                    "The longest waits, and who had the pCPU meanwhile",
                    "".join('<th scope="col">%s</th>' % name for name in ("vCPU", "waited", "from", "got", "had by")), waits)
            + "</section>")


def _cell(part: int, whole: int) -> str:
    return '<td class="heat" style="--heat:%.2f">%s</td>' % (part / whole, percent(part, whole) if part else "")


def _table(caption: str, head: str, body: str) -> str:
    return ('<div class="scroll" tabindex="0" role="region" aria-label="%s"><table><caption>%s</caption><thead><tr>%s</tr>'
            "</thead><tbody>%s</tbody></table></div>" % (caption, caption, head, body))
