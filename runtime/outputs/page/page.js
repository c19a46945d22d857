// The page: receives the listener's records and shows them.

import { byId, element, say, swatch } from "./elements.js";
import { beginRecordings, refreshRecordings } from "./recordings.js";
import { SPAN_S, drawTimeline } from "./timeline.js";
import { colourNames, duration, percent, percentages, position, timeOfDay } from "./words.js";

const LOG_LENGTH = 50;
const STALE_S = 3;
const RETRY_MS = 5000;
const LEAST_PERCENT = 3; // a shorter bar is hardly visible; its number is enough

const NONE = "none"; // the label for sound without speech

let stream = null;
let session = null;
let colours = {};
let bars = {};
let results = [];
let events = new Map(); // by id: an event's start and its end share one entry
let lastAt = null; // when the last result came, by this browser's clock
let waits = false;

// Write a label and its share; a right-to-left label does not reverse the number.
const labelled = (label, share) => [element("bdi", "", label), ` ${percent(share)}`];

function sayShare(target, label, share) {
  const content = element("span", "", ...labelled(label, share));
  if (target.textContent !== content.textContent) target.replaceChildren(...content.childNodes);
}

const colourOf = (label) => `var(${colours[label]})`;

// Return the time of a record's audio: the time of day, or the position in a recording.
function when(record, seconds) {
  return session.live && record.utc ? timeOfDay(new Date(record.utc)) : position(seconds);
}

function begin(introduction) {
  session = introduction;
  results = session.results;
  colours = colourNames(session.labels);
  bars = {};
  byId("bars").replaceChildren(
    ...(session.unsure_below ? [makeScale(session.unsure_below)] : []),
    ...session.labels.map(makeBar));
  byId("arousal-row").hidden = !session.arousal;
  byId("bars").style.setProperty("--sure", `${100 * session.unsure_below}%`);
  byId("bars").classList.toggle("marked", session.unsure_below > 0);
  const channels = session.channels === 1 ? "mono" : `${session.channels} channels`;
  say(byId("source"), `${session.source} · ${session.rate_hz} Hz, ${channels}`);
  say(byId("model"), `Model ${session.model} · sernet-edge ${session.program_version}`);
  const about = `${session.trust[0].toUpperCase()}${session.trust.slice(1)}.`;
  const card = element("a", "", "What this model is for");
  card.href = "card";
  say(byId("intended-use"), `Use: ${session.intended_use}.`);
  byId("trust").replaceChildren(about, ...(session.has_card ? [" ", card, "."] : []));
  lastAt = session.age_s === null ? null : Date.now() - 1000 * session.age_s;
  events = new Map();
  byId("events").tBodies[0].replaceChildren();
  byId("notices").replaceChildren();
  for (const record of session.log) put(record);
  beginRecordings(session, colourOf);
  showSoon();
  showState();
}

function makeScale(threshold) {
  const text = element("span", "", `sure from ${percent(Math.round(100 * threshold))}`);
  const scale = element("div", "bar scale", element("span"), element("div", "mark", text));
  scale.setAttribute("aria-hidden", "true");
  return scale;
}

function makeBar(label) {
  const fill = element("div", "fill");
  fill.style.backgroundColor = colourOf(label);
  const track = element("div", "track", fill);
  for (const [name, value] of [["role", "meter"], ["aria-label", label],
    ["aria-valuemin", "0"], ["aria-valuemax", "100"], ["aria-valuenow", "0"]]) {
    track.setAttribute(name, value);
  }
  const number = element("span", "number", "–");
  const name = element("span", "name", label);
  name.dir = "auto";
  const row = element("div", "bar", name, track, number);
  bars[label] = { row, track, fill, number };
  return row;
}

