"use strict";
// Draws the charts and keeps the page's selectors in step. All data is in the page; nothing is fetched.
const assay = (() => {
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const tables = {}, specs = {}, config = json("chart-config");

  // The large parts are gzip in base64: unpacked here, by the browser's own means.
  async function unpacked(id) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  }

  // Tables come by column (texts as places in a list); charts want rows.
  function rowsOf(columns) {
    const names = Object.keys(columns), values = names.map((n) => (columns[n].of ? columns[n].at.map((k) => columns[n].of[k]) : columns[n]));
    return (values[0] ?? []).map((_, i) => Object.fromEntries(names.map((n, k) => [n, values[k][i]])));
  }

  const views = [];           // every drawn Vega view, with its chart
  const signals = {};         // the selectors' values, by signal name
  const unseen = new Set();   // levels that a legend has put out

  function specFor(panel) {
    const chart = specs[panel.dataset.chart];
    const spec = structuredClone(chart.panels[Number(panel.dataset.panel)]);
    spec.width = "container";
    spec.config = config;
    spec.datasets = Object.fromEntries(chart.tables.map((name) => [name, seen(name)]));
    spec.params = chart.params.map((p) => (p.name in signals ? { ...p, value: signals[p.name] } : p)).concat(spec.params || []);
    return spec;
  }

  const seen = (name) => (unseen.size ? tables[name].filter((row) => !unseen.has(row.level)) : tables[name]);

  // A level's marks in every chart whose legend has it, on or off.
  async function toggle(level) {
    if (!unseen.delete(level)) unseen.add(level);
    for (const button of document.querySelectorAll("button[data-level]")) button.setAttribute("aria-pressed", String(!unseen.has(button.dataset.level)));
    for (const { view, chart } of views) {
      if (!document.getElementById(chart).querySelector("button[data-level]")) continue;
      for (const name of specs[chart].tables) {
        try { view.data(name, seen(name)); } catch { continue; } // a table of the chart's other panels
      }
      await view.runAsync();
    }
  }

  // Charts that have rows by evaluation set, and none for this one, say so.
  function sayWhereNothing(eval_set) {
    for (const [chart, { tables: names }] of Object.entries(specs)) {
      const rows = tables[names[0]], note = document.querySelector(`#${CSS.escape(chart)} .nothing`);
      if (note) note.hidden = !rows.length || !("eval_set" in rows[0]) || rows.some((row) => row.eval_set === eval_set);
    }
  }

  async function draw(panel) {
    const options = { renderer: "svg", actions: false, defaultStyle: false, tooltip: { disableDefaultStyle: true } };
    const { view } = await vegaEmbed(panel, specFor(panel), options);
    panel.querySelector("svg").setAttribute("aria-hidden", "true"); // the figure names itself and offers its numbers as a table
    views.push({ view, chart: panel.dataset.chart });
    panel.dataset.drawn = "yes";
    return view;
  }

  async function select(name, value) {
    signals[name] = value;
    for (const block of document.querySelectorAll(`[data-${name.replace("_", "-")}]`)) {
      block.hidden = block.getAttribute(`data-${name.replace("_", "-")}`) !== value;
    }
    if (name === "eval_set") sayWhereNothing(value);
    for (const { view } of views) {
      try { view.signal(name, value); } catch { continue; } // a chart without this selector
      await view.runAsync();
    }
    document.dispatchEvent(new CustomEvent("assay:select", { detail: { name, value } }));
  }

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const columnsOf = (rows) => [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const shown = (value) => (typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)).toString() : cell(value));

  function csv(rows) {
    const columns = columnsOf(rows);
    return [columns.join(","), ...rows.map((row) => columns.map((c) => quoted(cell(row[c]))).join(","))].join("\r\n") + "\r\n";
  }

  function numbers(details) {
    const rows = tables[details.dataset.table], columns = columnsOf(rows), limit = 400;
    const made = document.createElement("table");
    const row = (parent, kind, values) => {
      const tr = parent.insertRow();
      for (const value of values) { const td = document.createElement(kind); td.textContent = value; tr.append(td); }
    };
    row(made.createTHead(), "th", columns);
    const body = made.createTBody();
    for (const r of rows.slice(0, limit)) row(body, "td", columns.map((c) => shown(r[c])));
    const place = details.querySelector(".scroll");
    place.replaceChildren(made);
    if (rows.length > limit) place.append(`The first ${limit} of ${rows.length} rows; the download has all.`);
  }

  function resolvedSvg(panel) {
    const svg = panel.querySelector("svg").cloneNode(true), style = getComputedStyle(panel); // a chart's own colours
    svg.style.backgroundColor = style.getPropertyValue("--page");
    return svg.outerHTML.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  }

  // Twice the size on the screen, in the colours of the page as it stands.
  async function savePng(panel, name) {
    const svg = panel.querySelector("svg"), { width, height } = svg.getBoundingClientRect(), picture = new Image();
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(resolvedSvg(panel))}`;
    await picture.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(picture, 0, 0, 2 * width, 2 * height);
    canvas.toBlob((blob) => save(name, "image/png", blob));
  }

  function onClick(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const { csv: name, svg, png } = button.dataset, id = svg || png;
    if (name) save(`${name}.csv`, "text/csv", csv(tables[name]));
    if (id) {
      document.querySelectorAll(`[data-chart="${CSS.escape(id)}"]`).forEach((panel, i, all) => {
        const file = `${id}${all.length > 1 ? `-${i + 1}` : ""}`;
        if (png) savePng(panel, `${file}.png`);
        else save(`${file}.svg`, "image/svg+xml", resolvedSvg(panel));
      });
    }
    if (button.dataset.level) toggle(button.dataset.level);
    if (button.id === "theme") {
      const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = (root.dataset.theme || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
    }
  }

  async function start() {
    if (!("DecompressionStream" in window)) { document.getElementById("too-old").hidden = false; return; }
    for (const [name, columns] of Object.entries(await unpacked("tables"))) tables[name] = rowsOf(columns);
    Object.assign(specs, await unpacked("specs"));
    for (const control of document.querySelectorAll("select[data-signal]")) {
      control.addEventListener("change", () => select(control.dataset.signal, control.value));
      await select(control.dataset.signal, control.value);
    }
    document.addEventListener("click", onClick);
    for (const details of document.querySelectorAll("details[data-table]")) {
      details.addEventListener("toggle", () => numbers(details), { once: true });
    }
    const folded = (panel) => panel.closest("details.fold:not([open])");
    for (const fold of document.querySelectorAll("details.fold")) {
      fold.addEventListener("toggle", () => fold.querySelectorAll("[data-chart]:not([data-drawn])").forEach(draw));
    }
    for (const panel of document.querySelectorAll("[data-chart]")) if (!folded(panel)) await draw(panel); // no width while folded
    document.documentElement.dataset.ready = "yes";
    document.dispatchEvent(new Event("assay:ready"));
  }

  addEventListener("DOMContentLoaded", start);
  return { tables, json, views, draw, select, csv };
})();
