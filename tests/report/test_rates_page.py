"""The report of runs at rising rates: each of the paper's figures with each point, and the line behind them; nothing invented."""
import html
import re
import xml.etree.ElementTree

import pytest

from helpers import modelled_study as model
from xenmeter.front.report.runspage import page_of

TITLES = ("reply_rate", "response_time", "CPU time", "Blocked", "Waiting", "I/O count", "I/O count per execution of Domain-0",
          "Packets of the guests&#x27; networks", "Executions", "CPU time per execution", "What a request costs")


def sections(page):
    """{title: (text, svg)} of the plots."""
    return {html.unescape(title): (text, svg) for title, text, svg in re.findall(
        r'<section class="plot"><h3>(.*?)</h3>(.*?)(<svg .*?</svg>)', page, re.DOTALL)}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(str(model.write(tmp_path_factory.mktemp("study") / "study.jsonl", model.records())))


def said(svg):
    return [html.unescape(text) for text in re.findall(r"<circle[^>]*><title>(.*?)</title>", svg)]


def test_every_figure_is_there_and_well_formed(page):
    found = sections(page)
    for title in map(html.unescape, TITLES):
        assert any(title in known for known in found), title
    for _, svg in found.values():
        xml.etree.ElementTree.fromstring(svg.replace("&nbsp;", " "))


@pytest.mark.parametrize("title", ["CPU time", "Blocked", "Waiting", "Executions", "CPU time per execution"])
def test_a_panel_for_each_label_with_a_line_for_each_domain(page, title):
    svg = sections(page)[title][1]
    assert svg.count("<polyline ") == len(model.LABELS) * len(model.BASE)
    assert len(said(svg)) == len(model.LABELS) * len(model.BASE) * len(model.RATES)


@pytest.mark.parametrize("title", ["reply_rate", "response_time", "I/O count", "I/O count per execution of Domain-0",
                                   "Packets of the guests' networks"])
def test_a_panel_for_each_row_with_a_line_for_each_label(page, title):
    svg = sections(page)[title][1]
    assert svg.count("<polyline ") == len(model.LABELS) and len(said(svg)) == len(model.LABELS) * len(model.RATES)


def test_the_points_are_the_runs_own(page):
    found = sections(page)
    assert "dom0 x 10: 400 reply/s at 400" in said(found["reply_rate"][1])
    times, rate = 12, 400
    cpu = model.BASE["Domain-0"] + model.PRICE["Domain-0"] * times
    assert "Domain-0: %.4g %% at 400" % (cpu * rate / 1e4) in said(found["CPU time"][1])
    assert "Domain-0: %.4g per second at 400" % (times * rate) in said(found["Executions"][1])
    assert "Domain-0: %.4g \u00b5s at 400" % (cpu / times) in said(found["CPU time per execution"][1])
    assert "dom0 x 10: %.4g per second at 400" % (model.GRANTS * rate) in said(found["I/O count"][1])
    assert "dom0 x 10: %.4g 1 at 400" % (model.GRANTS / times) in said(found["I/O count per execution of Domain-0"][1])


def test_the_line_is_the_model_s(page):
    text, svg = sections(page)["What a request costs, and what of it each execution"]
    for name in model.BASE:
        assert "%s: %.4g \u00b5s and %.4g \u00b5s for each execution (R\u00b2 1.000, %d runs)" % (
            name, model.BASE[name], model.PRICE[name], len(model.LABELS) * len(model.RATES)) in text
    assert svg.count("stroke-dasharray") == len(model.BASE)


def test_runs_that_do_not_count_and_what_is_not_known_are_absent(tmp_path):
    those = list(model.records())
    those[0]["unusable"] = "refused"
    for record in those:
        for domain in record["domains"]:
            del domain["costs"]["blocked_ns"]
            domain["above_idle"].pop("executions")
    found = sections(page_of(str(model.write(tmp_path / "study.jsonl", those))))
    assert "Blocked" not in found and not any("costs" in title for title in found)
    assert len(said(found["reply_rate"][1])) == len(those) - 1


def test_runs_at_one_rate_are_told_as_ever(tmp_path):
    those = [dict(record, label=record["label"].replace("/", " ")) for record in model.records()]
    same = [record for record in those if record["figures"][0]["value"] == model.RATES[0]]
    page = page_of(str(model.write(tmp_path / "study.jsonl", same)))
    assert "By the rate" not in page and "Figures of the program" in page


def test_names_are_text(tmp_path):
    those = list(model.records({"<script>alert(1)</script>/<b>x": (12, 1)}))
    for record in those:
        record["domains"][1]["name"] = "</svg><script>"
        record["work"]["unit"] = "<i>request"
    page = page_of(str(model.write(tmp_path / "study.jsonl", those)))
    assert "<script" not in page and "<b>" not in page and "<i>" not in page
    for _, svg in sections(page).values():
        xml.etree.ElementTree.fromstring(svg)