function take(record) {
  if (!session) return;
  if (record.type === "result") {
    // Points closer than half a second cannot be told apart on the timeline.
    if (results.length > 1 && record.time_s - results.at(-2).time_s < 0.45) results.pop();
    results.push(record);
    lastAt = Date.now();
    while (results[0].time_s < record.time_s - SPAN_S) results.shift();
  } else {
    put(record);
    if (record.type === "event") {
      const what = record.kind === "start" ? "began" : "ended";
      say(byId("announcement"), `${record.label} ${what}`);
      if (record.kind === "end") refreshRecordings();
    }
  }
  showSoon();
}

// Put an event or a notice at the top of its list.
function put(record) {
  if (record.type === "notice") {
    const name = record.level === "warning" ? "Warning: " : "";
    byId("notices").prepend(element("li", record.level,
      element("time", "", when(record, record.time_s)),
      element("span", "", element("b", "", name), ...worded(record.text))));
    while (byId("notices").children.length > LOG_LENGTH) byId("notices").lastChild.remove();
  } else {
    const event = events.get(record.id) ?? putEvent(record);
    Object.assign(event, { end_s: record.end_s, peak: record.peak });
    showEvent(event);
  }
  byId("no-notices").hidden = byId("notices").children.length > 0;
  byId("no-events").hidden = events.size > 0;
  byId("events").hidden = !events.size;
}

// Return a notice's text, in which the browser breaks no line inside an option such as --hop.
function worded(text) {
  return text.split(/(--[a-z-]+)/).map((part, index) => (index % 2 ? element("code", "", part) : part));
}

function putEvent({ id, label, start_s, utc }) {
  const name = element("span", "", label);
  name.dir = "auto";
  const [lasted, peak] = [element("td", "number"), element("td", "number")];
  const row = element("tr", "",
    element("th", "", swatch("", colourOf(label)), name),
    element("td", "number", when({ utc }, start_s)), lasted, peak);
  row.firstChild.scope = "row";
  byId("events").tBodies[0].prepend(row);
  const event = { label, start_s, row, lasted, peakText: peak };
  events.set(id, event);
  if (events.size > LOG_LENGTH) {
    const [oldest] = events.keys();
    events.get(oldest).row.remove();
    events.delete(oldest);
  }
  return event;
}

function showEvent(event) {
  const last = results.at(-1);
  const goesOn = event.end_s === null;
  if (goesOn && last?.sure && last.label === event.label) {
    event.peak = Math.max(event.peak, last.scores[event.label]);
  }
  const length = Math.max(0, (event.end_s ?? last?.time_s ?? event.start_s) - event.start_s);
  event.row.classList.toggle("goes-on", goesOn);
  say(event.lasted, goesOn ? `${duration(length)} …` : duration(length));
  say(event.peakText, percent(Math.round(100 * event.peak)));
}

// Draw the latest records at the next frame, however many have come until then.
function showSoon() {
  if (!waits) requestAnimationFrame(showWhatWaits);
  waits = true;
}

// Draw the state together with the result: an old result would look live for a moment.
function showWhatWaits() {
  if (!waits) return;
  waits = false;
  showResult();
  for (const event of events.values()) if (event.end_s === null) showEvent(event);
  showTimeline();
  showState();
}

function showResult() {
  const result = results.at(-1);
  if (!result) {
    say(byId("emotion"), "waiting for sound");
    return;
  }
  const whole = percentages(session.labels.map((label) => result.scores[label] ?? 0));
  const share = Object.fromEntries(session.labels.map((label, index) => [label, whole[index]]));
  const speaks = isSpeech(result);
  const unsure = speaks && !result.sure;
  byId("emotion").classList.toggle("none", !speaks || unsure);
  if (!speaks) {
    say(byId("emotion"), "no speech");
    say(byId("share"), result.label ? percent(share[result.label]) : "");
  } else if (unsure) {
    say(byId("emotion"), "unsure");
    sayShare(byId("share"), result.label, share[result.label]);
  } else {
    say(byId("emotion"), result.label);
    say(byId("share"), percent(share[result.label]));
  }
  const drifts = session.drift_limit && result.drift > session.drift_limit;
  say(byId("why"), drifts ? "This sound is unlike the speech that the model was trained on." : "");
  for (const [label, bar] of Object.entries(bars)) {
    bar.row.classList.toggle("leads", label === result.label && result.sure);
    bar.row.classList.toggle("unsure", label === result.label && unsure);
    const score = result.scores[label] ?? 0;
    bar.fill.style.width = share[label] < LEAST_PERCENT ? "0" : `${100 * score}%`;
    bar.track.setAttribute("aria-valuenow", share[label]);
    say(bar.number, result.label ? percent(share[label]) : "–");
  }
  showArousal(result.arousal);
  showSound(result);
}

