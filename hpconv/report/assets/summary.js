// Main results; the progress of a running search.

const tile = (name, value, ...notes) =>
  html("div", { class: "tile" }, html("span", {}, name), html("strong", {}, value),
    notes.filter(Boolean).map((note) => html("small", {}, note)));

function summary(data) {
  const { status } = data, going = status && status.state !== "ended";
  return [
    going ? progress(status, data) : null,
    html("div", { class: "tiles" }, data.final ? tested(data.final) : soFar(data), searched(data)),
    data.final ? intervals(data) : null,
    data.outlook && html("p", { id: "outlook" }, html("b", {}, "Is more search worth it? "), data.outlook),
  ];
}

const VARIANTS = { more_filters: "with more filters", flips: "with mirror images" };

function tested({ winner, average, ensemble, variants, raw_pixels: raw, missing, baseline_method: method }) {
  const entry = (name, it, note) => it && tile(name, percent(it.test_error), range(it.interval),
    it.seed_deviation !== null && it.seed_deviation !== undefined
      ? `± ${percent(it.seed_deviation)} over seeds` : null, note);
  const members = (it) => it?.members && `trials ${it.members.join(", ")}`;
  return [
    entry("Test error of the winner", winner, `trial ${winner?.tid}`),
    entry("Winners together", average, average && `mean of the decision scores of ${members(average)}`),
    entry("Ensemble", ensemble, members(ensemble)),
    ...Object.entries(variants).flatMap(([name, found]) => [
      entry(`Winner ${VARIANTS[name]}`, found.winner, `trial ${found.winner?.tid}`),
      entry(`Winners together, ${VARIANTS[name]}`, found.average, members(found.average)),
    ]),
    entry("Test error of raw pixels", raw, method),
    missing?.length ? tile("Missing winners", grouped(missing.length),
      ...missing.map(({ rank, reason }) => `rank ${rank}: ${reason}`)) : null,
  ];
}

const intervals = ({ data }) => html("p", { class: "caption" },
  `Error rates on the test ${data?.examples ?? "examples"}, each with its 95 % confidence interval`
  + `${data?.folds > 1 ? ` over ${data.folds} folds` : ""}. Test ${data?.examples ?? "examples"} are used once, after the search.`);

function soFar({ convergence, status, trials }) {
  const best = status?.best ?? bestOf(trials), baseline = convergence.baseline;
  return [
    tile("Best validation error", percent(best?.error), best && `trial ${best.tid}`,
      best?.since && `since ${clock(best.since)}, ${day(best.since)}`),
    baseline !== null && tile("Validation error of raw pixels", percent(baseline), "the same classifier"),
  ].filter(Boolean);
}

const bestOf = (trials) => trials.reduce(
  (best, trial) => (trial.error !== null && !(best?.error <= trial.error) ? trial : best), null);

function searched({ status, trials, thinned, redrawn, stopped, spent, failures }) {
  const n = trials.filter((trial) => trial.values).length + thinned;
  const failed = failures.reduce((sum, { count }) => sum + count, 0);
  const lost = failures.find(({ kind }) => kind === "lost")?.count ?? 0;
  const worked = Object.values(spent).reduce((sum, seconds) => sum + seconds, 0);
  const shares = Object.entries(spent).map(([what, seconds]) => `${percent(seconds / worked, 0)} ${what}`);
  return [
    tile("Trials", grouped(n), `${grouped(n - failed - stopped)} succeeded`
      + `${stopped ? `, ${grouped(stopped)} stopped at a rung` : ""}, ${grouped(failed - lost)} failed`
      + `${lost ? `, ${grouped(lost)} lost` : ""}`,
      redrawn ? `${plural(redrawn, "suggestion")} redrawn before evaluation` : null,
      status?.state === "ended" && status.reason),
    tile("Evaluation time", duration(worked), status && `in ${duration(status.seconds)} of search`,
      worked ? shares.join(", ") : null),
  ];
}

const STATES = {
  searching: "Searching",
  silent: "No update from the driver: it may have stopped",
  failed: "The search has failed",
};

function progress({ state, reason, trials, workers, trials_per_hour: rate, eta_seconds: eta }) {
  const parts = ["ok", ...(trials.stopped ? ["stopped"] : []), "failed", "lost", "running", "queued"];
  const whole = Math.max(trials.max ?? 0, parts.reduce((sum, part) => sum + trials[part], 0), 1);
  const done = trials.ok + trials.stopped + trials.failed + trials.lost;
  const hosts = new Set(workers.map(({ host }) => host));
  const facts = [
    trials.max ? `${grouped(done)} of ${plural(trials.max, "trial")}` : plural(done, "trial"),
    `${plural(workers.length, "worker")} on ${plural(hosts.size, "host")}`,
    rate && `${number(rate)} trials per hour`,
    eta !== null && `${duration(eta)} left`,
  ];
  return html("div", { class: `progress ${state}` },
    html("p", {}, html("b", {}, STATES[state] ?? state), reason ? `: ${reason}` : null,
      html("span", {}, facts.filter(Boolean).join(" · "))),
    html("div", { class: "bar", role: "img", "aria-label": parts.map((p) => `${grouped(trials[p])} ${p}`).join(", ") },
      parts.map((part) => {
        const piece = html("i", { class: part });
        piece.style.width = `${(100 * trials[part]) / whole}%`;
        return piece;
      })),
    html("p", { class: "legend" }, parts.map((part) =>
      html("span", {}, html("i", { class: part }), `${grouped(trials[part])} ${part === "ok" ? "succeeded" : part}`))));
}
