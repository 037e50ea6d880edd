// A chart of lines over time, as SVG. It can be read by pointer and by the arrow keys.

import { element, svg } from "./dom.js";
import { DAY, HOUR, MINUTE, SECOND, shown } from "./times.js";

export const LINES = 8;
const HEIGHT = 340;
const SPACE = { top: 14, right: 16, bottom: 34, left: 64 };
const STEPS = [
  SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR,
  6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 91 * DAY, 182 * DAY, 365 * DAY, 5 * 365 * DAY,
];

// Return a number as a person reads it.
export function figure(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e12 || size < 1e-3)) return value.toExponential(2).replace("e+", "e");
  const text = size >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
  const [whole, rest] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f").replace("-", "−");
  return rest ? `${grouped}.${rest}` : grouped;
}

// Return a function that writes the numbers of a column with as many decimals as the largest of them needs.
export function alike(values) {
  const known = values.filter((value) => typeof value === "number");
  const largest = known.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (largest >= 1e12 || (largest > 0 && largest < 1e-2) || known.every(Number.isInteger)) return figure;
  const decimals = Math.max(0, Math.min(4, 3 - Math.floor(Math.log10(largest || 1))));
  return (value) => {
    if (typeof value !== "number") return figure(value);
    const [whole, rest] = value.toFixed(decimals).split(".");
    return [whole.replace(/\B(?=(\d{3})+$)/g, "\u202f").replace("-", "−"), rest].filter((part) => part !== undefined).join(".");
  };
}

// Return the short form of a number at the axis.
function atAxis(value) {
  for (const [letter, size] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e4]]) {
    if (Math.abs(value) >= size && Math.abs(value) < 1e15) {
      const unit = letter === "k" ? 1e3 : size;
      return `${String(Number((value / unit).toPrecision(4))).replace("-", "−")}\u202f${letter}`;
    }
  }
  return figure(value);
}

// Return about five round numbers that enclose a range.
function marks(low, high) {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / 4;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * size >= rough) * size;
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  return Array.from({ length: last - first + 1 }, (_, number) => (first + number) * step);
}

function instants(from, to, width) {
  const most = Math.max(2, Math.floor(width / 90));
  const step = STEPS.find((one) => (to - from) / one <= most) ?? Math.ceil((to - from) / most / DAY) * DAY;
  const made = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) made.push(time);
  return { made, step };
}

function instant(time, step, before) {
  const text = new Date(time).toISOString();
  if (step >= DAY) return text.slice(0, 10);
  const clock = text.slice(11, step < MINUTE ? 19 : 16);
  return before === undefined || Math.floor(before / DAY) !== Math.floor(time / DAY) ? [text.slice(5, 10), clock] : clock;
}

