// Formats shares, times and colours for the page.

const KNOWN = new Set(
  ["anger", "happiness", "sadness", "fear", "disgust", "boredom", "neutral", "surprise",
    "none"]);
const OTHERS = 6;

// The name of each label's colour in page.css. No information depends on the colour alone.
export function colourNames(labels) {
  let others = 0;
  return Object.fromEntries(labels.map(
    (label) => [label, KNOWN.has(label) ? `--${label}` : `--other-${others++ % OTHERS}`]));
}

export const percent = (whole) => `${whole} %`;

// Return shares of a whole, in whole per cent that add up to 100: those with the largest
// remainders are rounded up.
export function percentages(shares) {
  const total = shares.reduce((sum, share) => sum + share, 0);
  if (!total) return shares.map(() => 0);
  const exact = shares.map((share) => 100 * share / total);
  const whole = exact.map(Math.floor);
  const missing = 100 - whole.reduce((sum, share) => sum + share, 0);
  exact.map((share, index) => [share - whole[index], index])
    .sort((a, b) => b[0] - a[0])
    .slice(0, missing)
    .forEach(([, index]) => { whole[index] += 1; });
  return whole;
}

const two = (n) => String(n).padStart(2, "0");

// Format seconds of a recording as 1:02:03 or 2:03.
export function position(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

// Format a local time of day as 13:20:11, or without seconds as 13:20.
export function hour(date, seconds = true) {
  const parts = [date.getHours(), date.getMinutes(), ...(seconds ? [date.getSeconds()] : [])];
  return parts.map(two).join(":");
}

// The same, with the date unless it is today.
export function timeOfDay(date) {
  if (date.toDateString() === new Date().toDateString()) return hour(date);
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${hour(date)}`;
}

// Format a length of time: 3.5 s, 15 s, 2 min 5 s, 3 h 20 min.
export function duration(seconds) {
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}
