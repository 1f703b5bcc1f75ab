// Sortable table of the trials that pass the filters.

const ROWS_A_STEP = 15;
let nRows = ROWS_A_STEP, sortedBy = { column: "error", sign: 1 };

const COLUMNS = {
  tid: ["trial", (t) => t.tid],
  error: ["validation error", (t) => (t.error === null ? t.kind : percent(t.error))],
  features: ["features", (t) => shape(t.features)],
  seconds: ["time", (t) => duration(t.seconds)],
  source: ["source", (t) => sourceName(t.source ?? "unknown")],
  host: ["host", (t) => t.host],
  finished: ["finished", (t) => `${day(t.finished)}, ${clock(t.finished)}`],
};

function trials({ trials: all }) {
  const { column, sign } = sortedBy, rows = all.filter(passes);
  const key = (trial) => trial[column] ?? (sign > 0 ? Infinity : -Infinity);
  rows.sort((a, b) => (key(a) < key(b) ? -sign : key(a) > key(b) ? sign : a.tid - b.tid));
  const step = Math.min(rows.length - nRows, 5 * ROWS_A_STEP);
  const cells = (trial) => Object.values(COLUMNS).map(([, say]) => html("td", {}, say(trial) ?? "–"));
  const more = () => {
    nRows += 5 * ROWS_A_STEP;
    draw("trials");
  };
  return [
    table(Object.entries(COLUMNS).map(([name, [title]]) => sorter(name, title)),
      rows.slice(0, nRows).map((trial) => html("tr", { title: trial.reason }, cells(trial)))),
    step > 0 && html("p", { class: "actions" },
      html("button", { "data-key": "more rows", onclick: more }, `${grouped(step)} more`)),
  ];
}

function sorter(name, title) {
  const on = sortedBy.column === name, towards = { 1: "ascending", "-1": "descending" };
  const sort = () => {
    sortedBy = { column: name, sign: on ? -sortedBy.sign : 1 };
    draw("trials");
  };
  return html("th", { "aria-sort": on ? towards[sortedBy.sign] : null },
    html("button", { "data-key": `sort ${name}`, onclick: sort }, title));
}
