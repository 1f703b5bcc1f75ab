// Brushes: dragging along an axis, or arrow keys on it, filter the trials by its values.

const EDGE = Number.MAX_VALUE; // beyond all values, but less than Infinity, which means no value
let dragging = false;

/** The value at a height: +-EDGE beyond the ends of an axis; "no value" in its lane. */
function limitAt(axis, y) {
  if (axis.lane && Math.abs(y - axis.lane) < LANE / 2) return axis.none;
  return y <= TOP ? EDGE : y >= BOTTOM ? -EDGE : axis.at.from(y);
}

function brushable(group, axis, show) {
  const { label } = axis;
  const change = (limits) => { brush(label, limits); show(); };
  const height = (event) => event.clientY - group.ownerSVGElement.getBoundingClientRect().top;
  const tap = (y) => {
    const value = limitAt(axis, y), option = Math.round(value);
    if (filter.brushes.has(label)) change(null);
    else if (!Number.isFinite(value)) change([value, value]);
    else if (axis.choice && Math.abs(value) !== EDGE) change([option - 0.4, option + 0.4]);
    else if (axis.choice) change(value < 0 ? [-0.4, 0.4] : [axis.at.from(TOP) - 0.4, EDGE]);
  };
  group.addEventListener("pointerdown", (down) => {
    const from = height(down), moved = (event) => Math.abs(height(event) - from) > 4;
    const abort = new AbortController(), { signal } = abort;
    dragging = true;
    group.setPointerCapture(down.pointerId);
    const move = (event) => {
      if (!moved(event)) return;
      const ends = [from, height(event)].sort((a, b) => b - a);
      change(ends.map((y) => limitAt(axis, y)).sort((a, b) => a - b));
    };
    const end = (event) => {
      dragging = false;
      abort.abort();
      if (event.type === "pointerup" && !moved(event)) tap(from);
    };
    group.addEventListener("pointermove", move, { signal });
    for (const name of ["pointerup", "pointercancel"]) group.addEventListener(name, end, { signal });
  });
  // a finger on an axis must not scroll the page; touch-action has no effect inside of an SVG
  group.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  group.addEventListener("keydown", (event) => {
    const [low, high] = filter.brushes.get(label) ?? [-Infinity, Infinity], step = (BOTTOM - TOP) / 20;
    const above = Math.max(axis.y(Math.max(low, -EDGE)) - step, TOP + 1);
    const below = Math.min(axis.y(Math.min(high, EDGE)) + step, BOTTOM - 1);
    if (event.key === "ArrowUp") change([limitAt(axis, above), high]);
    else if (event.key === "ArrowDown") change([low, limitAt(axis, below)]);
    else if (event.key === "Escape") change(null);
    else return;
    event.preventDefault();
  });
}
