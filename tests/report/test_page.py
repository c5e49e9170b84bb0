"""Reports in a real Chromium: nothing is asked for, nothing complained of, and the plots show the trace's figures."""
import json

import pytest
from helpers.recordings import HOSTILE, recorded
from helpers.captures import KHZ, capture
from helpers.traces import lengthened

pytestmark = pytest.mark.daemon

#: A figure's renderers as plain values: name of the source -> columns.
SOURCES = """(() => {
  const told = {};
  for (const figure of Bokeh.documents[0].roots())
    for (const renderer of figure.renderers) {
      const source = renderer.data_source;
      told[source.name] = Object.fromEntries(Object.entries(source.data).map(([name, column]) => [name, [...column]]));
    }
  return told;
})()"""
FIGURE = "Bokeh.documents[0].roots().find((one) => one.name === '%s')"


@pytest.fixture(scope="module")
def reports(tmp_path_factory, xenmeter):
    """name -> path: of a trace without and with losses, of a recording with hostile names, of a log, of a long trace."""
    folder = tmp_path_factory.mktemp("reports")
    host = recorded(folder / "host", "narrow-churn", dict(enumerate(HOSTILE)))
    sources = {"hostile": [host]}
    for name, data in (("whole", capture("S1-sched")), ("loss", capture("loss-sched-churn")),
                       ("long", lengthened(capture("narrow-churn"), 20000000))):
        (folder / (name + ".bin")).write_bytes(data)
        sources[name] = [folder / (name + ".bin"), "--cpu-khz", KHZ]
    (folder / "log.csv").write_bytes(xenmeter("xentrace", "--source", host, "--format", "csv").stdout)
    sources["log"] = [folder / "log.csv"]
    made = {}
    for name, arguments in sources.items():
        made[name] = folder / (name + ".html")
        ran = xenmeter("report", *arguments, "-o", made[name])
        assert ran.returncode == 0, ran.stderr
    return made


def opened(browser, reports, name, **more):
    """The page's data and what its plots hold."""
    assert browser.open(reports[name], **more) == "yes"
    data = json.loads(browser.ask("document.getElementById('xenmeter-data').textContent"))
    return data, browser.ask(SOURCES)


@pytest.mark.parametrize("name, dark", [("whole", False), ("whole", True), ("loss", False), ("hostile", True),
                                        ("log", False), ("long", False)])
def test_it_opens_offline_without_a_complaint(browser, reports, name, dark, tmp_path):
    data, _ = opened(browser, reports, name, dark=dark)
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [reports[name].as_uri()]
    assert browser.ask("typeof window.pwned") == "undefined"
    figures = browser.ask("Bokeh.documents[0].roots().map((one) => one.name)")
    expected = {"cpu", "wait", "blocked", "states", "latency", "executions", "run_each", "wait_each"}
    expected |= set() if name == "log" else {"overview", "exact", "percentiles"}
    expected |= {"io", "io_each"} if name in ("hostile", "log", "long") else set()
    assert set(figures) == expected
    ground = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert ground == browser.ask("(() => { const box = document.createElement('i'); box.style.color = %s; "
                                 "document.body.append(box); return getComputedStyle(box).color })()"
                                 % (FIGURE % "cpu" + ".background_fill_color"))
    assert (ground == "rgb(255, 255, 255)") is not dark
    picture = tmp_path / "page.png"
    browser.picture(picture)
    assert inked(picture) > 200


def inked(path):
    """How many of the picture's rows are not of one colour: a blank page has hardly any."""
    import numpy
    from PIL import Image
    pixels = numpy.asarray(Image.open(str(path)).convert("RGB")).astype(int)
    return int((pixels != pixels[:, :1]).any(axis=(1, 2)).sum())


def alike(drawn, values):
    """Both unknown at the same places (NaN in the page, which comes here as None), and elsewhere the same."""
    return len(drawn) == len(values) and all(
        (one is None) == (other is None) and (one is None or one == pytest.approx(other))
        for one, other in zip(drawn, values))


def test_the_lines_are_the_windows_figures(browser, reports):
    for name in ("whole", "loss", "log"):
        data, sources = opened(browser, reports, name)
        windows = data["windows"]
        for number, one in enumerate(windows["series"]):
            seen = one.get("observed", windows["lengths_ns"])
            expected = {
                "cpu": [100 * part / length if part is not None else None for part, length in zip(one["running"], seen)],
                "wait": [100 * part / length if part is not None else None for part, length in zip(one["waiting"], seen)],
                "executions": [1e9 * part / length if part is not None else None
                               for part, length in zip(one["executions"], seen)],
                "run_each": [part / times if part and times else None
                             for part, times in zip(one["running"], one["executions"])]}
            for key, values in expected.items():
                drawn = sources["%s-%d" % (key, number)]
                assert alike(drawn["y"], values), key
                assert drawn["x"] == pytest.approx([(start + length / 2) / 1e9 for start, length in zip(
                    windows["start_ns"], windows["lengths_ns"])])


