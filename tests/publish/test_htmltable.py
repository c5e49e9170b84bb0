"""A plugin's blocks as HTML: what stands in the cells, rates since the reading before, and how much of a large host is shown."""
import html.parser

import pytest

from xenmeter.core.reading import Reading, Who
from xenmeter.publish.htmltable import MOST, HtmlTable
from xenmeter.xentop.plugin import PLUGIN

VIF = [figure.key for figure in PLUGIN.catalogue.entities["vif"].figures]
DOMAIN = [figure.key for figure in PLUGIN.catalogue.entities["domain"].figures]


class Cells(html.parser.HTMLParser):
    """The rows of all tables, as texts."""

    def __init__(self, text):
        super().__init__()
        self.rows = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.rstrip("\n")


def vif(who, number, **figures):
    return who, (number,), tuple([figures.get(key) for key in VIF])


def shown(reading, before=None, groups=None):
    return Cells(HtmlTable(PLUGIN.catalogue, PLUGIN.table, groups).render(reading, before)).rows


WEB, OTHER = Who("web1", "0" * 36, 3), Who("web1", "1" * 36, 4)


def test_counters_have_their_rate_and_only_of_the_same_life_and_device():
    before = Reading(10 ** 9, {"vif": [vif(WEB, "0", rx_bytes=1000, rx_packets=10, tx_packets=7)]})
    now = Reading(3 * 10 ** 9, {"vif": [vif(WEB, "0", rx_bytes=1000 + 4096, rx_packets=13, tx_packets=7),
                                        vif(WEB, "1", rx_bytes=5), vif(OTHER, "0", rx_bytes=6)]})
    head, *rows = shown(now, before)
    assert head[:4] == ["DOMAIN", "VIF", "RECEIVED", "PACKETS"]
    assert rows[0][:4] == ["web1", "0", "5.0 KiB 2.0 KiB/s", "13 1.50/s"] and rows[0][6] == "7"
    assert rows[1][2] == "5 B" and rows[2][2] == "6 B"


@pytest.mark.parametrize("before", [
    None, Reading(5 * 10 ** 9, {"vif": [vif(WEB, "0", rx_bytes=1)]}),      # a clock that was set back
    Reading(10 ** 9, {"vif": [vif(WEB, "0", rx_bytes=900)]}),                # fallen
    Reading(10 ** 9, {"vif": [vif(WEB, "0")]}), Reading(10 ** 9, {})])
def test_without_two_readings_in_order_there_is_no_rate(before):
    assert shown(Reading(3 * 10 ** 9, {"vif": [vif(WEB, "0", rx_bytes=800)]}), before)[1][2] == "800 B"


def test_what_is_not_known_is_a_dash_and_a_share_a_bar():
    figures = {"cpu_time_ns": 2 * 10 ** 9, "cpu_ppm": 250000}
    row = WEB, (), tuple([figures.get(key, 0 if key.startswith("state") else None) for key in DOMAIN])
    text = HtmlTable(PLUGIN.catalogue, PLUGIN.table).render(Reading(1, {"domain": [row]}))
    assert Cells(text).rows[1] == ["web1", "ready", "2 s", "25.0%", "-", "-", "-"]
    assert '<td class=b style="--w:25.0%">25.0%' in text


def test_groups_that_are_off_are_not_shown():
    reading = Reading(1, {"vif": [vif(WEB, "0", rx_bytes=1)]})
    assert shown(reading, groups={"network"}) and not [row for row in shown(reading, groups={"cpu"}) if "RECEIVED" in row]


def test_of_a_large_host_the_busiest_are_shown_and_how_many_there_are():
    rows = [(Who("guest-%d" % number, "%036d" % number, number), (), tuple(
        [{"cpu_ppm": number, "cpu_time_ns": 1}.get(key, 0) for key in DOMAIN])) for number in range(1000)]
    text = HtmlTable(PLUGIN.catalogue, PLUGIN.table).render(Reading(1, {"domain": rows}))
    assert [row[0] for row in Cells(text).rows[1:]] == ["guest-%d" % number for number in range(999, 999 - MOST, -1)]
    assert "The 100 busiest of 1000" in text
