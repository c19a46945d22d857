"use strict";

// Colours that stand out on light and on dark; each stands beside its name, never alone.
const KNOWN_COLOURS = {
  anger: "#e0453f", happiness: "#e3a008", sadness: "#3f83f8", fear: "#9b5de5",
  disgust: "#2fa36b", boredom: "#a9744f", neutral: "#7d8898", surprise: "#ec6a9c",
};
const OTHER_COLOURS = ["#1aa5b8", "#d9682b", "#6a78e5", "#84a51e", "#c4549c", "#5b9a8b"];
const SPAN_S = 300;
const LOG_LENGTH = 50;

const byId = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(100 * share)} %`;

let session = null;
let colours = {};
let results = [];
let log = [];
let bars = {};
let lastArrival = null;

// A new element with a class and content, of which text stays text.
function element(name, className = "", ...content) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}

// Write only what changed: a screen reader reads what is written.
function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// Seconds as 1:02:03 or 2:03.
function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function begin(introduction) {
  session = introduction;
  results = session.results;
  log = session.log;
  colours = {};
  let others = 0;
  for (const label of session.labels) {
    colours[label] = KNOWN_COLOURS[label] ?? OTHER_COLOURS[others++ % OTHER_COLOURS.length];
  }
  byId("bars").replaceChildren(...session.labels.map(makeBar));
  const channels = session.channels === 1 ? "mono" : `${session.channels} channels`;
  say(byId("source"), `${session.source} · ${session.rate_hz} Hz, ${channels}`);
  say(byId("model"), `${session.model} · contract ${session.contract} · window ` +
    `${session.window_s} s every ${session.hop_s} s · sernet-edge ${session.program_version}`);
  document.title = `sernet-edge · ${session.source}`;
  lastArrival = results.length ? performance.now() : null;
  showLog();
  showResult();
  showStatus();
}

function makeBar(label) {
  const fill = element("div", "fill");
  fill.style.background = colours[label];
  const track = element("div", "track", fill);
  for (const [name, value] of [["role", "meter"], ["aria-label", label],
    ["aria-valuemin", "0"], ["aria-valuemax", "100"], ["aria-valuenow", "0"]]) {
    track.setAttribute(name, value);
  }
  const number = element("span", "number", "–");
  const row = element("div", "bar", element("span", "name", label), track, number);
  bars[label] = { row, track, fill, number };
  return row;
}

function take(record) {
  if (!session) return;
  if (record.type === "result") {
    // Half a second apart is as close as the timeline can show.
    if (results.length > 1 && record.time_s - results.at(-2).time_s < 0.45) results.pop();
    results.push(record);
    lastArrival = performance.now();
    while (results[0].time_s < record.time_s - SPAN_S) results.shift();
    requestAnimationFrame(showResult);
  } else {
    log.push(record);
    log = log.slice(-2 * LOG_LENGTH);
    showLog();
    requestAnimationFrame(drawTimeline);
  }
  showStatus();
}

function showResult() {
  const result = results.at(-1);
  if (!result) return;
  const emotion = byId("emotion");
  emotion.classList.toggle("none", !result.label || !result.sure);
  if (!result.label) {
    say(emotion, "no speech");
    say(byId("share"), "");
  } else if (!result.sure) {
    say(emotion, "unsure");
    say(byId("share"), `${result.label} ${percent(result.scores[result.label])}`);
  } else {
    say(emotion, result.label);
    say(byId("share"), percent(result.scores[result.label]));
  }
  for (const [label, bar] of Object.entries(bars)) {
    const score = result.scores[label];
    bar.row.classList.toggle("leads", label === result.label && result.sure);
    bar.fill.style.width = `${100 * (score ?? 0)}%`;
    bar.track.setAttribute("aria-valuenow", Math.round(100 * (score ?? 0)));
    say(bar.number, score === undefined ? "–" : score.toFixed(2));
  }
  showSound(result);
  drawTimeline();
}

function showSound(result) {
  const level = Math.max(-60, Math.min(0, result.level_dbfs));
  const meter = byId("level");
  meter.setAttribute("aria-valuenow", Math.round(level));
  meter.firstElementChild.style.width = `${100 * (level + 60) / 60}%`;
  say(byId("level-text"), `${result.level_dbfs.toFixed(0)} dBFS`);
  const clipping = byId("clipping");
  clipping.hidden = !result.clipped;
  say(clipping, result.clipped ? `Clipping: ${result.clipped} samples at full scale; turn it down` : "");

  const figures = [["Heard", clock(result.time_s)]];
  if (result.speech !== null) figures.push(["Speech", percent(result.speech)]);
  if (result.feature_ms !== undefined) {
    const busy = (result.feature_ms + result.inference_ms) / 1000 / session.hop_s;
    figures.push(["Features", `${result.feature_ms.toFixed(1)} ms`]);
    figures.push(["Model", `${result.inference_ms.toFixed(1)} ms`]);
    figures.push(["Computing", `${(100 * busy).toFixed(1)} % of the time`]);
  }
  if (result.drift !== null) figures.push(["Drift", result.drift.toFixed(2)]);
  figures.push(["Audio lost", result.overflows ? `${result.overflows} times` : "never"]);
  figures.push(["Results skipped", String(result.skipped)]);
  if (session.rate_hz !== session.model_rate_hz) {
    figures.push(["Resampled", `${session.rate_hz} to ${session.model_rate_hz} Hz`]);
  }
  byId("figures").replaceChildren(...figures.flatMap(
    ([name, value]) => [element("dt", "", name), element("dd", "", value)]));
}

function showLog() {
  const none = () => [element("li", "quiet", "None yet.")];
  const events = log.filter((record) => record.type === "event").slice(-LOG_LENGTH).reverse();
  const notices = log.filter((record) => record.type === "notice").slice(-LOG_LENGTH).reverse();
  byId("events").replaceChildren(...(events.length ? events.map(eventLine) : none()));
  byId("notices").replaceChildren(...(notices.length ? notices.map(noticeLine) : none()));
}

function eventLine(event) {
  const swatch = element("i", "swatch");
  swatch.style.background = colours[event.label];
  const text = event.kind === "start" ? " began"
    : ` ended after ${(event.end_s - event.start_s).toFixed(1)} s, at most ${percent(event.peak)}`;
  return element("li", "", element("time", "", clock(event.kind === "start" ? event.start_s : event.end_s)),
    element("span", "", swatch, element("b", "", event.label), text));
}

function noticeLine(notice) {
  const name = notice.level === "warning" ? "Warning: " : "";
  return element("li", notice.level, element("time", "", clock(notice.time_s)),
    element("span", "", element("b", "", name), notice.text));
}

// A row for each emotion, darker the higher its score; below them the level.
function drawTimeline() {
  const canvas = byId("timeline");
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!session || !width) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const draw = canvas.getContext("2d");
  draw.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`);
  draw.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  draw.textBaseline = "middle";

  const labels = session.labels;
  const left = Math.ceil(Math.max(...["level", ...labels].map((l) => draw.measureText(l).width))) + 12;
  const levelHeight = 30;
  const axisHeight = 18;
  const row = (height - levelHeight - axisHeight) / labels.length;
  const end = results.length ? results.at(-1).time_s : 0;
  const x = (time) => left + (width - left) * (1 - (end - time) / SPAN_S);

  labels.forEach((label, index) => {
    draw.fillStyle = colour("text");
    draw.fillText(label, 0, (index + 0.5) * row);
    draw.fillStyle = colour("track");
    draw.fillRect(left, index * row + 1, width - left, row - 2);
  });
  draw.fillStyle = colour("text");
  draw.fillText("level", 0, height - axisHeight - levelHeight / 2);

  results.forEach((result, index) => {
    const previous = index ? results[index - 1].time_s : result.time_s - session.hop_s;
    const start = Math.max(previous, result.time_s - Math.max(4 * session.hop_s, 2));
    const [from, to] = [Math.max(left, x(start)), x(result.time_s)];
    if (to <= left) return;
    const wide = Math.max(to - from, 0.7);
    labels.forEach((label, line) => {
      const score = result.scores[label];
      if (!score) return;
      draw.globalAlpha = score;
      draw.fillStyle = colours[label];
      draw.fillRect(from, line * row + 1, wide, row - 2);
    });
    draw.globalAlpha = 1;
    const level = Math.max(0, Math.min(1, (result.level_dbfs + 60) / 60)) * (levelHeight - 6);
    draw.fillStyle = result.clipped ? colour("bad") : colour("quiet");
    draw.fillRect(from, height - axisHeight - level, wide, level);
  });

  draw.fillStyle = colour("text");
  for (const event of log) {
    if (event.type !== "event" || event.kind !== "start" || x(event.start_s) < left) continue;
    const line = labels.indexOf(event.label);
    draw.fillRect(x(event.start_s) - 1, line * row + 1, 2, row - 2);
  }

  draw.fillStyle = colour("quiet");
  const step = width - left < 420 ? 120 : 60;
  for (let ago = 0; ago <= SPAN_S; ago += step) {
    const text = ago ? `−${ago / 60} min` : "now";
    const at = x(end - ago);
    draw.textAlign = ago ? (at - left < 20 ? "left" : "center") : "right";
    draw.fillText(text, at, height - axisHeight / 2 + 2);
  }
  draw.textAlign = "left";
  describeTimeline();
}

