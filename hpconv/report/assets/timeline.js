// Timeline: a lane for each worker, by host.

function timeline({ trials, status }, width) {
  const busy = status?.state === "searching" ? status.workers.filter(({ tid }) => tid !== null) : [];
  const jobs = [...trials.map(finishedJob), ...busy.map((worker) => runningJob(worker, status.written))]
    .filter(({ worker, start }) => worker && Number.isFinite(start)).sort((a, b) => a.start - b.start);
  if (!jobs.length) return "No trial has ended yet.";
  const hosts = [...Map.groupBy(jobs, ({ host }) => host)]
    .sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
    .map(([host, of]) => [host, [...new Set(of.map(({ worker }) => worker))]]);
  const n = hosts.reduce((sum, [, workers]) => sum + workers.length, 0);
  const lane = n > 40 ? 8 : n > 12 ? 13 : 20, room = 22;
  const x = scale(extent(jobs.flatMap((job) => [job.start, job.end])), [2, width - 8]);
  const y = new Map();
  let bottom = 0;
  const titles = hosts.map(([host, workers]) => {
    const top = bottom;
    workers.forEach((worker, i) => y.set(worker, top + room + i * lane));
    bottom += room + workers.length * lane;
    return svg("text", { x: 2, y: top + 16, class: "name" }, `${host} (${plural(workers.length, "worker")})`);
  });
  const boxes = jobs.map((job) => {
    const left = x(job.start), wide = Math.max(1.2, x(job.end) - left - 0.6);
    return { ...job, x: left, y: y.get(job.worker) + 1, w: wide, h: lane - 2 };
  });
  const outline = ({ x: left, y: top, w, h }) => `M${left.toFixed(1)} ${top}h${w.toFixed(1)}v${h}h${(-w).toFixed(1)}z`;
  const outcomes = ["ok", "stopped", "failed", "lost", "running"]
    .map((outcome) => [outcome, boxes.filter((box) => box.outcome === outcome)]).filter(([, of]) => of.length);
  const drawing = figure(width, bottom + 30, "Trials of each worker over time",
    [...y.values()].map((top) => svg("path", { class: "idle", d: `M2 ${top + lane / 2}H${width - 8}` })),
    outcomes.map(([outcome, of]) => svg("path", { class: `job ${outcome}`, d: of.map(outline).join("") })),
    titles, axisBottom(x, bottom + 6, timeTicks(x, width / 90), timeText(x)));
  return [
    html("div", { class: "scroll tall", "data-key": "timeline" }, withTips(drawing, boxes, 4)),
    html("p", { class: "legend" }, outcomes.map(([outcome]) =>
      html("span", {}, html("i", { class: outcome }), outcome === "ok" ? "succeeded" : outcome))),
    html("figcaption", {}, "Bars are trials, lines are idle time. "
      + `Time zone: ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`),
  ];
}

function finishedJob(trial) {
  const end = Date.parse(trial.finished);
  const start = trial.started ? Date.parse(trial.started) : end - 1000 * trial.seconds;
  const outcome = trial.kind === "lost" ? "lost" : outcomeOf(trial);
  const text = () => `${trialText(trial)}\n${clock(start, SECONDS)}, ${duration((end - start) / 1000)}`;
  return { worker: trial.worker, host: trial.host ?? "unknown host", start, end, outcome, text };
}

function runningJob({ name, host, tid, trial_seconds: seconds }, written) {
  const end = Date.parse(written), text = () => `trial ${tid}\nrunning for ${duration(seconds)}`;
  return { worker: name, host, start: end - 1000 * seconds, end, outcome: "running", text };
}

const DAY = 86400; // in seconds
const UNITS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY];

function timeTicks(x, n) {
  const [from, to] = x.range.map(x.from), shift = 60000 * new Date(from).getTimezoneOffset();
  const span = (to - from) / 1000, unit = 1000 * (UNITS.find((u) => span / u <= n) ?? DAY * Math.ceil(span / DAY / n));
  const found = [];
  for (let t = Math.ceil((from - shift) / unit) * unit + shift; t <= to; t += unit) found.push(t);
  return found;
}

function timeText(x) {
  const [from, to] = x.range.map(x.from), span = (to - from) / 1000;
  if (span > 4 * DAY) return day;
  return (t) => (span > DAY ? `${day(t)}, ${clock(t)}` : clock(t, span < 600 ? SECONDS : undefined));
}