function showArousal(arousal) {
  const whole = Math.round(100 * (arousal ?? 0));
  byId("arousal").setAttribute("aria-valuenow", whole);
  byId("arousal").firstElementChild.style.width = `${whole}%`;
  say(byId("arousal-text"), arousal === null ? "–" : percent(whole));
}

// Show whether somebody spoke, as far as the gate and the model can tell.
const isSpeech = (result) => result.label !== null && result.label !== NONE;

function showSound(result) {
  const level = Math.max(-60, Math.min(0, result.level_dbfs));
  const meter = byId("level");
  meter.setAttribute("aria-valuenow", Math.round(level));
  meter.firstElementChild.style.width = `${100 * (level + 60) / 60}%`;
  say(byId("level-text"), `${result.level_dbfs.toFixed(0)} dBFS`);
  const clipping = byId("clipping");
  clipping.hidden = !result.clipped;
  say(clipping, result.clipped ? `Clipping: ${result.clipped} samples at full scale; turn it down` : "");

  const gated = result.speech !== null;
  const speech = Math.round(100 * (result.speech ?? 0));
  byId("speech").setAttribute("aria-valuenow", speech);
  byId("speech").firstElementChild.style.width = `${speech}%`;
  say(byId("speech-text"), gated ? percent(speech) : "–");
  say(byId("speech-note"), gated ? `of the last ${Number(session.window_s.toFixed(1))} s`
    : "The voice gate is off: every sound is judged.");
  showDiagnostics(result);
}

function showDiagnostics(result) {
  const figures = [["Heard", position(result.time_s)]];
  if (result.feature_ms !== undefined) {
    const busy = (result.feature_ms + result.inference_ms) / 1000 / session.hop_s;
    figures.push(["Features", `${result.feature_ms.toFixed(1)} ms`]);
    figures.push(["Model", `${result.inference_ms.toFixed(1)} ms`]);
    figures.push(["Computing", `${(100 * busy).toFixed(1)} % of the time`]);
  }
  if (result.drift !== null) {
    const limit = session.drift_limit ? ` of at most ${session.drift_limit.toFixed(2)}` : "";
    figures.push(["Drift", result.drift.toFixed(2) + limit]);
  }
  figures.push(["Audio lost", result.overflows ? times(result.overflows) : "never"]);
  figures.push(["Results skipped", String(result.skipped)]);
  if (session.rate_hz !== session.model_rate_hz) {
    figures.push(["Resampled", `${session.rate_hz} to ${session.model_rate_hz} Hz`]);
  }
  figures.push(["Window", `${session.window_s} s every ${session.hop_s} s`]);
  figures.push(["Contract", session.contract]);
  byId("figures").replaceChildren(...figures.flatMap(
    ([name, value]) => [element("dt", "", name), element("dd", "", value)]));
  const losses = [];
  if (result.overflows) losses.push(`audio lost ${times(result.overflows)}`);
  if (result.skipped) losses.push(`results skipped: ${result.skipped}`);
  say(byId("losses"), losses.length ? `(${losses.join(", ")})` : "");
}

const times = (number) => (number === 1 ? "once" : `${number} times`);

