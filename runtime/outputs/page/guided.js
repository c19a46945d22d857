// A guided session: shows what to say, sends what the person answers, and plays the clips.

import { byId, element, say } from "./elements.js";

let question = null; // the number of the question that waits for an answer
let clip = null; // the number of the clip that plays
let player = null;
let stream = null;

function show(state) {
  const { prompt } = state;
  say(byId("emotion"), prompt ? prompt.label : "the session has ended");
  say(byId("cue"), prompt?.cue ?? "");
  say(byId("sentence"), prompt?.sentence ?? "");
  say(byId("progress"), prompt ? `clip ${state.done + 1} of ${state.total}` : "");
  showLevel(state.level);
  showChoices(state);
  const told = state.told ?? [];
  byId("told").replaceChildren(...told.map((text) => element("li", "", text)));
  play(state.clip ?? null);
  if (state.ended) {
    stream.close();
    status("live", "ended");
  }
}

function showLevel(level) {
  const dbfs = level ? Math.max(-60, Math.min(0, level.dbfs)) : -60;
  byId("level").setAttribute("aria-valuenow", Math.round(dbfs));
  byId("level").firstElementChild.style.width = `${100 * (dbfs + 60) / 60}%`;
  const loud = level?.clipped ? ", too loud" : "";
  say(byId("level-text"), level ? `${level.seconds.toFixed(1)} s${loud}` : "–");
}

function showChoices(state) {
  if (state.question === question && state.choices?.length) return;
  question = state.question;
  byId("choices").replaceChildren(...(state.choices ?? []).map(({ key, text }) => {
    const button = element("button", key ? "" : "first", text[0].toUpperCase() + text.slice(1));
    button.type = "button";
    button.addEventListener("click", () => answer(state.question, key));
    return button;
  }));
  byId("choices").querySelector(".first")?.focus({ preventScroll: true });
}

function answer(number, key) {
  return fetch("answer", { method: "POST", body: JSON.stringify({ question: number, key }) })
    .catch(() => {}); // the status shows a lost connection
}

async function play(number) {
  if (number === clip) return;
  clip = number;
  player?.pause();
  player = null;
  if (number === null) return;
  const ended = () => { if (clip === number) answer(question, ""); };
  try {
    const sound = await (await fetch("clip.wav")).blob();
    if (clip !== number) return;
    player = new Audio(URL.createObjectURL(sound));
    player.addEventListener("ended", ended);
    await player.play();
  } catch {
    ended();
  }
}

function status(state, text) {
  byId("status").dataset.state = state;
  say(byId("status"), text);
}

function connect() {
  stream = new EventSource("events");
  stream.addEventListener("session", (message) => {
    const session = JSON.parse(message.data);
    say(byId("source"), session.source);
    status("live", "connected");
    const last = session.log.findLast((record) => record.type === "guided");
    if (last) show(last);
  });
  stream.addEventListener("record", (message) => show(JSON.parse(message.data)));
  stream.addEventListener("error", () => {
    status("gone", "disconnected, trying again");
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  });
}

connect();
