// Filters of trials: by brushes of axes, by source and by outcome.

const ERROR = "error";
const filter = { brushes: new Map(), hidden: new Set() };

/** The value of a trial on an axis; infinite if it has none. */
function valueOf(trial, label) {
  if (label === ERROR) return trial.error ?? Infinity;
  return trial.values ? trial.values[label] ?? -Infinity : NaN;
}

function passes(trial) {
  if (filter.hidden.has(trial.source ?? "unknown")) return false;
  if (filter.hidden.has(outcomeOf(trial))) return false;
  for (const [label, [low, high]] of filter.brushes) {
    const value = valueOf(trial, label);
    if (!(value >= low && value <= high)) return false;
  }
  return true;
}

function filterBar({ trials }) {
  const sources = [...new Set(trials.map(({ source }) => source ?? "unknown"))]
    .sort((a, b) => SOURCES.indexOf(a) - SOURCES.indexOf(b));
  const outcomes = new Set(trials.map(outcomeOf));
  return [
    html("output", { id: "count" }, counted(trials)),
    html("span", { class: "chips" },
      sources.length > 1 && sources.map((source) => chip(source, sourceName(source))),
      ["stopped", "failed"].filter((outcome) => outcomes.has(outcome)).map((outcome) => chip(outcome, outcome))),
    html("span", { class: "errors" }, "error ", bound(0), " to ", bound(1), " %"),
    html("button", { "data-key": "best tenth", onclick: () => bestTenth(trials) }, "best tenth"),
    html("button", { "data-key": "reset", onclick: reset }, "reset"),
  ];
}

const counted = (trials) => `${grouped(trials.filter(passes).length)} of ${plural(trials.length, "trial")}`;

function chip(name, text) {
  const box = html("input", { type: "checkbox", "data-key": name, onchange: () => {
    filter.hidden[box.checked ? "delete" : "add"](name);
    refilter();
  } });
  box.checked = !filter.hidden.has(name);
  return html("label", {}, box, html("i", { class: `dot ${name}` }), text);
}

/** Input for the lowest (0) or highest (1) error in percent, the same as the brush of the error axis. */
function bound(end) {
  const name = ["lowest", "highest"][end];
  const change = () => {
    const limits = [...(filter.brushes.get(ERROR) ?? [-Infinity, Infinity])];
    limits[end] = field.value === "" ? [-Infinity, Infinity][end] : Number(field.value) / 100;
    brush(ERROR, limits);
  };
  const says = { "data-key": name, "aria-label": `${name} error in percent` };
  const field = html("input", { type: "number", min: 0, max: 100, step: "any", ...says, onchange: change });
  const limit = filter.brushes.get(ERROR)?.[end];
  field.value = Number.isFinite(limit) ? Number((100 * limit).toPrecision(3)) : "";
  return field;
}

function brush(label, limits) {
  const open = !limits || (limits[0] === -Infinity && limits[1] === Infinity);
  if (open) filter.brushes.delete(label);
  else filter.brushes.set(label, limits);
  refilter();
}

function bestTenth(trials) {
  const errors = trials.filter((t) => t.error !== null).map((t) => t.error).sort((a, b) => a - b);
  brush(ERROR, [-Infinity, errors[Math.max(0, Math.ceil(errors.length / 10) - 1)]]);
}

function reset() {
  filter.brushes.clear();
  filter.hidden.clear();
  refilter();
}
