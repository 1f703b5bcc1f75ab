// Parallel coordinates: each line is a trial, each axis a hyperparameter or the error.

const N_SHADES = 7, TOP = 62, BOTTOM = 310, LANE = 22;
const AXIS = 132; // width with the texts at an axis
let axesChosen = null, redrawLines = () => {};

function parallel(data, width) {
  const trials = data.trials.filter((trial) => trial.values);
  if (trials.length < 2) return "Too few trials.";
  const labels = axesChosen ?? data.hyperparameters.slice(0, Math.max(4, Math.floor(width / AXIS) - 1)).map(({ label }) => label);
  const rows = data.hyperparameters.filter(({ label }) => labels.includes(label));
  const whole = Math.max(width, (rows.length + 1) * AXIS); // it scrolls if that is wider than the page
  const margin = Math.min(80, whole / (rows.length + 1) / 2);
  const gap = rows.length ? (whole - 2 * margin) / rows.length : 0;
  const axes = [...rows, { label: ERROR }].map((row, i) => axisOf(row, trials, margin + i * gap));
  const drawing = figure(whole, BOTTOM + LANE + 20, "Hyperparameters and error of each trial",
    lines(trials, axes), axes.map((axis, i) => drawAxis(axis, gap, i)));
  drawing.setAttribute("role", "group"); // its axes can have the focus
  return [
    html("div", { class: "scroll", "data-key": "parallel" }, drawing),
    html("p", { class: "legend" },
      html("span", {}, "best", count(N_SHADES).map((i) => html("i", { class: `shade${i}` })), "worst"),
      ["stopped", "failed"].filter((outcome) => trials.some((trial) => outcomeOf(trial) === outcome)).map((outcome) =>
        html("span", {}, html("i", { class: `stroke shade-${outcome}` }), outcome))),
    axesPicker(data.hyperparameters, labels),
    html("figcaption", {}, "Each line is a trial, coloured by rank. Drag along an axis to filter by its values, click it "
      + "to remove the filter. On the keyboard: arrow up excludes low values, arrow down high values, Escape "
      + "removes the filter. Lines pass below an axis if the hyperparameter is inactive.",
    data.thinned ? ` To keep the page small, ${plural(data.thinned, "trial")} are not shown here.` : null),
  ];
}

const count = (n) => Array.from({ length: n }, (_, i) => i);

function axisOf(row, trials, x) {
  const isError = row.label === ERROR, log = isError || row.log;
  const values = trials.map((trial) => valueOf(trial, row.label));
  const finite = values.filter(Number.isFinite);
  const [low, high] = extent(finite, log);
  const domain = row.choice ? [0, Math.max(high, (row.options?.length ?? 1) - 1)] : [low, high];
  const at = scale(domain, [BOTTOM, TOP], log);
  const lane = finite.length < values.length ? (isError ? TOP - LANE : BOTTOM + LANE) : null;
  const none = isError ? Infinity : -Infinity;
  const y = (value) => (lane && value === none ? lane : Math.max(TOP, Math.min(BOTTOM, at(value))));
  return { ...row, log, whole: finite.every(Number.isInteger), x, y, at, lane, none, isError };
}

function lines(trials, axes) {
  const order = trials.filter((t) => t.error !== null).sort((a, b) => a.error - b.error);
  const shade = new Map(order.map((trial, i) => [trial, Math.floor(N_SHADES * Math.sqrt(i / order.length))]));
  const points = trials.map((trial) => axes.map((axis) => [axis.x, axis.y(valueOf(trial, axis.label))]));
  const paths = points.map(line);
  const layers = ["faded", "shade-failed", "shade-stopped", ...count(N_SHADES).map((i) => `shade${i}`).reverse()]
    .map((name) => svg("path", { class: `line ${name}` }));
  const chosen = svg("path", { class: "line chosen" });
  redrawLines = () => {
    const drawn = Object.fromEntries(layers.map((layer) => [layer.classList[1], []]));
    trials.forEach((trial, i) => {
      const name = !passes(trial) ? "faded" : trial.error === null ? `shade-${outcomeOf(trial)}` : `shade${shade.get(trial)}`;
      drawn[name].push(paths[i]);
    });
    for (const layer of layers) layer.setAttribute("d", drawn[layer.classList[1]].join(""));
    chosen.setAttribute("d", "");
  };
  redrawLines();
  const point = (event) => {
    if (dragging) return;
    const box = chosen.ownerSVGElement.getBoundingClientRect();
    const index = nearestLine(points, event.clientX - box.left, event.clientY - box.top, (i) => passes(trials[i]));
    chosen.setAttribute("d", index < 0 ? "" : paths[index]);
    if (index < 0) tip.hidden = true;
    else showTip(trialText(trials[index]), event.clientX, event.clientY);
  };
  const leave = () => { chosen.setAttribute("d", ""); tip.hidden = true; };
  const whole = svg("rect", { class: "catch", width: "100%", height: "100%" });
  return svg("g", { onpointermove: point, onpointerdown: point, onpointerleave: leave }, whole, layers, chosen);
}

