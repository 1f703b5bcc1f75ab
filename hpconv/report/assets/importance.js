// Importance of hyperparameters for the validation error.

const N_BARS = 20;
let allBars = false;

function importance({ importance: found }, width) {
  if (!found) return "Too few trials have succeeded to estimate the importance of hyperparameters.";
  const rows = allBars ? found.rows : found.rows.slice(0, N_BARS);
  const more = found.rows.length - N_BARS;
  return [
    bars(rows, width),
    html("p", { class: "actions" },
      more > 0 && html("button", { "data-key": "all-bars", onclick: () => { allBars = !allBars; draw("importance"); } },
        allBars ? `only the first ${N_BARS}` : `all ${found.rows.length}`),
      html("a", { href: csv(found.rows), download: "importance.csv" }, "as CSV")),
    html("figcaption", {}, found.method, " Whiskers: ± one standard error."),
  ];
}

function bars(rows, width) {
  const left = Math.min(210, width * 0.48), step = 22, height = rows.length * step + 34, bottom = height - 26;
  const end = width - 52;
  const x = scale([0, Math.max(1e-6, ...rows.map((r) => r.importance + r.deviation))], [left, end]);
  const middle = (i) => i * step + step / 2;
  const drawing = figure(width, height, "Importance of hyperparameters",
    axisBottom(x, bottom, x.ticks(width / 130), shortPercent),
    rows.map(({ label, importance: share, deviation }, i) => svg("g", { class: "bar" },
      svg("text", { x: left - 8, y: middle(i) + 4, "text-anchor": "end", class: "code" },
        short(label, (left - 8) / 7.3)),
      svg("rect", { x: left, y: middle(i) - 7, width: Math.max(1, x(share) - left), height: 14, rx: 2 }),
      svg("path", { class: "whisker", d: `M${x(Math.max(0, share - deviation))} ${middle(i)}`
        + `H${x(share + deviation)}` }),
      svg("text", { x: x(share + deviation) + 6, y: middle(i) + 4 }, percent(share, 1)))));
  return withTips(drawing, rows.map((row, i) => ({
    x: 0, y: middle(i) - step / 2 + 2, w: width, h: step - 4,
    text: () => `${row.label}\n${percent(row.importance, 1)} ± ${percent(row.deviation, 1)}\n`
      + `active in ${plural(row.n, "trial")}`,
  })), 2);
}

function csv(rows) {
  const lines = rows.map((r) => `${r.label},${r.importance},${r.deviation},${r.n}`);
  return `data:text/csv;charset=utf-8,${encodeURIComponent(["label,importance,deviation,n", ...lines, ""].join("\n"))}`;
}
