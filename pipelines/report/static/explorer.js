"use strict";
// The explorer: the fitted law in a few lines, sliders on a log scale, and one chart.
const explorer = (() => {
  const { sets, by_shape, shapes, levels, baseline, first, between, cost, unique, r_star, D: tested, C: most_C, reach, confidence, chart } = assay.json("explorer-data");
  const $ = (id) => document.getElementById(id);
  const price = (N) => Math.exp(cost.intercept) * N ** cost.slope; // FLOPs per token
  const N_range = by_shape ? [shapes[0].N, shapes.at(-1).N] : [shapes[0].N / 4, shapes.at(-1).N * 64];
  const D_range = [tested[0] / 2, tested[1] * reach];
  const C_range = [price(N_range[0]) * D_range[0], price(N_range[1]) * D_range[1]];
  const U_range = [tested[0], D_range[1]];
  let set = Object.keys(sets)[0], view = null;

  // Fresh tokens that D tokens from U unique ones are worth (Muennighoff et al. 2023, eq. 5).
  function worth(D, U) {
    const repeats = Math.max(D / U - 1, 0);
    return repeats > 0 ? U * (1 + r_star * (1 - Math.exp(-repeats / r_star))) : D;
  }

  // L = E + A N^-alpha + B N^kappa D'^-beta; with a floor per shape, E[shape] stands for the first two terms.
  function predict(name, level, shape, N, D, U = Infinity) {
    const p = sets[name].parameters[level], fresh = worth(D, U);
    const rest = by_shape ? p[`E[${shape}]`] : p.E + p.A * N ** -p.alpha;
    return rest + p.B * N ** (p.kappa ?? 0) * fresh ** -p.beta;
  }

  // scaling_fit's forecasts at a tested shape over the law there, as [ln D, low, high, loss]; null where it gives no interval.
  const bands = new Map();
  function bandsOf(name, level, shape) {
    const key = `${name}\0${level}\0${shape}`;
    if (!bands.has(key)) {
      bands.set(key, assay.tables.curves.filter((r) => r.eval_set === name && r.level === level && r.shape === shape)
        .map((r) => [r, predict(name, level, shape, shapes.find((s) => s.name === shape).N, r.D)])
        .map(([r, law]) => [Math.log(r.D), ...[r.low, r.high, r.loss].map((end) => end === null ? null : end / law)]));
    }
    return bands.get(key);
  }
  function ratios(rows, D) {
    const x = Math.log(D);
    if (!rows.length || x > rows.at(-1)[0] + 1e-5 || x < rows[0][0] - 1e-5) return null;
    const k = Math.max(1, rows.findIndex((r) => r[0] >= x - 1e-5)), [a, b] = [rows[k - 1], rows[k]];
    if (!b || a[1] === null || b[1] === null) return null;
    const t = Math.min(Math.max((x - a[0]) / (b[0] - a[0]), 0), 1);
    return [1, 2, 3].map((i) => a[i] + t * (b[i] - a[i]));
  }
  // [low, high, expected] of a run's loss.
  function interval(name, level, shape, N, D, U) {
    const fresh = worth(D, U), law = predict(name, level, shape, N, D, U);
    let found;
    if (by_shape) found = ratios(bandsOf(name, level, shape), fresh);
    else {
      const above = shapes.findIndex((s) => s.N >= N * 0.999);
      if (above < 0 || (above === 0 && N < shapes[0].N * 0.999)) return null; // a size outside the tested ones: no ground for an interval
      const hi = shapes[above], lo = shapes[Math.max(above - 1, 0)];
      const [a, b] = [lo, hi].map((s) => ratios(bandsOf(name, level, s.name), fresh));
      const t = hi === lo ? 1 : Math.log(N / lo.N) / Math.log(hi.N / lo.N);
      found = a && b ? a.map((v, i) => v + t * (b[i] - v)) : null;
    }
    return found && found.map((ratio) => ratio * law);
  }

  // The forecast where there is one, else the law.
  function expected(...run) {
    return interval(...run)?.[2] ?? predict(...run);
  }

  // The best size for C FLOPs: among the tested shapes, or over a grid from 4x below to 64x above them.
  function optimum(name, level, C, U) {
    const grid = by_shape ? shapes : Array.from({ length: 161 }, (_, i) => ({ name: "", N: N_range[0] * (N_range[1] / N_range[0]) ** (i / 160) }));
    return grid.map((s) => ({ ...s, D: C / price(s.N), loss: predict(name, level, s.name, s.N, C / price(s.N), U) }))
      .reduce((a, b) => (b.loss < a.loss ? b : a));
  }

  // Tokens with which a level reaches a loss at this size, drawn from U unique ones; Infinity where its floor is above it, or
  // where repeating its text as often as one likes is not worth enough.
  function tokensFor(name, level, shape, N, loss, U = Infinity) {
    const p = sets[name].parameters[level], rest = by_shape ? p[`E[${shape}]`] : p.E + p.A * N ** -p.alpha;
    const fresh = loss > rest ? ((loss - rest) / (p.B * N ** (p.kappa ?? 0))) ** (-1 / p.beta) : Infinity;
    if (fresh <= U || !isFinite(fresh)) return fresh;
    const left = 1 - (fresh / U - 1) / r_star;
    return left > 0 ? U * (1 - r_star * Math.log(left)) : Infinity;
  }

  const at = (range, step) => range[0] * (range[1] / range[0]) ** (step / 1000);
  const step = (range, value) => Math.round(1000 * Math.log(value / range[0]) / Math.log(range[1] / range[0]));
  const short = (value) => {
    if (!isFinite(value)) return "endless";
    for (const [limit, unit] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]]) if (value >= limit * 0.9995) return `${+(value / limit).toPrecision(3)}${unit}`;
    return `${+value.toPrecision(3)}`;
  };
  // What is typed: 1.5M, 3,5M, 2e9, 300 000, endless. Not a number where it is none.
  function number(text) {
    if (/^\s*endless\s*$/i.test(text)) return Infinity;
    const found = /^\s*([\d.,\s_]*\d[.]?(?:e[+-]?\d+)?)\s*([kmbgt]?)\s*$/i.exec(text);
    if (!found) return NaN;
    const plain = found[1].replace(/^(\d+),(?!\d{3}$)(\d+)$/, "$1.$2"); // one comma that parts no thousands: 3,5
    return Number(plain.replace(/[,\s_]/g, "")) * { "": 1, k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12 }[found[2].toLowerCase()];
  }
  const signed = (percent) => `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(2)}%`;
  const power = (value) => { const e = Math.floor(Math.log10(value)); return `${(value / 10 ** e).toFixed(1)}e${e}`; };

  const state = { level: first, other: baseline, shape: shapes.at(-1).name, N: shapes.at(-1).N, D: tested[1], U: Infinity };

  // 1 inside the tested D, fading to 0.15 at the far end: the further out, the paler.
  function solid(D) {
    const out = Math.max(Math.log(D / tested[1]), Math.log(tested[0] / D), 0);
    return Math.max(0.15, 0.95 - 0.8 * out / Math.log(reach));
  }

  function rows() {
    const lines = [], band = [], steps = 72;
    for (const level of levels) {
      const chosen = level === state.level, other = level === state.other, U = chosen ? state.U : (unique[level] ?? Infinity);
      for (let i = 0; i < steps; i++) {
        const [D, D2] = [i, i + 1].map((k) => D_range[0] * (D_range[1] / D_range[0]) ** (k / steps));
        const [loss, loss2] = [D, D2].map((d) => predict(set, level, state.shape, state.N, d, U));
        lines.push({ level, D, D2, loss, loss2, opacity: solid(Math.sqrt(D * D2)) * (chosen || other ? 1 : 0.35), width: chosen ? 2.6 : other ? 1.8 : 1 });
        const ends = chosen && interval(set, level, state.shape, state.N, D, U);
        if (ends) band.push({ level, D, low: ends[0], high: ends[1] });
      }
    }
    if (!band.length) band.push({ level: state.level, D: tested[1], low: lines[0].loss, high: lines[0].loss }); // nothing to see, but a scale wants a value
    return { lines, band };
  }

  function say() {
    const { level, shape, N, D, U } = state, C = price(N) * D;
    const ends = interval(set, level, shape, N, D, U), loss = expected(set, level, shape, N, D, U);
    const other = state.other, own = unique[other] ?? Infinity, beside = expected(set, other, shape, N, D, own);
    // the other's law where its forecast stands, so that the tokens say what the losses say
    const goal = loss * predict(set, other, shape, N, D, own) / beside;
    const needed = tokensFor(set, other, shape, N, goal, own), best = optimum(set, level, C, U);
    $("say-loss").textContent = loss.toFixed(4);
    $("say-interval").textContent = ends ? `[${ends[0].toFixed(3)}, ${ends[1].toFixed(3)}] with ${Math.round(100 * confidence)}% confidence` : "too far from what was tested for an interval";
    for (const name of document.querySelectorAll(".say-other")) name.textContent = other;
    $("say-against").textContent = level === other ? "the same" : signed(100 * Math.log(loss / beside));
    $("say-standing").textContent = level === other ? "choose another level beside it" : `over the tested range: ${standing(level, other)}`;
    $("say-tokens").textContent = isFinite(needed) ? short(needed) : "never";
    const repeats = needed > own ? `, ${(needed / own).toFixed(1)} times its ${short(own)} unique ones` : "";
    $("say-times").textContent = isFinite(needed) ? `tokens: ${(needed / D).toFixed(2)} times as many${repeats}` : isFinite(tokensFor(set, other, shape, N, goal)) ? `its ${short(own)} unique tokens are too few` : "its floor lies above this loss";
    $("say-best").textContent = by_shape ? best.name : short(best.N);
    $("say-best-loss").textContent = `${best.loss.toFixed(3)} at ${short(best.D)} tokens${by_shape ? ", of the tested sizes" : ""}`;
    $("say-ratio").textContent = short(D / N);
    const sizes = [shapes[0].N, shapes.at(-1).N];
    const past = [["compute", C / most_C], ["N", Math.max(N / sizes[1], sizes[0] / N)], ["D", Math.max(D / tested[1], tested[0] / D)]]
      .filter(([, factor]) => factor > 1.001).map(([axis, factor]) => `${short(factor)}× ${axis}`);
    $("say-range").textContent = past.length ? `beyond the data by ${past.join(", ")}` : "inside the tested range";
    return { run: [{ level, D, loss }], best: [{ D: best.D, loss: best.loss }].filter((b) => !(by_shape && shapes.length === 1) && b.D >= D_range[0] && b.D <= D_range[1]) };
  }

  // By the rule of the headline (scaling_fit.levels.decision), worded as there.
  function standing(level, other) {
    const found = between[set]?.[level]?.[other];
    return { better: "lower loss", worse: "higher loss", unclear: "a tie" }[found] ?? "not compared";
  }

  // Where 20 tokens per parameter lies, unseen when that is off the chart; its label stands where there is room.
  function twentyAt(D) {
    const seen = D >= D_range[0] && D <= D_range[1] ? 1 : 0, late = step(D_range, D) > 650 ? 1 : 0;
    return { D: seen ? D : tested[1], seen, left: seen * late, right: seen * (1 - late) };
  }

  async function update() {
    const typed = { d: short(state.D), n: short(state.N), c: `${power(price(state.N) * state.D)}`, u: short(state.U) };
    for (const [id, text] of Object.entries(typed)) if (document.activeElement !== $(`type-${id}`)) $(`type-${id}`).value = text;
    $("dial-level").value = state.level; $("dial-with").value = state.other; $("dial-shape").value = state.shape;
    $("dial-d").value = step(D_range, state.D); $("dial-n").value = step(N_range, state.N);
    $("dial-c").value = step(C_range, price(state.N) * state.D); $("dial-u").value = isFinite(state.U) ? step(U_range, state.U) : 1000;
    const frame = [{ low: tested[0], high: tested[1] }], twenty = [twentyAt(20 * state.N)];
    const all = { ...rows(), ...say(), frame, twenty };
    for (const id of ["d", "n", "c", "u"]) $(`dial-${id}`).setAttribute("aria-valuetext", typed[id]);
    if (!view) return all;
    for (const [name, values] of Object.entries(all)) view.data(name, values);
    await view.runAsync();
    return all;
  }

  // The view in the address, so that it can be shared: #explorer:set=heldout&level=top&...
  const numeric = { n: "N", d: "D", u: "U" }, mark = "#explorer:";
  function address() {
    const told = { set, level: state.level, with: state.other, ...(by_shape ? { shape: state.shape } : {}) };
    for (const [id, key] of Object.entries(numeric)) if (!(by_shape && id === "n")) told[id] = isFinite(state[key]) ? +state[key].toPrecision(4) : "endless";
    return mark + new URLSearchParams(told);
  }
  function restore() {
    if (!location.hash.startsWith(mark)) return;
    const told = new URLSearchParams(location.hash.slice(mark.length));
    if (levels.includes(told.get("level"))) choose(told.get("level"));
    if (levels.includes(told.get("with"))) state.other = told.get("with");
    const shape = by_shape && shapes.find((s) => s.name === told.get("shape"));
    if (shape) Object.assign(state, { shape: shape.name, N: shape.N });
    for (const [id, key] of Object.entries(numeric)) if (told.has(id) && !(by_shape && id === "n")) put(id, number(told.get(id)));
    const wanted = told.get("set"), select = $("eval-set");
    if (sets[wanted]) set = wanted;
    if (select && sets[wanted] && select.value !== wanted) { select.value = wanted; select.dispatchEvent(new Event("change")); }
    $("explorer").scrollIntoView();
  }

  const clamp = (value, [low, high]) => Math.min(Math.max(value, low), high);
  // What was made of a typed number, under its field: nothing where it was taken as it is.
  function hint(id, text, [low, high]) {
    const value = number(text), kept = `kept between ${short(low)} and ${short(high)}`;
    if (!(value > 0)) return `“${text.trim()}” is no number: write 1.5M, 2e9 or 300 000`;
    if (value === Infinity && id !== "u") return "endless holds for unique tokens alone";
    return value < low || (value > high && id !== "u") ? kept : "";
  }
  function choose(level) { state.level = level; state.U = unique[level] ?? Infinity; }
  // A number for one of the dials, kept to what its slider spans; text that is no number changes nothing.
  function put(id, value) {
    if (!(value > 0)) return;
    if (id === "u") state.U = value >= U_range[1] ? Infinity : Math.max(value, U_range[0]);
    else if (id === "n") state.N = clamp(value, N_range);
    else state.D = clamp(id === "c" ? value / price(state.N) : value, D_range);
  }

  async function start() {
    $("best-box").hidden = by_shape && shapes.length === 1;
    $("dial-n-box").hidden = by_shape; $("dial-shape-box").hidden = !by_shape;
    state.U = unique[state.level] ?? Infinity;
    restore();
    const first = await update();
    const spec = { ...structuredClone(chart), width: "container", config: assay.json("chart-config"), datasets: first };
    const made = await vegaEmbed($("explorer-chart"), spec, { renderer: "svg", actions: false, defaultStyle: false, tooltip: false });
    view = made.view;
    $("explorer-chart").querySelector("svg").setAttribute("aria-hidden", "true");
    const moved = () => { history.replaceState(null, "", address()); return update(); };
    const on = (id, change) => $(id).addEventListener("input", (event) => { change(event.target.value); moved(); });
    on("dial-level", choose);
    on("dial-with", (value) => { state.other = value; });
    on("dial-shape", (value) => { state.shape = value; state.N = shapes.find((s) => s.name === value).N; });
    const ranges = { n: N_range, d: D_range, c: C_range, u: U_range };
    for (const [id, range] of Object.entries(ranges)) {
      on(`dial-${id}`, (value) => { $(`hint-${id}`).textContent = ""; put(id, id === "u" && Number(value) >= 1000 ? Infinity : at(range, value)); });
      $(`type-${id}`).addEventListener("change", (event) => {
        $(`hint-${id}`).textContent = hint(id, event.target.value, range);
        put(id, number(event.target.value)); event.target.blur(); moved();
      });
    }
    $("dials").addEventListener("submit", (event) => { event.preventDefault(); document.activeElement.blur(); });
    addEventListener("hashchange", () => { restore(); update(); });
    document.documentElement.dataset.explorer = "ready";
  }

  document.addEventListener("assay:select", (event) => {
    if (event.detail.name !== "eval_set" || !sets[event.detail.value]) return;
    set = event.detail.value;
    if (view && location.hash.startsWith(mark)) history.replaceState(null, "", address());
    update();
  });
  document.addEventListener("assay:ready", start);
  return { predict, worth, interval, optimum, tokensFor, number, hint, twentyAt, state, update };
})();
