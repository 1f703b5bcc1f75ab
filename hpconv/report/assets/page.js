// The page: draws all sections, and redraws them when the width, a filter or the payload changes.

const FIGURES = { summary, convergence, best, importance, parallel, slices, trials, timeline, failures };
const script = document.getElementById("payload");
let payload = JSON.parse(script.textContent);

/** Draw a section; open details, scroll positions and the focus are kept. */
function draw(id) {
  const place = document.querySelector(`#${id} > .drawn`), section = place.parentElement;
  const drawn = FIGURES[id](payload, place.clientWidth || document.querySelector("main").clientWidth);
  const focus = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const open = keys(place, "details[open]"), scrolled = [...place.querySelectorAll(".scroll[data-key]")]
    .map((element) => [element.dataset.key, element.scrollLeft, element.scrollTop]);
  section.hidden = drawn === null;
  const children = typeof drawn === "string" ? [html("p", { class: "caption" }, drawn)] : drawn ?? [];
  place.replaceChildren(...children.filter(Boolean));
  for (const key of open) find(place, key)?.setAttribute("open", "");
  for (const [key, left, top] of scrolled) find(place, key)?.scrollTo(left, top);
  if (focus) find(place, focus)?.focus({ preventScroll: true });
}

const keys = (place, selector) => [...place.querySelectorAll(selector)].map(({ dataset }) => dataset.key);
const find = (place, key) => place.querySelector(`[data-key="${CSS.escape(key)}"]`);

function drawFilters() {
  const bar = document.getElementById("filters"), { activeElement } = document;
  if (bar.contains(activeElement) && activeElement.type === "number") { // the user is typing
    document.getElementById("count").textContent = counted(payload.trials);
    return;
  }
  const focus = bar.contains(activeElement) ? activeElement.dataset.key : null;
  bar.replaceChildren(...filterBar(payload).filter(Boolean));
  if (focus) find(bar, focus)?.focus();
}

let waiting = false;
function refilter() {
  drawFilters();
  redrawLines();
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw("slices");
    draw("trials");
    if (!dragging) draw("parallel");
  });
}

function drawAll() {
  tip.hidden = true;
  document.body.classList.toggle("many", payload.trials.length > 400);
  for (const id of Object.keys(FIGURES)) draw(id);
  drawFilters();
  document.getElementById("explore").hidden = payload.trials.length < 2;
  for (const link of document.querySelectorAll("nav a")) {
    link.hidden = document.querySelector(link.hash).closest("[hidden]") !== null;
  }
}

drawAll();
let width = innerWidth;
addEventListener("resize", () => {
  if (width !== innerWidth) drawAll(); // the bars of a phone's browser change the height on scrolling
  width = innerWidth;
});

/** Open the section of the winner in the URL. */
const unfold = () => location.hash && document.querySelector(`${location.hash} details`)?.setAttribute("open", "");
addEventListener("hashchange", unfold);
unfold();

// updates while a search runs

async function poll(url) {
  let seen = null;
  for (;;) {
    await new Promise((after) => setTimeout(after, 3000));
    if (document.hidden) continue;
    try {
      const answer = await fetch(url, { headers: seen ? { "If-None-Match": seen } : {}, cache: "no-store" });
      if (answer.status === 200) {
        const text = await answer.text();
        while (dragging) await new Promise((after) => setTimeout(after, 200));
        seen = answer.headers.get("ETag");
        const before = payload;
        payload = JSON.parse(text);
        if (payload.final && !before.final) location.reload(); // with the sections of the winners
        drawAll();
      } else if (answer.status !== 304) throw new Error(answer.statusText);
      live(true);
    } catch {
      live(false);
    }
  }
}

function live(reached) {
  const place = document.getElementById("live");
  place.className = reached ? "reached" : "";
  const time = clock(payload.status?.written ?? payload.written, SECONDS);
  const now = payload.status?.state === "ended" ? ended(payload) : `live, as of ${time}`;
  place.replaceChildren(reached ? now : `The dashboard does not answer. Showing ${time}, retrying …`,
    payload.report && reached ? html("a", { href: "report.html" }, "report") : "");
}

function ended({ final, retrained }) {
  if (final || !retrained[1]) return "the search has ended";
  return `the search has ended; winners are retrained, ${retrained[0]} of ${retrained[1]} are done`;
}

if (script.dataset.live) {
  live(true);
  poll(script.dataset.live);
}