function describeTimeline() {
  const sure = results.filter((result) => result.label && result.sure);
  const counts = {};
  for (const { label } of sure) counts[label] = (counts[label] ?? 0) + 1;
  const parts = Object.entries(counts).sort((a, b) => b[1] - a[1]).slice(0, 3)
    .map(([label, count]) => `${label} ${percent(count / results.length)}`);
  const silent = results.filter((result) => !result.label).length;
  if (silent) parts.push(`no speech ${percent(silent / results.length)}`);
  const text = parts.length ? `Of the results: ${parts.join(", ")}. ` : "";
  say(byId("timeline-text"), `${text}The stronger the colour, the higher the score; a black or white line marks an event.`);
}

function showStatus() {
  const status = byId("status");
  const set = (state, text) => {
    status.dataset.state = state;
    say(status, text);
  };
  if (stream.readyState === EventSource.CLOSED) return set("gone", "disconnected, please reload");
  if (stream.readyState !== EventSource.OPEN) return set("gone", "disconnected, trying again");
  const silent = lastArrival === null ? Infinity : (performance.now() - lastArrival) / 1000;
  if (lastArrival === null) return set("waiting", "waiting for the first result");
  if (silent > 5 + 3 * session.hop_s) return set("waiting", "no results at the moment");
  return set("live", "live");
}

const stream = new EventSource("events");
stream.addEventListener("session", (message) => begin(JSON.parse(message.data)));
stream.addEventListener("record", (message) => take(JSON.parse(message.data)));
stream.addEventListener("error", showStatus);
setInterval(showStatus, 1000);
addEventListener("resize", drawTimeline);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTimeline);
