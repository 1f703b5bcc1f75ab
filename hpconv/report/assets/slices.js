// Validation error against each hyperparameter, the most important first.

const SLICES_A_STEP = 12;
let nSlices = SLICES_A_STEP;

function slices({ hyperparameters, trials }, width) {
  const ok = trials.filter((trial) => trial.error !== null && trial.values);
  const rows = hyperparameters.filter(({ label }) => ok.filter(({ values }) => label in values).length > 1);
  if (ok.length < 2) return "Too few trials have succeeded.";
  const limits = extent(ok.map((trial) => trial.error), true);
  const columns = Math.max(1, Math.floor((width + 16) / 246)), each = (width - 16 * (columns - 1)) / columns;
  const more = rows.length - nSlices;
  return [
    html("div", { class: "slices" }, rows.slice(0, nSlices).map((row) => slice(row, ok, limits, each))),
    more > 0 && html("p", { class: "actions" }, html("button", { "data-key": "more slices",
      onclick: () => { nSlices += SLICES_A_STEP; draw("slices"); } }, `${Math.min(more, SLICES_A_STEP)} more`)),
    html("figcaption", {}, "Each dot is a trial in which the hyperparameter is active; pale dots are filtered out."),
  ];
}

function slice({ label, log, choice, options }, ok, limits, width) {
  const active = ok.filter((trial) => label in trial.values), left = 40, bottom = 138;
  const names = choice && options ? options.map((name) => short(String(name), 20)) : null;
  const flat = names && names.join("").length * 7 < width - left - names.length * 10;
  const tilted = names && !flat, height = 160 + (tilted ? 5 * Math.max(...names.map((name) => name.length)) : 0);
  const values = active.map((trial) => trial.values[label]), whole = values.every(Number.isInteger);
  const [low, high] = extent(values, log);
  const domain = choice ? [-0.5, Math.max(high, (options?.length ?? 1) - 1) + 0.5] : [low, high];
  const x = scale(domain, [left + 6, width - 8], log), y = scale(limits, [bottom - 6, 34], true);
  const at = (trial) => [x(trial.values[label]), y(trial.error)];
  const ticks = names ? names.map((_, i) => i) : x.ticks(choice ? 8 : width / 62).filter((v) => !whole || (Number.isInteger(v) && v > low - 1));
  const inside = active.filter(passes), idle = ok.length - active.length;
  const drawing = figure(width, height, `Validation error against ${label}`,
    svg("text", { x: left, y: 13, class: "name code" }, short(label, (width - left) / 7.3), svg("title", {}, label)),
    svg("text", { x: left, y: 27, class: "lane" }, idle ? `inactive in ${grouped(idle)}` : "always active"),
    axisLeft(y, left, width - 2, y.ticks(3), shortPercent),
    axisBottom(x, bottom, ticks, (v) => (names ? names[v] : number(v)), { tilted }),
    dots(active.filter((trial) => !passes(trial)).map(at), { class: "dots faded" }),
    bySource(inside).map(([source, of]) => dots(of.map(at), { class: `dots ${source}` })));
  const say = (value) => (choice && options ? options[value] : number(value));
  const marks = inside.map((trial) => {
    const [left, top] = at(trial);
    return { x: left, y: top, text: () => `${label} = ${say(trial.values[label])}\n${trialText(trial)}` };
  });
  return withTips(drawing, marks.sort((a, b) => a.x - b.x), 14);
}