function nearestLine(points, x, y, counts) {
  let found = -1, nearest = 10;
  points.forEach((corners, i) => {
    const right = corners.findIndex((corner) => corner[0] >= x);
    if (right < 1) return;
    const [[x0, y0], [x1, y1]] = [corners[right - 1], corners[right]];
    const away = Math.abs(y0 + ((x - x0) / (x1 - x0)) * (y1 - y0) - y);
    if (away < nearest && counts(i)) [found, nearest] = [i, away];
  });
  return found;
}

function drawAxis(axis, gap, i) {
  const { x, label, choice, options, at, isError } = axis;
  const values = choice ? count(Math.round(at.from(TOP)) + 1)
    : at.ticks(6).filter((v) => !axis.whole || Number.isInteger(v));
  const option = (v) => short(String(options[v]), (gap - 10) / 6);
  const say = (v) => (isError ? shortPercent(v) : choice && options ? option(v) : number(v));
  const wide = gap < 150;
  const name = isError ? "validation error" : short(label, Math.max(10, (wide ? 1.85 : 0.95) * gap / 7.3));
  const limits = svg("rect", { class: "limits", x: x - 7, width: 14 });
  const show = () => {
    const [low, high] = filter.brushes.get(label) ?? [0, 0];
    const on = filter.brushes.has(label), pad = choice || axis.lane ? 6 : 2;
    const start = axis.y(high) - pad, end = axis.y(low) + pad;
    fill(limits, { y: start, height: end - start, visibility: on ? "visible" : "hidden" }, []);
  };
  show();
  const middle = { "text-anchor": "middle" };
  const lane = isError ? svg("text", { x: x + 7, y: axis.lane + 4, class: "lane" }, "none")
    : svg("text", { x, y: axis.lane + 15, class: "lane", ...middle }, "inactive");
  const help = `${label}: arrow up excludes low values, arrow down high values, Escape removes the filter`;
  const says = { role: "group", "data-key": `axis ${label}`, "aria-label": help };
  const room = { y: TOP - LANE - 8, height: BOTTOM - TOP + 2 * LANE + 16 };
  const group = svg("g", { class: "axis", tabindex: 0, ...says },
    svg("path", { d: `M${x} ${TOP}V${BOTTOM}` }),
    svg("text", { x, y: wide && i % 2 ? 12 : 28, class: "name", ...middle }, name, svg("title", {}, label)),
    axis.lane && lane,
    values.map((v) => svg("path", { d: `M${x - 3} ${at(v)}h6` })),
    values.map((v) => svg("text", { x: x + 7, y: at(v) + 4, class: "over" }, say(v))),
    limits,
    svg("rect", { class: "catch brush", x: x - 16, width: 32, ...room }));
  brushable(group, axis, show);
  return group;
}

function axesPicker(hyperparameters, labels) {
  const pick = (label, on) => {
    axesChosen = on ? [...labels, label] : labels.filter((other) => other !== label);
    if (!on) filter.brushes.delete(label);
    draw("parallel");
    refilter();
  };
  return html("details", { "data-key": "axes" },
    html("summary", {}, `axes (${labels.length} of ${hyperparameters.length}, the most important first)`),
    html("div", { class: "scroll list", "data-key": "axes list" }, hyperparameters.map(({ label, n }) => {
      const change = () => pick(label, box.checked);
      const box = html("input", { type: "checkbox", "data-key": `pick ${label}`, onchange: change });
      box.checked = labels.includes(label);
      return html("label", {}, box, html("code", {}, label), html("small", {}, ` ${grouped(n)}`));
    })));
}
