// Times. The API writes them in UTC without a zone; here they are milliseconds since 1970.

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const RANGES = [
  ["hour", "Last hour", HOUR],
  ["6hours", "Last 6 hours", 6 * HOUR],
  ["day", "Last day", DAY],
  ["week", "Last week", 7 * DAY],
  ["month", "Last 30 days", 30 * DAY],
  ["year", "Last year", 365 * DAY],
  ["all", "All times", Infinity],
  ["own", "From … to …", NaN],
];

// Return a time of the API, or null.
export function parsed(text) {
  if (!text) return null;
  const complete = text.trim().replace(" ", "T");
  const time = Date.parse(/T.*(Z|[+-]\d\d:?\d\d)$/i.test(complete) || !complete.includes("T") ? complete : `${complete}Z`);
  return Number.isNaN(time) ? null : time;
}

// Return a time as the API takes it.
export function written(time) {
  return new Date(time).toISOString().slice(0, 19);
}

// Return a time as a person reads it, to the second or, if it has none, to the minute.
export function shown(time) {
  if (time === null || time === undefined) return "";
  const text = new Date(time).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, text.slice(17, 19) === "00" ? 16 : 19)}`;
}

// Return a duration in seconds in the largest unit that makes it a whole number.
export function duration(seconds) {
  for (const [unit, size] of [["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= size && seconds % size === 0) {
      const number = seconds / size;
      return number === 1 ? `1 ${unit}` : `${number} ${unit}s`;
    }
  }
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}

export const PERIODS = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800, 2592000];
const DRAWN = 120;

// Return the shortest period, in seconds, by which a range in milliseconds has few enough points to be drawn.
export function fitting(range, points = DRAWN) {
  return PERIODS.find((period) => range / (period * SECOND) <= points)
    ?? Math.ceil(range / SECOND / points / 86400) * 86400;
}

// Return what is wrong with the beginning and end that parameters of a view name, or null.
export function wrong(parameters) {
  if (parameters.get("range") !== "own") return null;
  const [from, to] = ["from", "to"].map((name) => parameters.get(name) ?? "");
  for (const text of [from, to]) {
    if (text && parsed(text) === null) return [`${text} is no time.`, "Write it as 2026-01-31T12:00."];
  }
  if (!from && !to) return ["Choose a beginning or an end.", "From and to are empty."];
  if (from && to && parsed(from) >= parsed(to)) return ["The time ends before it begins.", "Exchange from and to."];
  return null;
}

// Return the start and end that parameters of a view name, each null for no limit.
export function limits(parameters, now = Date.now()) {
  const range = parameters.get("range") || "day";
  if (range === "own") return [parsed(parameters.get("from")), parsed(parameters.get("to"))];
  const length = RANGES.find(([name]) => name === range)?.[2] ?? DAY;
  return length === Infinity ? [null, null] : [now - length, null];
}