def test_the_timelines_show_the_accounts(browser, reports):
    data, sources = opened(browser, reports, "whole")
    bake = data["bake"]
    running = {(one["domid"], one["generation"]): one["running_ns"] for one in bake["domains"]}
    # S1-sched is shown whole: every interval, to the nanosecond
    assert data["exact"]["intervals"] == data["exact"]["of"]
    for number, one in enumerate(data["series"]):
        domain = data["domains"][one["life"]]
        exact = sources["exact-%d" % number]
        assert round(1e6 * sum(right - left for left, right in zip(exact["left"], exact["right"]))) == running[
            domain["domid"], domain["generation"]]
        assert set(exact["name"]) <= {"%s, vCPU %d" % (domain["name"], vcpu["vcpu"]) for vcpu in bake["vcpus"]
                                      if vcpu["domid"] == domain["domid"]}
        shown = sources["overview-%d" % number]
        area = sum((right - left) * (bottom - top) / 0.84 for left, right, bottom, top in zip(
            shown["left"], shown["right"], shown["bottom"], shown["top"]))
        assert 1e9 * area == pytest.approx(running[domain["domid"], domain["generation"]], rel=1e-9)
    lost = sources["exact-lost"]
    assert round(1e6 * sum(right - left for left, right in zip(lost["left"], lost["right"]))) == sum(
        one["lost_ns"] for one in bake["pcpus"]) > 0


def test_losses_are_marked_in_every_plot_over_time(browser, reports):
    data, sources = opened(browser, reports, "loss")
    assert len(data["lost"]) == 104 and sources["lost"]["left"] == [gap[1] / 1e9 for gap in data["lost"]]
    bands = browser.ask("Bokeh.documents[0].roots().filter((one) => one.renderers.some((other) => other.name === 'lost' && "
                        "other.data_source.data.left.length)).map((one) => one.name)")
    assert set(bands) == {"overview", "exact", "cpu", "wait", "blocked", "latency", "executions", "run_each", "wait_each"}
    assert "8\u202f113 records were lost" in browser.ask("document.querySelector('.notice').textContent")


def test_the_heat_map_holds_every_wait(browser, reports):
    data, sources = opened(browser, reports, "whole")
    waits = {one["domid"]: one["wait_ns"]["count"] for one in data["domains"]}
    assert sum(sources["heat"]["count"]) == sum(waits.values())
    for number, one in enumerate(data["series"]):
        browser.ask("(() => { const pick = document.getElementById('pick'); pick.value = '%d'; "
                    "pick.dispatchEvent(new Event('change')); })()" % number)
        sources = browser.ask(SOURCES)
        assert sum(sources["heat"]["count"]) == waits[data["domains"][one["life"]]["domid"]]
        wait = data["windows"]["series"][number]["wait"]["max"]
        assert alike(sources["latency-max"]["y"], wait)
    for number, values in enumerate(data["latency"]["series"]):
        largest = data["domains"][data["series"][number]["life"]]["wait_ns"]["max"]
        assert values[-1] == largest and values == sorted(values, key=lambda value: value or largest)


def test_keys_and_buttons_move_all_plots_over_time(browser, reports):
    data, _ = opened(browser, reports, "loss")
    span = data["bake"]["trace"]["span_ns"] / 1e9

    def window(figure):
        return browser.ask("(() => { const range = (%s).x_range; return [range.start, range.end]; })()" % FIGURE % figure)

    assert window("cpu") == pytest.approx([0, span])
    browser.ask("document.getElementById('wait').focus()")
    browser.key("+", 187)
    assert window("cpu") == pytest.approx([span / 4, 3 * span / 4]) == window("overview") == window("latency")
    browser.key("ArrowLeft", 37)
    assert window("cpu") == pytest.approx([span / 8, 5 * span / 8])
    before = window("exact")
    browser.ask("document.querySelector('[data-move=all]').click()")
    assert window("cpu") == pytest.approx([0, span]) and window("exact") == before
    browser.ask("document.getElementById('exact').focus()")
    browser.key("0", 48)
    assert window("exact") == pytest.approx([0, (data["exact"]["to_ns"] - data["exact"]["from_ns"]) / 1e6])


def test_a_domain_can_be_hidden_and_the_theme_changed(browser, reports):
    opened(browser, reports, "whole")
    drawn = ("Bokeh.documents[0].roots().flatMap((one) => one.renderers)"
             ".filter((one) => one.name === 'series-1' && %sone.visible).length")
    shown = browser.ask(drawn % "")
    assert shown > 10 and browser.ask(drawn % "!") == 0
    browser.ask("document.querySelector('input[data-series=\"1\"]').click()")
    assert browser.ask(drawn % "") == 0 and browser.ask(drawn % "!") == shown
    browser.ask("document.getElementById('theme').click()")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
    assert browser.ask(FIGURE % "cpu" + ".border_fill_color") == "#14181d"


def test_a_hostile_name_is_text_in_a_tooltip(browser, reports):
    data, _ = opened(browser, reports, "hostile", height=6000)
    seen = set()
    box = browser.ask("(() => { const box = document.querySelector('#overview .canvas').getBoundingClientRect(); "
                      "return [box.x, box.y, box.width, box.height]; })()")
    for step in range(40):
        browser.point(box[0] + 90 + (box[2] - 120) * step / 40, box[1] + 50 + 37 * (step % 2) + step % 9 * 3)
        seen.add(browser.ask("""new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
          const found = [];
          const walk = (node) => {
            if (node.shadowRoot) walk(node.shadowRoot);
            for (const one of node.children || []) {
              if (one.classList && one.classList.contains("bk-tooltip-row-value")) found.push(one.textContent);
              walk(one);
            }
          };
          walk(document.body);
          done(found.join("|"));
        })))"""))
    told = " ".join(seen)
    assert "<script>window.pwned=1</script>" in told and "onerror=window.pwned=2" in told, told
    assert browser.ask("typeof window.pwned") == "undefined" and browser.complaints == []


def test_it_prints(browser, reports):
    opened(browser, reports, "whole", dark=True)
    printed = browser.printed()
    assert printed.startswith(b"%PDF") and len(printed) > 50000
    assert browser.ask("document.documentElement.dataset.theme") == "dark"      # light on paper only
    assert browser.complaints == []