function showTimeline() {
  if (!session) return;
  const last = results.at(-1);
  // The timeline moves on even while no results come.
  const silent_s = session.live && isStale() ? age() : 0;
  const end_s = (last?.time_s ?? 0) + silent_s;
  const lastHeard = session.live && last?.utc ? new Date(last.utc).getTime() : null;
  const dayAt = (time_s) => (
    lastHeard === null ? null : new Date(lastHeard + 1000 * (time_s - last.time_s)));
  // An event without an end has lasted at least until the last result.
  const spans = [...events.values()].map((event) => ({
    ...event, end_s: event.end_s ?? Math.max(event.start_s, last?.time_s ?? 0),
  }));
  const heard = { labels: session.labels, results, events: spans, hop_s: session.hop_s };
  drawTimeline(byId("timeline"), heard, colours, end_s, dayAt);
  showShares();
}

// Write the timeline as numbers: the share of each emotion, of unsure results and of no speech.
function showShares() {
  const groups = [...session.labels.filter((label) => label !== NONE), "unsure", "no speech"];
  const groupOf = (result) => (!isSpeech(result) ? "no speech" : result.sure ? result.label : "unsure");
  const counts = Object.fromEntries(groups.map((group) => [group, 0]));
  for (const result of results) counts[groupOf(result)] += 1;
  const whole = percentages(groups.map((group) => counts[group]));
  const shown = groups.map((group, index) => [group, whole[index]]).filter(([, share]) => share);
  const items = shown.map(([group, share]) => {
    const mark = group in colours ? swatch("", colourOf(group))
      : swatch(group === "unsure" ? "hatched" : "empty");
    return element("li", "", mark, ...labelled(group, share));
  });
  const list = byId("timeline-shares");
  const text = items.map((item) => item.textContent).join();
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...items);
}

const age = () => (Date.now() - lastAt) / 1000;

// Whether the shown result is old.
function isStale() {
  if (stream.readyState !== EventSource.OPEN) return true;
  return lastAt !== null && age() > Math.max(STALE_S, session.hop_s + 2);
}

function showState() {
  const [state, text, advice] = stateNow();
  byId("status").dataset.state = state;
  say(byId("status"), text);
  const stale = state === "gone" || state === "stale";
  document.body.classList.toggle("stale", stale);
  byId("stale").hidden = !stale;
  const heard = lastAt === null ? "Nothing was heard yet." :
    `Last result at ${timeOfDay(new Date(lastAt))}, ${duration(Math.max(1, Math.floor(age())))} ago.`;
  say(byId("stale"), stale ? `${heard} ${advice}` : "");
  document.title = [stale ? "not live" : "", "sernet-edge", session?.source]
    .filter(Boolean).join(" · ");
}

// Return the state's name, its text, and an explanation.
function stateNow() {
  if (stream.readyState === EventSource.CLOSED) {
    return ["gone", "refused, trying again", "The listener turns this page away: reload it."];
  }
  if (stream.readyState !== EventSource.OPEN) {
    if (!session) return ["waiting", "connecting", ""];
    return ["gone", "disconnected, trying again", "The listener has ended, or the network is gone."];
  }
  if (lastAt === null) return ["waiting", "waiting for the first result", ""];
  if (isStale()) {
    return ["stale", "no results at the moment",
      session.live ? "The microphone, the listener or the network is silent." : ""];
  }
  return ["live", "live", ""];
}

// A browser reconnects by itself after a lost connection, but not after a refusal.
function connect() {
  stream = new EventSource("events");
  stream.addEventListener("session", (message) => begin(JSON.parse(message.data)));
  stream.addEventListener("record", (message) => take(JSON.parse(message.data)));
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
    showState();
  });
}

function refresh() {
  showWhatWaits(); // nothing is drawn in a hidden tab, but its title shows the state
  showState();
  if (session && isStale()) showTimeline();
}

connect();
setInterval(refresh, 500);
document.addEventListener("visibilitychange", refresh);
addEventListener("resize", showTimeline);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTimeline);
