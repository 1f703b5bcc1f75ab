// Text for numbers, percentages, durations, times and names.

const percent = (x, digits = 2) => (x === null || x === undefined ? "–" : `${(100 * x).toFixed(digits)} %`);
const shortPercent = (x) => `${Number((100 * x).toPrecision(2))} %`;
const range = (interval) => `${percent(interval[0])} to ${percent(interval[1])}`;
const grouped = (n) => n.toLocaleString("en"); // 1,998
const plural = (n, one, many = `${one}s`) => `${grouped(n)} ${n === 1 ? one : many}`;

/** A shape such as 16x4x4 as 16×4×4. */
const shape = (text) => text && text.split("x").map((n) => grouped(Number(n))).join("×");

function number(x) {
  if (typeof x !== "number") return String(x);
  const size = Math.abs(x);
  if (Number.isInteger(x) && size < 1e5) return grouped(x).replaceAll("-", "−");
  const exponential = size !== 0 && (size < 1e-3 || size >= 1e5);
  const text = exponential ? x.toExponential(1).replace(".0e", "e").replace("e+", "e")
    : String(Number(x.toPrecision(3)));
  return text.replaceAll("-", "−");
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${number(Math.round(seconds * 10) / 10)} s`;
  const minutes = Math.round(seconds / 60), hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}

const clock = (time, options = { hour: "2-digit", minute: "2-digit" }) =>
  new Date(time).toLocaleTimeString([], { hourCycle: "h23", ...options });
const SECONDS = { timeStyle: "medium" }; // of a clock
const day = (time) => new Date(time).toLocaleDateString([], { day: "numeric", month: "short" });

/** A text shortened in the middle, as labels differ at both ends. */
function short(text, length) {
  const half = Math.floor((length - 1) / 2);
  return text.length <= length ? text : `${text.slice(0, half)}…${text.slice(-half)}`;
}
