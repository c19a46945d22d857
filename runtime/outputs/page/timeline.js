// The timeline: a row for each emotion, with a stronger colour for a higher score, and below them
// the level. Unsure results are hatched, events are underlined.

import { hour, position } from "./words.js";

export const SPAN_S = 300;
const ROW = 28;
const LEVEL = 34;
const AXIS = 22;
const LINE = 3; // thickness of an event's underline
const LEAST_SCORE = 0.05;

// Draw the last SPAN_S before `end_s`, a time of the audio, on `canvas`.
//
// heard: { labels, results, events, hop_s }; an event is { label, start_s, end_s }.
// colourOf returns a CSS variable's colour. dayAt converts a time of the audio to a Date, or null.
export function drawTimeline(canvas, heard, colours, end_s, dayAt) {
  const style = getComputedStyle(document.documentElement);
  const paint = {
    ratio: window.devicePixelRatio || 1,
    colourOf: (name) => style.getPropertyValue(name).trim(),
  };
  const { labels } = heard;
  canvas.style.minHeight = `${labels.length * ROW + LEVEL + AXIS}px`;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  [canvas.width, canvas.height] = [width, height].map((n) => Math.round(n * paint.ratio));
  paint.draw = canvas.getContext("2d");
  paint.draw.scale(paint.ratio, paint.ratio);
  paint.draw.font = `13px ${getComputedStyle(canvas).fontFamily}`;
  paint.draw.textBaseline = "middle";

  const widest = Math.max(...["level", ...labels].map((l) => paint.draw.measureText(l).width));
  const left = Math.ceil(Math.min(widest, 0.3 * width)) + 12;
  const row = (height - LEVEL - AXIS) / labels.length;
  const plot = {
    left, width, height, row, end_s,
    bottom: height - AXIS,
    x: (time_s) => left + (width - left) * (1 - (end_s - time_s) / SPAN_S),
    top: (index) => Math.round(index * row) + 1,
    tall: (index) => Math.round((index + 1) * row) - Math.round(index * row) - LINE - 3,
  };
  const cells = cellsOf(heard, plot, paint.ratio);
  labels.forEach((label, index) => {
    drawName(paint, plot, label, (index + 0.5) * row);
    drawRow(paint, plot, cells, label, paint.colourOf(colours[label]), index);
  });
  drawName(paint, plot, "level", plot.bottom - LEVEL / 2 + 2);
  drawLevels(paint, plot, cells);
  for (const event of heard.events) drawEvent(paint, plot, event, labels.indexOf(event.label));
  drawAxis(paint, plot, dayAt);
}

// Return the visible results with their positions, in whole pixels of the screen, so that
// neighbours neither overlap nor leave a seam. Audio without a result gets no cell.
function cellsOf(heard, plot, ratio) {
  const snap = (time_s) => Math.max(plot.left, Math.round(plot.x(time_s) * ratio) / ratio);
  return heard.results.map((result, index) => {
    const earliest = result.time_s - Math.max(2 * heard.hop_s, 1.5);
    const before = index ? heard.results[index - 1].time_s : result.time_s - heard.hop_s;
    return { result, from: snap(Math.max(before, earliest)), to: snap(result.time_s) };
  }).filter((cell) => cell.to > cell.from);
}

function drawName(paint, plot, name, y) {
  const { draw } = paint;
  draw.fillStyle = paint.colourOf("--text");
  let shown = name;
  while (draw.measureText(shown).width > plot.left - 10 && shown.length > 1) {
    shown = `${[...shown].slice(0, shown.endsWith("…") ? -2 : -1).join("")}…`;
  }
  draw.fillText(shown, 0, y);
}

function drawRow(paint, plot, cells, label, colour, index) {
  const { draw } = paint;
  const [top, tall] = [plot.top(index), plot.tall(index)];
  draw.fillStyle = paint.colourOf("--void");
  draw.fillRect(plot.left, top, plot.width - plot.left, tall);
  const hatch = hatching(paint, plot, colour);
  for (const { result, from, to } of cells) {
    draw.globalAlpha = 1;
    draw.fillStyle = paint.colourOf("--track");
    draw.fillRect(from, top, to - from, tall);
    const score = result.scores[label] ?? 0;
    if (score < LEAST_SCORE) continue;
    draw.globalAlpha = result.sure ? score : 0.3 * score;
    draw.fillStyle = colour;
    draw.fillRect(from, top, to - from, tall);
    if (result.sure) continue;
    draw.globalAlpha = score;
    draw.fillStyle = hatch;
    draw.fillRect(from, top, to - from, tall);
  }
  draw.globalAlpha = 1;
}

// Make a pattern of diagonal lines that moves with the timeline.
function hatching(paint, plot, colour) {
  const size = Math.round(8 * paint.ratio);
  const tile = document.createElement("canvas");
  [tile.width, tile.height] = [size, size];
  const draw = tile.getContext("2d");
  draw.strokeStyle = colour;
  draw.lineWidth = size / 3.5;
  for (const shift of [-size, 0, size]) {
    draw.moveTo(shift - size / 2, size * 1.5);
    draw.lineTo(shift + size * 1.5, -size / 2);
  }
  draw.stroke();
  const pattern = paint.draw.createPattern(tile, "repeat");
  const moved = Math.round(plot.x(0) * paint.ratio) % size;
  pattern.setTransform(new DOMMatrix().scale(1 / paint.ratio).translate(moved, 0));
  return pattern;
}

function drawLevels(paint, plot, cells) {
  for (const { result, from, to } of cells) {
    const share = Math.max(0, Math.min(1, (result.level_dbfs + 60) / 60));
    const tall = Math.max(1, share * (LEVEL - 6));
    paint.draw.fillStyle = paint.colourOf(result.clipped ? "--bad" : "--level");
    paint.draw.fillRect(from, plot.bottom - tall, to - from, tall);
  }
}

function drawEvent(paint, plot, event, index) {
  const from = Math.max(plot.left, plot.x(event.start_s));
  const to = plot.x(event.end_s);
  if (to <= plot.left || index < 0) return;
  paint.draw.fillStyle = paint.colourOf("--text");
  paint.draw.fillRect(from, plot.top(index) + plot.tall(index) + 1, Math.max(2, to - from), LINE);
}

// Draw the axis: whole minutes of the day, or of a recording; at the right end, now.
function drawAxis(paint, plot, dayAt) {
  const { draw } = paint;
  const y = plot.bottom + AXIS / 2 + 2;
  draw.fillStyle = paint.colourOf("--quiet");
  const end = dayAt(plot.end_s);
  const endText = end ? "now" : position(plot.end_s);
  draw.textAlign = "right";
  draw.fillText(endText, plot.width, y);
  const free = plot.width - draw.measureText(endText).width - 12;

  const step = plot.width - plot.left < 420 ? 120 : 60;
  // Seconds since the last whole step, of the day or of the recording.
  const since = end ? (end.getMinutes() * 60 + end.getSeconds() + end.getMilliseconds() / 1000)
    % step : plot.end_s % step;
  draw.textAlign = "center";
  for (let at_s = plot.end_s - since; at_s > plot.end_s - SPAN_S; at_s -= step) {
    if (!end && at_s < 0) break;
    const text = end ? hour(dayAt(at_s), false) : position(at_s);
    const [x, half] = [plot.x(at_s), draw.measureText(text).width / 2];
    draw.fillRect(Math.round(x), plot.bottom, 1, 4);
    if (x - half >= plot.left && x + half <= free) draw.fillText(text, x, y);
  }
  draw.textAlign = "left";
}
