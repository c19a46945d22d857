// Recordings of events: plays them, and marks them as right or wrong.

import { byId, element, say, swatch } from "./elements.js";
import { duration, timeOfDay } from "./words.js";

const NONE = "none";

let labels = [];
let colourOf = () => "";
let shown = new Map(); // a recording's row, by the recording's name
let playing = null; // { audio, row }

// Show the recordings, if the session keeps any.
export function beginRecordings(session, colours) {
  byId("recordings-card").hidden = !session.records;
  if (!session.records) return;
  [labels, colourOf] = [session.labels.filter((label) => label !== NONE), colours];
  stop();
  shown = new Map();
  byId("recordings").replaceChildren();
  refreshRecordings();
}

// Ask the listener for the current recordings.
export async function refreshRecordings() {
  if (byId("recordings-card").hidden) return;
  const answer = await ask("recordings");
  if (!answer) return;
  const { folder, recordings } = await answer.json();
  const use = element("code", "", `sernet-edge teach --from-marks ${folder} --out mine.tflite`);
  byId("recordings-use").replaceChildren("To teach the model with them: ", use);
  const names = new Set(recordings.map((recording) => recording.name));
  for (const [name, row] of shown) {
    if (names.has(name)) continue;
    if (playing?.row === row) stop();
    row.line.remove();
    shown.delete(name);
  }
  for (const recording of recordings.reverse()) {
    if (!shown.has(recording.name)) addRow(recording);
    showMark(shown.get(recording.name), recording.mark);
  }
  byId("no-recordings").hidden = shown.size > 0;
}

// Send a request and return the answer; after an error, show it and return nothing.
async function ask(path, options = {}) {
  let problem = "The listener does not answer.";
  try {
    const answer = await fetch(path, options);
    if (answer.ok) {
      showProblem("");
      return answer;
    }
    problem = await answer.text();
  } catch { /* shown below */ }
  showProblem(problem);
  return null;
}

function showProblem(text) {
  byId("recordings-error").hidden = !text;
  say(byId("recordings-error"), text);
}

function addRow(recording) {
  const { name, label } = recording;
  const began = timeOfDay(new Date(recording.utc));
  const what = `${label}, ${began}`;
  const play = button("Play", "");
  const right = button("Right", `Right: ${what}`);
  const wrong = element("select");
  wrong.setAttribute("aria-label", `Wrong: ${what}`);
  wrong.append(option("", "Wrong, it was …"),
    ...labels.filter((other) => other !== label).map((other) => option(other, `Wrong, it was ${other}`)));
  const nobody = button("Nobody spoke", `Nobody spoke: ${what}`);
  const heard = element("span", "heard", swatch("", colourOf(label)), element("bdi", "", label));
  const lasted = recording.lasted_s === null ? "" : ` · ${duration(recording.lasted_s)}`;
  const line = element("li", "", play, heard, element("span", "quiet number", began + lasted),
    element("span", "marks", right, wrong, nobody));
  const row = { name, what, line, play, right, wrong, nobody, mark: null };
  play.addEventListener("click", () => (playing?.row === row ? stop() : start(row)));
  right.addEventListener("click", () => setMark(row, { verdict: "right" }));
  nobody.addEventListener("click", () => setMark(row, { verdict: "nobody" }));
  wrong.addEventListener("change", () => setMark(row,
    wrong.value ? { verdict: "wrong", label: wrong.value } : null));
  showPlaying(row, false);
  shown.set(name, row);
  byId("recordings").prepend(line);
}

function button(text, description) {
  const made = element("button", "", text);
  made.type = "button";
  made.setAttribute("aria-label", description);
  return made;
}

function option(value, text) {
  const made = element("option", "", text);
  made.value = value;
  return made;
}

// Mark a recording; the same mark a second time removes it.
async function setMark(row, mark) {
  const same = mark && mark.verdict !== "wrong" && row.mark?.verdict === mark.verdict;
  const answer = await ask(`recordings/${encodeURIComponent(row.name)}/mark`,
    { method: "PUT", body: JSON.stringify(same ? null : mark) });
  const recording = answer ? await answer.json() : { mark: row.mark };
  showMark(row, recording.mark);
  if (answer) say(byId("announcement"), `${row.what}: ${inWords(recording.mark)}`);
}

function inWords(mark) {
  if (!mark) return "no mark";
  if (mark.verdict === "wrong") return `marked as ${mark.label}`;
  return mark.verdict === "right" ? "marked as right" : "marked: nobody spoke";
}

function showMark(row, mark) {
  row.mark = mark;
  row.right.setAttribute("aria-pressed", mark?.verdict === "right");
  row.nobody.setAttribute("aria-pressed", mark?.verdict === "nobody");
  row.wrong.value = mark?.verdict === "wrong" ? mark.label : "";
  row.wrong.classList.toggle("chosen", mark?.verdict === "wrong");
}

// Play a recording; it is fetched whole, since it is short.
async function start(row) {
  stop();
  const answer = await ask(`recordings/${encodeURIComponent(row.name)}.wav`);
  if (!answer) return;
  stop(); // another recording may have started meanwhile
  const audio = new Audio(URL.createObjectURL(await answer.blob()));
  playing = { audio, row };
  showPlaying(row, true);
  audio.addEventListener("ended", () => { if (playing?.audio === audio) stop(); });
  audio.play().catch((error) => {
    if (playing?.audio !== audio) return; // the user stopped it before it began
    stop();
    showProblem(`The recording cannot be played: ${error.message}`);
  });
}

function stop() {
  if (!playing) return;
  playing.audio.pause();
  URL.revokeObjectURL(playing.audio.src);
  showPlaying(playing.row, false);
  playing = null;
}

function showPlaying(row, plays) {
  const action = plays ? "Stop" : "Play";
  say(row.play, action);
  row.play.setAttribute("aria-label", `${action} ${row.what}`);
}
