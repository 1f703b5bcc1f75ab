// Scales map values to pixels; .from maps back, .ticks(n) gives about n ticks.

function scale([low, high], [start, end], log = false) {
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  const forward = log ? Math.log : (x) => x, inverse = log ? Math.exp : (x) => x;
  const span = forward(high) - forward(low);
  const at = (x) => start + ((forward(Math.max(x, log ? low : -Infinity)) - forward(low)) / span) * (end - start);
  at.from = (pixel) => inverse(forward(low) + ((pixel - start) / (end - start)) * span);
  at.ticks = (n) => (log ? logTicks(low, high, n) : ticks(low, high, n));
  at.range = [start, end];
  return at;
}

/** Minimum and maximum; on a log axis of positive numbers only. */
function extent(numbers, log = false) {
  let low = Infinity, high = -Infinity;
  for (const x of numbers) {
    if (log && x <= 0) continue;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  return low > high ? [log ? 0.1 : 0, 1] : [low, high];
}

function ticks(low, high, n) {
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((x) => x * power).find((x) => x >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

function logTicks(low, high, n) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const inside = (digits, every = 1) => {
    const found = [];
    for (let power = first; power <= last; power += every) {
      for (const digit of digits) {
        const x = Number(`${digit}e${power}`);
        if (x >= low * 0.999 && x <= high * 1.001) found.push(x);
      }
    }
    return found;
  };
  const choices = [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]].map((digits) => inside(digits));
  const enough = choices.find((found) => found.length <= n + 1 && found.length > 1);
  const sparse = inside([1], Math.ceil(choices[3].length / n) || 1);
  return enough ?? (sparse.length > 1 ? sparse : ticks(low, high, n));
}
