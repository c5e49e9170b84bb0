"""Who made whom wait, in a report: of a trace whose causes are known, with hostile names, and of many domains."""
import io
import json

from helpers import encoding
from xenmeter.core.reading import Who
from xenmeter.front.report.document import of_trace
from xenmeter.front.report.gather import gather
from xenmeter.front.report.neighbours import MOST_CAUSES, MOST_DOMAINS, REST, neighbours, neighbours_of
from xenmeter.xentrace.engine import records


def told_of(names):
    """Domain 2 runs on pCPU 0 while 1 waits, then nobody does, for a quarter of the wait."""
    idle = records.IDLE_DOMAIN
    data = [encoding.runstate(1000, 2, 0, 1, 0), encoding.runstate(2000, 1, 0, 2, 1), encoding.runstate(5000, 2, 0, 0, 2),
            encoding.runstate(5000, idle, 0, 1, 0), encoding.runstate(6000, idle, 0, 0, 1), encoding.runstate(6000, 1, 0, 1, 0),
            encoding.runstate(9000, 1, 0, 0, 2)]
    found = gather(io.BytesIO(records.window(0, b"".join(data))), "a trace", 1000000)
    return of_trace(found, names, {"name": "a trace", "made_ns": 0, "cpu_khz_from": "given"})


def test_the_matrix_and_the_longest_wait():
    document = told_of({})
    told = document["neighbours"]
    assert told["by"] == ["domid-2", "idle"]
    assert told["rows"] == [{"life": 1, "waited_ns": 4000, "by_ns": [3000, 1000]}]
    assert told["waits"] == [{"life": 1, "vcpu": 0, "pcpu": 0, "began_ns": 1000, "length_ns": 4000,
                              "causes": [{"by": "domid-2", "ns": 3000}, {"by": "idle", "ns": 1000}]}]
    assert all("causes" not in domain for domain in document["bake"]["domains"])
    json.dumps(document)
    page = neighbours(document)
    assert '<td class="heat" style="--heat:0.75">75.0</td><td class="heat" style="--heat:0.25">25.0</td>' in page
    assert "<bdi>domid-2</bdi> 3.000 \u00b5s, <bdi>idle</bdi> 1.000 \u00b5s" in page


def test_names_of_guests_are_text():
    page = neighbours(told_of({(2, 0): Who("<script>alert(1)</script>", "u")}))
    assert "&lt;script&gt;" in page and "<script" not in page


def test_many_domains_are_few_rows_and_columns():
    domains = [{"name": "dom%d" % domid} for domid in range(200)]
    lives = [(domid, 0) for domid in range(200)]
    causes = [{lives[by]: 1 + by for by in range(200) if by != domid} for domid in range(200)]
    told = neighbours_of(domains, causes, [], lives)
    assert len(told["rows"]) == MOST_DOMAINS and told["by"][-1] == REST and len(told["by"]) == MOST_CAUSES + 1
    for row in told["rows"]:
        assert sum(row["by_ns"]) == row["waited_ns"] == sum(causes[row["life"]].values())
