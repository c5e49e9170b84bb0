/* Fills the page's plots from its own data and lets people move in them. No network, no storage; guests' names are set
 * as text only. */
(function () {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const data = read("xenmeter-data");
  const plots = read("xenmeter-plots");
  const root = document.documentElement;
  const trace = data.kind === "trace";
  const windows = data.windows;
  const PALETTES = {
    light: ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8a2b", "#882255"],
    dark: ["#4aa3df", "#f0b429", "#2cc295", "#e39ac6", "#9ad7f7", "#ff8a50", "#c2c25c", "#c9608f"]
  };
  const STATES = {
    light: { running: "#009e73", waiting: "#d55e00", blocked: "#b9d3e6", offline: "#bbbbbb", unknown: "#888888" },
    dark: { running: "#2cc295", waiting: "#ff8a50", blocked: "#2f4d66", offline: "#555c66", unknown: "#999999" }
  };
  const OTHERS = { light: "#777777", dark: "#aaaaaa" };
  const WORDS = { running: "running", waiting: "waiting for a pCPU", blocked: "blocked", offline: "offline", unknown: "not known" };
  const figures = new Map();
  const sources = new Map();
  let chosen = null;    // of the series; null: all

  /* ---- words ---- */
  function duration(ns) {
    if (ns === null || ns === undefined) return "\u2013";
    const units = [[1e9, "s"], [1e6, "ms"], [1e3, "\u00b5s"], [1, "ns"]];
    for (const [size, unit] of units)
      if (ns >= size || unit === "ns") {
        const value = ns / size;
        return (unit === "ns" ? String(ns) : value.toFixed(value >= 100 ? 1 : value >= 10 ? 2 : 3)) + " " + unit;
      }
  }
  const moment = (ns) => (ns / 1e9).toFixed(6) + " s";
  const number = (value) => value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
  const percent = (value) => value.toFixed(value < 10 ? 2 : 1) + " %";

  /* ---- figures of a window ---- */
  const seen = (one, at) => one.observed ? one.observed[at] : windows.lengths_ns[at];
  const share = (name) => (one, at) => one[name][at] === null ? null : 100 * one[name][at] / seen(one, at);
  const rate = (name) => (one, at) => one[name][at] === null ? null : 1e9 * one[name][at] / seen(one, at);
  const each = (name) => (one, at) => one[name][at] && one.executions[at] ? one[name][at] / one.executions[at] : null;
  const LINES = {
    cpu: [share("running"), percent], wait: [share("waiting"), percent], blocked: [share("blocked"), percent],
    executions: [rate("executions"), (value) => number(value) + " per second"],
    run_each: [each("running"), (value) => duration(Math.round(value)) + " per execution"],
    wait_each: [each("waiting"), (value) => duration(Math.round(value)) + " per execution"],
    io: [rate("ios"), (value) => number(value) + " per second"],
    io_each: [(one, at) => one.executions[at] && one.ios[at] !== null ? one.ios[at] / one.executions[at] : null,
      (value) => number(value) + " per execution"]
  };
  const middles = windows.start_ns.map((start, at) => (start + windows.lengths_ns[at] / 2) / 1e9);
  const when = windows.start_ns.map((start, at) => moment(start) + ", for " + duration(windows.lengths_ns[at]));

  function set(name, columns) {
    if (sources.has(name)) sources.get(name).data = columns;
  }

  function fillLines() {
    for (const [key, [value, words]] of Object.entries(LINES))
      data.series.forEach((series, which) => {
        const ys = windows.start_ns.map((_, at) => value(windows.series[which], at));
        set(key + "-" + which, { x: middles, y: ys.map((y) => y === null ? NaN : y), name: ys.map(() => series.name), when: when,
          told: ys.map((y) => y === null ? "" : words(y)) });
      });
  }

  const empty = () => ({ left: [], right: [], bottom: [], top: [], name: [], pcpu: [], begin: [], told: [] });
  function quad(into, left, right, bottom, top, name, pcpu, begin, told) {
    into.left.push(left); into.right.push(right); into.bottom.push(bottom); into.top.push(top);
    into.name.push(name); into.pcpu.push(pcpu); into.begin.push(begin); into.told.push(told);
  }

  const LANE = 0.42;    // half of a lane's height
  function fillOverview() {
    const all = data.series.map(empty), lost = empty(), unknown = empty();
    const width = data.overview.width_ns, span = data.bake.trace.span_ns;
    data.overview.pcpus.forEach((one, lane) => {
      let column = -1, used = 0;
      for (let i = 0; i < one.cells.length; i += 3) {
        const [at, which, ns] = one.cells.slice(i, i + 3);
        if (at !== column) { column = at; used = 0; }
        const begin = at * width, end = Math.min(begin + width, span), part = ns / (end - begin);
        const into = which >= 0 ? all[which] : which === -3 ? lost : unknown;
        const name = which >= 0 ? data.series[which].name : which === -3 ? "records lost" : "not known";
        // stacked from the lane's bottom; the y axis points down
        const bottom = lane + LANE - 2 * LANE * used, top = lane + LANE - 2 * LANE * (used + part);
        quad(into, begin / 1e9, end / 1e9, bottom, top, name, String(one.pcpu), moment(begin),
          duration(ns) + " of " + duration(end - begin) + " (" + percent(100 * part) + ")");
        used += part;
      }
    });
    all.forEach((columns, which) => set("overview-" + which, columns));
    set("overview-lost", lost);
    set("overview-unknown", unknown);
    const { from_ns: from, to_ns: to } = data.exact;
    if (to > from && (from > 0 || to < span)) set("overview-mark", { left: [from / 1e9], right: [to / 1e9], text: [""] });
  }

  function fillExact() {
    const exact = data.exact;
    const all = data.series.map(empty), lost = empty(), unknown = empty();
    exact.pcpus.forEach((one, lane) => {
      let begin = exact.from_ns;
      one.lengths_ns.forEach((length, i) => {
        const [life, vcpu] = exact.who[one.who[i]];
        const end = begin + length;
        if (life >= 0 || life <= -3) {
          const domain = data.domains[life];
          const into = life >= 0 ? all[domain.series] : life === -3 ? lost : unknown;
          const name = life >= 0 ? domain.name + ", vCPU " + vcpu : life === -3 ? "records lost" : "not known";
          quad(into, (begin - exact.from_ns) / 1e6, (end - exact.from_ns) / 1e6, lane + LANE, lane - LANE, name, String(one.pcpu),
            (begin / 1e9).toFixed(9) + " s", "for " + duration(length));
        }
        begin = end;
      });
    });
    all.forEach((columns, which) => set("exact-" + which, columns));
    set("exact-lost", lost);
    set("exact-unknown", unknown);
    const wait = data.longest_wait;
    if (wait && wait.end_ns > exact.from_ns && wait.begin_ns < exact.to_ns) {
      const left = Math.max(0, (wait.begin_ns - exact.from_ns) / 1e6), right = (wait.end_ns - exact.from_ns) / 1e6;
      set("exact-mark", { left: [left], right: [right], text: [""] });
      const range = figures.get("exact").x_range, margin = Math.max(right - left, 0.01) * 0.4;
      range.setv({ start: Math.max(0, left - margin), end: Math.min(range.end, right + margin) });
    }
  }

  const heatColours = () => figures.get("latency").right.find((one) => one.type === "ColorBar").color_mapper;

  function fillStates() {
    const names = Object.keys(WORDS);
    const all = new Map(names.map((name) => [name, empty()]));
    windows.start_ns.forEach((start, at) => {
      const sums = names.map((name) => (chosen === null ? windows.series : [windows.series[chosen]])
        .reduce((sum, one) => sum + (one[name] && one[name][at] || 0), 0));
      const total = sums.reduce((a, b) => a + b, 0);
      let used = 0;
      names.forEach((name, i) => {
        if (!sums[i]) return;
        const part = 100 * sums[i] / total;
        quad(all.get(name), start / 1e9, (start + windows.lengths_ns[at]) / 1e9, used, used + part, WORDS[name], "", moment(start),
          duration(sums[i]) + " (" + percent(part) + " of its vCPUs' time)");
        used += part;
      });
    });
    for (const [name, columns] of all) set("states-" + name, columns);
  }

  function fillLatency() {
    const wait = chosen === null ? windows.all_wait : windows.series[chosen].wait;
    const title = { p50: "half of the waits were shorter than", p99: "99 % of the waits were shorter than", max: "the longest wait" };
    for (const name of ["p50", "p99", "max"]) {
      const ys = wait ? wait[name] : windows.start_ns.map(() => null);
      set("latency-" + name, { x: middles, y: ys.map((y) => y === null ? NaN : Math.max(1, y)), name: ys.map(() => title[name]),
        when: when, told: ys.map(duration) });
    }
    if (!trace) return;
    const cells = data.heat.series[chosen === null ? data.series.length : chosen], edges = data.heat.edges_ns;
    const columns = Object.assign(empty(), { count: [] });
    let most = 2;
    for (let i = 0; i < cells.length; i += 3) {
      const [at, row, count] = cells.slice(i, i + 3);
      const begin = windows.start_ns[at];
      quad(columns, begin / 1e9, (begin + windows.lengths_ns[at]) / 1e9, edges[row], edges[row + 1],
        count + (count === 1 ? " wait of " : " waits of ") + (row === 0 ? "up to " : duration(edges[row]) + " to ") + duration(edges[row + 1]),
        "", moment(begin), "for " + duration(windows.lengths_ns[at]));
      columns.count.push(count);
      most = Math.max(most, count);
    }
    heatColours().setv({ low: 1, high: most });
    set("heat", columns);
  }

  function fillPercentiles() {
    const ppm = data.latency.ppm;
    data.series.forEach((series, which) => {
      const ys = data.latency.series[which];
      set("percentiles-" + which, { x: ppm.map((_, i) => i), y: ys.map((y) => y === null ? NaN : Math.max(1, y)),
        name: ys.map(() => series.name), when: ppm.map((part) => part === 1000000 ? "the longest" : part / 1e4 + " % were no longer than"),
        told: ys.map(duration) });
    });
  }

  function fillLost() {
    const left = [], right = [], text = [];
    for (const [, begin, end] of data.lost) { left.push(begin / 1e9); right.push(end / 1e9); text.push(""); }
    if (data.lost_more)        // too many to list: the columns of the timeline know where
      for (const one of data.overview.pcpus)
        for (let i = 0; i < one.cells.length; i += 3)
          if (one.cells[i + 1] === -3) {
            left.push(one.cells[i] * data.overview.width_ns / 1e9);
            right.push((one.cells[i] + 1) * data.overview.width_ns / 1e9);
            text.push("");
          }
    for (const figure of figures.values())
      for (const renderer of figure.renderers)
        if (renderer.name === "lost" && !renderer.data_source.name.includes("-")) renderer.data_source.data = { left, right, text };
  }

  /* ---- how it looks ---- */
  const system = matchMedia("(prefers-color-scheme: dark)");
  let theme = null;     // null: the system's
  function paint(printing) {
    const name = printing ? "light" : theme || (system.matches ? "dark" : "light");
    root.dataset.theme = name;
    const style = getComputedStyle(root), colour = (one) => style.getPropertyValue("--" + one).trim();
    const ink = colour("ink"), soft = colour("soft"), line = colour("line"), paper = colour("paper");
    const palette = PALETTES[name];
    const ofSeries = (which) => data.series[which].life === null ? OTHERS[name] : palette[which % palette.length];
    document.querySelectorAll("[data-swatch]").forEach((one) => { one.style.background = ofSeries(+one.dataset.swatch); });
    document.querySelectorAll("[data-state]").forEach((one) => { one.style.background = STATES[name][one.dataset.state]; });
    for (const figure of figures.values()) {
      figure.setv({ background_fill_color: paper, border_fill_color: paper, outline_line_color: line });
      for (const panel of figure.left.concat(figure.below, figure.right)) {
        if (panel.type === "ColorBar")
          panel.setv({ background_fill_color: paper, title_text_color: soft, major_label_text_color: soft, major_tick_line_color: soft });
        else
          panel.setv({ axis_line_color: soft, major_tick_line_color: soft, minor_tick_line_color: line, major_label_text_color: ink,
            axis_label_text_color: ink });
      }
      for (const part of figure.center) if (part.type === "Grid") part.grid_line_color = line;
      for (const renderer of figure.renderers) {
        const glyph = renderer.glyph, role = renderer.name || "";
        if (role.startsWith("series-")) {
          const mine = ofSeries(+role.slice(7));
          if (glyph.type === "Line") glyph.line_color = { value: mine };
          else glyph.setv({ fill_color: { value: mine }, hatch_color: { value: paper } });
        } else if (role.startsWith("state-"))
          glyph.setv({ fill_color: { value: STATES[name][role.slice(6)] }, hatch_color: { value: ink } });
        else if (role.startsWith("percentile-")) glyph.line_color = { value: ink };
        else if (role === "halo") glyph.line_color = { value: paper };
        else if (role === "mark") glyph.line_color = { value: name === "dark" ? "#ff7ac6" : "#b3006b" };
      }
    }
    if (trace) {
      const mapper = heatColours();
      const ramp = mapper.palette.slice(), light = ramp[0] < ramp[ramp.length - 1];   // whether it begins with the darker end
      if (light === (name === "light")) mapper.palette = ramp.reverse();
    }
  }

  function show(which, visible) {
    for (const figure of figures.values())
      for (const renderer of figure.renderers) if (renderer.name === "series-" + which) renderer.visible = visible;
  }

  /* ---- moving about ---- */
  const whole = new Map();
  function move(range, step, factor) {
    if (!whole.has(range)) return;
    const [low, high] = whole.get(range);
    if (factor === 0) { range.setv({ start: low, end: high }); return; }
    const length = Math.min(high - low, Math.max((range.end - range.start) * factor, (high - low) / 1e5));
    let start = (range.start + range.end) / 2 - length / 2 + step * (range.end - range.start);
    start = Math.min(Math.max(start, low), high - length);
    range.setv({ start: start, end: start + length });
  }
  const MOVES = { back: [-0.25, 1], forth: [0.25, 1], closer: [0, 0.5], wider: [0, 2], all: [0, 0] };
  const KEYS = { ArrowLeft: "back", ArrowRight: "forth", "+": "closer", "=": "closer", "-": "wider", "0": "all", Home: "all" };

  function listen() {
    const span = figures.get("cpu").x_range, exact = figures.has("exact") ? figures.get("exact").x_range : null;
    whole.set(span, [0, span.end]);
    if (exact) whole.set(exact, [0, exact.end]);
    document.querySelectorAll("[data-move]").forEach((one) =>
      one.addEventListener("click", () => move(span, ...MOVES[one.dataset.move])));
    document.querySelectorAll(".plot").forEach((one) => one.addEventListener("keydown", (event) => {
      const what = KEYS[event.key];
      if (!what || event.ctrlKey || event.altKey || event.metaKey) return;
      move(one.dataset.plot === "exact" ? exact : span, ...MOVES[what]);
      event.preventDefault();
    }));
    document.querySelectorAll("input[data-series]").forEach((one) =>
      one.addEventListener("change", () => show(one.dataset.series, one.checked)));
    const pick = document.getElementById("pick");
    pick.addEventListener("change", () => {
      chosen = pick.value === "all" ? null : +pick.value;
      fillStates();
      fillLatency();
    });
    document.getElementById("theme").addEventListener("click", () => {
      theme = root.dataset.theme === "dark" ? "light" : "dark";
      paint();
    });
    system.addEventListener("change", () => paint());
    addEventListener("beforeprint", () => paint(true));
    addEventListener("afterprint", () => paint());
  }

  function start() {
    for (const figure of Bokeh.documents[0].roots()) {
      figures.set(figure.name, figure);
      for (const renderer of figure.renderers) sources.set(renderer.data_source.name, renderer.data_source);
    }
    const pick = document.getElementById("pick");
    chosen = pick.value === "all" ? null : +pick.value;
    listen();
    fillLines();
    fillStates();
    fillLatency();
    fillLost();
    if (trace) {
      fillOverview();
      if (figures.has("exact")) fillExact();
      fillPercentiles();
    }
    document.querySelectorAll("input[data-series]").forEach((one) => show(one.dataset.series, one.checked));
    paint();
    root.dataset.ready = "yes";
  }

  root.dataset.theme = system.matches ? "dark" : "light";
  Bokeh.embed.embed_items(plots.docs, plots.items).then(start).catch((error) => {
    root.dataset.ready = "failed";
    document.getElementById("failed").hidden = false;
    throw error;
  });
})();
