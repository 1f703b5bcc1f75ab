// Validation error by trial, with the lowest so far, random search and raw pixels.

/** ok, stopped or failed; lost trials have failed. */
const outcomeOf = ({ error, kind }) => (error !== null ? "ok" : kind === "stopped" ? kind : "failed");
const failedText = (trial) => `trial ${trial.tid}: ${trial.kind}\n${trial.reason ?? ""}`;
const trialText = (trial) => (trial.error === null ? failedText(trial)
  : `trial ${trial.tid}: ${percent(trial.error)}\n${[shape(trial.features), duration(trial.seconds), trial.source && sourceName(trial.source)]
    .filter(Boolean).join(", ")}${trial.continues === null ? "" : `\ncontinues trial ${trial.continues}`}`);

/** Trials by the source of their hyperparameters. */
function bySource(trials) {
  const groups = new Map();
  for (const trial of trials) {
    const source = trial.source ?? "unknown";
    if (!groups.has(source)) groups.set(source, []);
    groups.get(source).push(trial);
  }
  return [...groups].sort(([a], [b]) => SOURCES.indexOf(a) - SOURCES.indexOf(b));
}
const SOURCES = ["start_from", "random", "tpe", "forest", "anneal", "unknown"];
const sourceName = (source) =>
  ({ start_from: "from an earlier search", random: "random", tpe: "TPE", forest: "forest", anneal: "annealing",
    unknown: "not recorded" })[source] ?? source;

function convergence({ trials, convergence: { tids, best, band, baseline } }, width) {
  const ok = trials.filter((trial) => trial.error !== null);
  if (!ok.length) return "No trial has succeeded yet.";
  const last = trials.at(-1).tid - trials[0].tid + 1, place = (tid) => tid - trials[0].tid + 1;
  const height = 340, left = 52, bottom = height - 44, end = width - 10;
  const shown = [...ok.map(({ error }) => error), ...(band ? [...band.low, ...band.high] : []), baseline];
  const [low, high] = extent(shown.filter((error) => error !== null), true);
  const x = scale([0, last + 1], [left, end]);
  const y = scale([low / 1.15, high * 1.15], [bottom, 26], true);
  const others = trials.filter((trial) => trial.error === null);
  const at = (trial) => [x(place(trial.tid)), y(trial.error)];
  const path = tids.map((tid, i) => [x(place(tid)), y(best[i])]);
  path.push([end, path.at(-1)[1]]);
  const drawing = figure(width, height, "Validation error of each trial and the best so far",
    axisLeft(y, left, end, y.ticks(7), shortPercent),
    axisBottom(x, bottom, x.ticks(width / 90).filter(Number.isInteger), grouped, { name: "trials" }),
    band && searchBand(band, x, y, last),
    baseline && svg("path", { class: "baseline", d: `M${left} ${y(baseline)}H${end}` }),
    baseline && svg("text", { class: "baseline", x: end, y: y(baseline) - 6, "text-anchor": "end" },
      `raw pixels ${percent(baseline)} (validation)`),
    others.map((trial) => svg("path", { class: outcomeOf(trial), d: `M${x(place(trial.tid))} 6v10` })),
    bySource(ok).map(([source, of]) => dots(of.map(at), { class: `dots ${source}` })),
    svg("path", { class: "best", d: steps(path) }));
  const marks = [
    ...ok.map((trial) => ({ x: at(trial)[0], y: at(trial)[1], text: () => trialText(trial) })),
    ...others.map((trial) => ({ x: x(place(trial.tid)), y: 11, text: () => failedText(trial) })),
  ].sort((a, b) => a.x - b.x);
  return [withTips(drawing, marks), legend(ok, others, band, baseline), caption(band, last)];
}

function searchBand({ n, low, median, high, drawn }, x, y, last) {
  const inside = n.map((_, i) => i).filter((i) => n[i] <= last);
  const piece = (from, to, name) => {
    const some = inside.filter((i) => n[i] >= from && n[i] <= to);
    if (some.length < 2) return null;
    const edge = (values) => some.map((i) => [x(n[i]), values[i] === null ? y.range[1] : y(values[i])]);
    const area = `${line([...edge(low), ...edge(high).reverse()])}Z`;
    return [svg("path", { class: `band ${name}`, d: area }),
      svg("path", { class: `median ${name}`, d: line(edge(median)) })];
  };
  const edge = inside.findLast((i) => n[i] <= drawn) ?? inside[0];
  return [piece(0, drawn, "seen"), piece(n[edge], Infinity, "guessed")];
}

function legend(ok, others, band, baseline) {
  const key = (name, text) => html("span", {}, html("i", { class: name }), text);
  return html("p", { class: "legend" },
    bySource(ok).map(([source, of]) => key(`dot ${source}`, `${sourceName(source)} (${grouped(of.length)})`)),
    [...Map.groupBy(others, outcomeOf)].map(([outcome, of]) =>
      key(`tick ${outcome}`, `${outcome} (${grouped(of.length)})`)),
    key("stroke best", "best so far"),
    band && key("area", "random search, with its median"),
    baseline && key("stroke baseline", "validation error of raw pixels"));
}

const DOTS = "Each dot is a trial. ";

function caption(band, n) {
  const few = "There are too few random trials to estimate the result of random search.";
  if (!band) return html("figcaption", {}, DOTS, few);
  const beyond = " Beyond this number (paler) it is an extrapolation, which cannot get below their lowest error.";
  return html("figcaption", {}, DOTS, "The band is the expected result of random search with the same number of trials: "
    + "8 of 10 random searches would have their lowest error inside the band. It is estimated from "
    + `${plural(band.drawn, "random trial")}.${band.drawn < n ? beyond : ""}`);
}