// Return a chart. `series` is a list of {name, points}, a point {at, end, value, low, high} with times in milliseconds and
// values that may be null. `unit` stands at the axis. `threshold` is a number or null. `label` says what the chart shows.
export function chart({ series, unit, threshold = null, label, from, to, period }) {
  const times = [...new Set(series.flatMap((one) => one.points.map((point) => point.at)))].sort((a, b) => a - b);
  const of = series.map((one) => new Map(one.points.map((point) => [point.at, point])));
  const box = element("div", { class: "plot" });
  const readout = element("div", { class: "readout", "aria-hidden": "true" });
  readout.hidden = true;
  const control = element("div", {
    class: "reader", tabindex: "0", role: "slider", "aria-label": `${label}. The arrow keys read the figures`,
    "aria-valuemin": 0, "aria-valuemax": times.length - 1, "aria-valuenow": 0,
  });
  const legend = element("ul", { class: "legend" }, series.map((one, number) => element("li", {},
    svg("svg", { class: "key", viewBox: "0 0 28 10", "aria-hidden": "true" },
      svg("line", { class: `line s${number}`, x1: 1, y1: 5, x2: 27, y2: 5 })),
    one.name)));
  const whole = element("figure", { class: "chart" }, box, readout, control,
    (series.length > 1 || series[0]?.named) && legend);
  let place = -1;
  let scale = null;
  let cursor = null;

  function draw() {
    const width = Math.max(280, box.clientWidth);
    const values = series.flatMap((one) => one.points.flatMap((point) => (
      series.length === 1 ? [point.value, point.low, point.high] : [point.value])));
    if (threshold !== null) values.push(threshold);
    const known = values.filter((value) => value !== null && value !== undefined);
    let low = known.reduce((a, b) => Math.min(a, b), Infinity);
    const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
    // A scale from 0, unless the lines would be flat.
    if (low > 0 && low < 0.7 * high) low = 0;
    const ticks = marks(low, high);
    const [bottom, top] = [ticks[0], ticks.at(-1)];
    const right = width - SPACE.right;
    const x = (time) => SPACE.left + ((time - from) / (to - from || 1)) * (right - SPACE.left);
    const y = (value) => HEIGHT - SPACE.bottom - ((value - bottom) / (top - bottom)) * (HEIGHT - SPACE.bottom - SPACE.top);
    scale = { x, y, width };
    const picture = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, "aria-hidden": "true" });
    for (const tick of ticks) {
      picture.append(
        svg("line", { class: tick === 0 ? "grid zero" : "grid", x1: SPACE.left, x2: right, y1: y(tick), y2: y(tick) }),
        svg("text", { class: "tick", x: SPACE.left - 8, y: y(tick) + 4, "text-anchor": "end" }, atAxis(tick)));
    }
    const { made, step } = instants(from, to, right - SPACE.left);
    made.forEach((time, number) => {
      const text = [instant(time, step, made[number - 1])].flat();
      const spot = Math.min(Math.max(x(time), SPACE.left), right - 14);
      picture.append(
        svg("line", { class: "grid tooth", x1: x(time), x2: x(time), y1: HEIGHT - SPACE.bottom, y2: HEIGHT - SPACE.bottom + 5 }),
        svg("text", { class: "tick", x: spot, y: HEIGHT - SPACE.bottom + 18, "text-anchor": "middle" },
          text.length === 1 ? text[0] : [
            svg("tspan", {}, text[1]), svg("tspan", { class: "date", x: spot, dy: 13 }, text[0])]));
    });
    series.forEach((one, number) => {
      const parts = runs(one.points, period);
      if (series.length === 1) {
        for (const part of parts) picture.append(svg("path", { class: `band s${number}`, d: band(part, x, y) }));
      }
      for (const part of parts) {
        if (part.length === 1) {
          picture.append(svg("circle", { class: `dot s${number}`, cx: x(middle(part[0])), cy: y(part[0].value), r: 3 }));
        } else {
          const path = part.map((point) => `${x(middle(point)).toFixed(1)} ${y(point.value).toFixed(1)}`).join("L");
          picture.append(svg("path", { class: `line s${number}`, d: `M${path}` }));
        }
      }
    });
    if (threshold !== null) {
      picture.append(
        svg("line", { class: "threshold", x1: SPACE.left, x2: right, y1: y(threshold), y2: y(threshold) }),
        svg("text", { class: "threshold", x: right, y: y(threshold) - 6, "text-anchor": "end" },
          `threshold ${figure(threshold)}`));
    }
    cursor = svg("line", { class: "cursor", y1: SPACE.top, y2: HEIGHT - SPACE.bottom });
    picture.append(cursor);
    box.replaceChildren(picture);
    point();
  }

  // Show the figures at the place of the pointer or of the arrow keys.
  function point() {
    const chosen = place >= 0;
    readout.hidden = !chosen;
    cursor.setAttribute("visibility", chosen ? "visible" : "hidden");
    if (!chosen) return;
    const time = times[place];
    const there = of.map((one, number) => [number, series[number].name, one.get(time)]).filter(([, , found]) => found);
    const end = there[0][2].end;
    const head = `${shown(time)} to ${shown(end).slice(Math.floor(time / DAY) === Math.floor(end / DAY) ? 11 : 0)} UTC`;
    const text = (found) => `${figure(found.value)}${unit ? ` ${unit}` : ""}`;
    control.setAttribute("aria-valuenow", place);
    control.setAttribute("aria-valuetext",
      `${head}: ${there.map(([, name, found]) => `${there.length > 1 ? `${name} ` : ""}${text(found)}`).join(", ")}`);
    readout.replaceChildren(
      element("p", { class: "soft" }, head),
      element("ul", {}, there.map(([number, name, found]) => element("li", {},
        svg("svg", { class: "key", viewBox: "0 0 28 10" },
          svg("line", { class: `line s${number}`, x1: 1, y1: 5, x2: 27, y2: 5 })),
        series.length > 1 && element("span", { class: "name" }, name), element("strong", {}, text(found)),
        series.length === 1 && found.low !== undefined && found.low !== null
          && element("span", { class: "soft" }, `${figure(found.low)} to ${figure(found.high)}`)))));
    const left = scale.x(middle(there[0][2]));
    cursor.setAttribute("x1", left);
    cursor.setAttribute("x2", left);
    const size = readout.offsetWidth;
    readout.style.left = `${left + 14 + size > scale.width ? Math.max(0, left - 14 - size) : left + 14}px`;
  }

  function nearest(event) {
    const spot = event.clientX - box.getBoundingClientRect().left;
    let best = 0;
    times.forEach((time, number) => {
      const distance = (one) => Math.abs(scale.x(one + (period * SECOND) / 2) - spot);
      if (distance(time) < distance(times[best])) best = number;
    });
    return best;
  }

  control.addEventListener("pointermove", (event) => { place = nearest(event); point(); });
  control.addEventListener("pointerdown", (event) => { place = nearest(event); point(); });
  control.addEventListener("pointerleave", () => { if (document.activeElement !== control) { place = -1; point(); } });
  control.addEventListener("focus", () => { if (place < 0) { place = times.length - 1; point(); } });
  control.addEventListener("blur", () => { place = -1; point(); });
  control.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.round(times.length / 10));
    const moves = {
      ArrowRight: place + 1, ArrowUp: place + 1, ArrowLeft: place - 1, ArrowDown: place - 1, Home: 0, End: times.length - 1,
      PageUp: place + page, PageDown: place - page,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    place = Math.min(Math.max(moves[event.key], 0), times.length - 1);
    point();
  });
  new ResizeObserver(() => {
    if (box.isConnected && scale?.width !== Math.max(280, box.clientWidth)) draw();
  }).observe(box);
  return whole;
}

// A value stands for its whole period, so it is drawn in the middle of the period.
function middle(point) {
  return (point.at + point.end) / 2;
}

// Return the points in parts that have no gap: a period without samples breaks the line.
function runs(points, period) {
  const parts = [];
  let before = null;
  for (const point of points) {
    if (point.value === null || point.value === undefined) {
      before = null;
      continue;
    }
    if (before !== null && point.at - before.at <= period * SECOND * 1.5) parts.at(-1).push(point);
    else parts.push([point]);
    before = point;
  }
  return parts;
}

function band(part, x, y) {
  if (part.length < 2 || part.some((point) => point.low === null || point.low === undefined)) return "";
  const line = (points, of) => points.map((point) => `${x(middle(point)).toFixed(1)} ${y(of(point)).toFixed(1)}`).join("L");
  return `M${line(part, (point) => point.high)}L${line([...part].reverse(), (point) => point.low)}Z`;
}
