// Tables of failures by kind and of the best trials with their commands.

const table = (head, rows) => html("div", { class: "scroll" }, html("table", {},
  html("thead", {}, html("tr", {}, head.map((cell) => (typeof cell === "string" ? html("th", {}, cell) : cell)))),
  html("tbody", {}, rows)));
const row = (...cells) => html("tr", {}, cells.map((cell) => html("td", {}, cell)));

function failures({ failures: kinds, trials }) {
  if (!kinds.length) return trials.length ? "No trial has failed." : null;
  return [
    table(["kind", "trials", "time lost", "example"], kinds.map((f) =>
      row(html("code", {}, f.kind), grouped(f.count), duration(f.seconds), `trial ${f.tid}: ${f.example}`))),
    html("p", { class: "caption" },
      "Failed trials are part of a search: they show which hyperparameters to avoid."),
  ];
}

function best({ best: rows }) {
  if (!rows.length) return "No trial has succeeded yet.";
  const tested = rows.some((trial) => trial.test_error !== null);
  const test = tested ? ["test error", "95 % interval"] : [];
  const head = ["trial", "validation error", ...test, "features", "time", ""];
  const name = ({ tid, rank }) => {
    const text = rank === null ? String(tid) : `${tid}, winner ${rank}`;
    return document.getElementById(`winner-${rank}`) ? html("a", { href: `#winner-${rank}` }, text) : text;
  };
  return [
    table(head, rows.map((trial) => named(head, row(
      name(trial), percent(trial.validation_error),
      ...(tested ? [percent(trial.test_error), interval(trial)] : []),
      shape(trial.features), duration(trial.seconds), more(trial))))),
    html("p", { class: "caption" }, tested
      ? "Trials with a test error are winners: they were retrained on the training and validation examples of each "
        + "fold and tested once. Of trials that differ only in their classifier, the best is the winner."
      : "No trial has been tested yet."),
  ];
}

/** Name the cells of a row, for narrow screens on which they are stacked. */
function named(head, cells) {
  head.forEach((name, i) => { cells.children[i].dataset.name = name; });
  return cells;
}

const interval = ({ interval: bounds, seed_deviation: deviation }) => (bounds
  ? range(bounds) + (deviation === null ? "" : `, ± ${percent(deviation)} over seeds`) : "");

function more({ tid, hyperparameters, commands }) {
  return html("div", { class: "more" },
    html("details", { "data-key": `commands ${tid}` }, html("summary", {}, "commands"),
      Object.entries(commands).map(([what, command]) => command && copyable(what, command, tid))),
    html("details", { "data-key": `values ${tid}` }, html("summary", {}, "hyperparameters"),
      html("dl", {}, Object.entries(hyperparameters).sort().map(([label, value]) =>
        [html("dt", {}, html("code", {}, label)), html("dd", {}, number(value))]))));
}

function copyable(what, command, tid) {
  const code = html("code", {}, command.split(/(?= --)/).map((part) => html("span", {}, part)));
  const copy = async ({ target }) => {
    try {
      await navigator.clipboard.writeText(command);
      target.textContent = "copied";
    } catch { // not allowed for local files in some browsers
      getSelection().selectAllChildren(code);
      target.textContent = "selected";
    }
    setTimeout(() => { target.textContent = "copy"; }, 2000);
  };
  const says = { "data-key": `copy ${what} ${tid}`, "aria-label": `copy the command to ${what}` };
  return html("div", { class: "command" },
    html("b", {}, what), html("button", { ...says, onclick: copy }, "copy"), code);
}
