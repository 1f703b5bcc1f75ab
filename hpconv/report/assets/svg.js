// Elements, figures and axes.

const SVG = "http://www.w3.org/2000/svg";

/** Set attributes and add children, except those that are null or false. */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return element;
}
const html = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

function figure(width, height, label, ...children) {
  const size = { viewBox: `0 0 ${width} ${height}`, width, height };
  return svg("svg", { ...size, role: "img", "aria-label": label }, children);
}

/** An axis below a figure; tilted texts are read from the lower left. */
function axisBottom(at, y, values, say, { name = null, tilted = false } = {}) {
  const [start, end] = at.range;
  return svg("g", { class: "axis" },
    svg("path", { d: `M${start} ${y}H${end}` }),
    values.map((x) => svg("path", { d: `M${at(x)} ${y}v4` })),
    values.map((x) => {
      const text = say(x), half = 3.5 * text.length; // of its approximate width
      const center = Math.max(half, Math.min(end + 8 - half, at(x)));
      const turn = `translate(${at(x) + 4} ${y + 12}) rotate(-40)`;
      if (tilted) return svg("text", { transform: turn, "text-anchor": "end" }, text);
      return svg("text", { x: center, y: y + 17, "text-anchor": "middle" }, text);
    }),
    name && svg("text", { x: (start + end) / 2, y: y + 34, "text-anchor": "middle", class: "name" }, name));
}

function axisLeft(at, x, end, values, say) {
  return svg("g", { class: "axis" },
    values.map((y) => svg("path", { d: `M${x} ${at(y)}H${end}`, class: "grid" })),
    values.map((y) => svg("text", { x: x - 7, y: at(y) + 4, "text-anchor": "end" }, say(y))));
}

/** Dots as one element, which is fast: each is a line of length 0 with round ends. */
const dots = (points, attributes) =>
  svg("path", { d: points.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`).join(""), ...attributes });
const line = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
const steps = (points) => points.map(([x, y], i) => (i ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x} ${y}`)).join("");
