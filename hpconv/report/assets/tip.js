// Tooltips for the mark under the pointer, or chosen with the arrow keys.

const tip = html("div", { id: "tip", role: "status", hidden: true });
document.body.append(tip);

function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect(), wide = document.documentElement.clientWidth;
  tip.style.left = `${Math.max(8, Math.min(x + 14, wide - box.width - 8))}px`;
  tip.style.top = `${y - box.height - 12 > 0 ? y - box.height - 12 : y + 18}px`;
}

/** Give the marks {x, y[, w, h], text()} of a drawing tooltips. */
function withTips(drawing, marks, reach = 24) {
  const ring = svg("rect", { class: "ring", rx: 5, visibility: "hidden" });
  let chosen = -1;
  const away = ({ x, y, w = 0, h = 0 }, px, py) =>
    Math.hypot(Math.max(x - px, 0, px - x - w), Math.max(y - py, 0, py - y - h));
  const choose = (index) => {
    chosen = index;
    const mark = marks[index];
    ring.setAttribute("visibility", mark ? "visible" : "hidden");
    if (!mark) return void (tip.hidden = true);
    const { x, y, w = 0, h = 0 } = mark, room = w ? 2 : 5;
    const place = { x: x - room, y: y - room, width: w + 2 * room, height: h + 2 * room };
    for (const [name, value] of Object.entries(place)) ring.setAttribute(name, value);
    const box = drawing.getBoundingClientRect();
    showTip(mark.text(), box.left + x + w / 2, box.top + y);
  };
  const nearest = (event) => {
    const box = drawing.getBoundingClientRect();
    const distances = marks.map((mark) => away(mark, event.clientX - box.left, event.clientY - box.top));
    const index = distances.reduce((best, d, i) => (d < distances[best] ? i : best), 0);
    choose(distances[index] <= reach ? index : -1);
  };
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  fill(drawing, {
    tabindex: 0,
    onpointermove: nearest,
    onpointerdown: nearest,
    onpointerleave: () => choose(-1),
    onblur: () => choose(-1),
    onkeydown: (event) => {
      if (event.key === "Escape") choose(-1);
      if (!(event.key in step) || !marks.length) return;
      event.preventDefault();
      choose(chosen < 0 ? 0 : (chosen + step[event.key] + marks.length) % marks.length);
    },
  }, [ring]);
  return drawing;
}
