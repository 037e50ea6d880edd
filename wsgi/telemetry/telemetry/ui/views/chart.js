// A chart of the statistics of a meter, with a period, groups and conditions as the API takes them.

import { conditions, list, named } from "../api.js";
import { alike, chart, figure, LINES } from "../drawing.js";
import { choice, count, element, field, form, input, link, notice, table } from "../dom.js";
import { fill } from "../loading.js";
import { DAY, duration, fitting, limits, parsed, PERIODS, SECOND, shown, written, wrong } from "../times.js";
import { timeFields } from "./fields.js";

const STANDARD = ["avg", "min", "max", "sum", "count"];
const STATISTICS = [
  ["avg", "Average"], ["min", "Minimum"], ["max", "Maximum"], ["sum", "Sum"], ["count", "Number of samples"],
  ["stddev", "Standard deviation"], ["cardinality/resource_id", "Number of resources"],
  ["cardinality/project_id", "Number of projects"], ["cardinality/user_id", "Number of users"],
];
const GROUPS = [
  ["", "Nothing"], ["resource_id", "Resource"], ["project_id", "Project"], ["user_id", "User"], ["source", "Source"],
];
const FIELDS = [
  ["resource_id", "Resource id"], ["project_id", "Project id"], ["user_id", "User id"], ["source", "Source"],
];
const MOST_POINTS = 2000;
const PERIODS_SHOWN = 24;

export function show(page, parameters, { signal, heading }) {
  const wanted = read(parameters);
  if (wanted.meter) heading.replaceChildren("Chart of ", element("span", { class: "id" }, wanted.meter));
  page.append(asking(wanted, parameters));
  const region = element("section", { "aria-label": "Statistics" });
  page.append(region);
  const problem = fault(wanted);
  if (problem) region.append(problem);
  else fill(region, signal, (stop) => statistics(wanted, stop));
}

// Return what the address asks for.
function read(parameters) {
  const all = (name) => parameters.getAll(name);
  const ops = all("op");
  const values = all("value");
  const period = parameters.get("period") ?? "";
  const metadata = (parameters.get("metadata") ?? "").trim();
  const group = parameters.get("groupby") ?? "";
  const threshold = parameters.get("threshold");
  return {
    meter: (parameters.get("meter") ?? "").trim(),
    statistic: parameters.get("statistic") || "avg",
    range: parameters.get("range") || "day",
    limits: limits(parameters),
    wrong: wrong(parameters),
    period,
    other: (parameters.get("seconds") ?? "").trim(),
    group: group === "metadata" ? metadata && `resource_metadata.${metadata.replace(/^(resource_)?metadata\./, "")}` : group,
    metadata,
    threshold: threshold && Number.isFinite(Number(threshold)) ? Number(threshold) : null,
    conditions: all("field").map((name, number) => [name.trim(), ops[number] ?? "eq", values[number] ?? ""])
      .filter(([name, , value]) => name && value),
  };
}

// Return the seconds of the wanted period: null for an automatic one, 0 for none.
function seconds(wanted) {
  const text = wanted.period === "other" ? wanted.other : wanted.period;
  if (text === "" || text === "auto") return null;
  return /^\d{1,9}$/.test(text) ? Number(text) : NaN;
}

function fault(wanted) {
  if (!wanted.meter) {
    return notice("note", "Choose a meter.", element("p", {}, "Type its name above, or ",
      link("meters", {}, "choose one of the list"), "."));
  }
  if (Number.isNaN(seconds(wanted))) {
    return notice("warn", "The period is no whole number of seconds.", "Write it in digits, such as 300.");
  }
  return wanted.wrong && notice("warn", ...wanted.wrong);
}

function asking(wanted, parameters) {
  const other = input("seconds", wanted.other, { inputmode: "numeric", size: "8" });
  const otherField = field("Seconds", other);
  const period = choice("period", [
    ["", "Automatic"], ...PERIODS.map((one) => [String(one), duration(one)]), ["0", "None: one figure"], ["other", "Other …"],
  ], wanted.period);
  const chosen = period.querySelector("option:checked");
  if (chosen && /^\d+$/.test(chosen.textContent)) chosen.textContent = duration(Number(chosen.value));
  const group = choice("groupby", [...GROUPS, ["metadata", "A key of metadata"]],
    wanted.group.startsWith("resource_metadata.") ? "metadata" : wanted.group);
  const key = field("Key", input("metadata", wanted.metadata || wanted.group.replace(/^resource_metadata\./, "")));
  function adapt() {
    for (const [part, used] of [[otherField, period.value === "other"], [key, group.value === "metadata"]]) {
      part.hidden = !used;
      part.querySelector("input").disabled = !used;
    }
  }
  period.addEventListener("change", adapt);
  group.addEventListener("change", adapt);
  adapt();
  const rows = element("div", { class: "rows" });
  const condition = ([name, op, value] = ["resource_id", "eq", ""]) => element("div", { class: "part" },
    field("Only where", choice("field", FIELDS, name)),
    field("is", input("value", value)),
    element("input", { type: "hidden", name: "op", value: op }),
    element("button", { type: "button", on: { click: (event) => event.currentTarget.parentElement.remove() } }, "Remove"));
  rows.append(...wanted.conditions.map(condition));
  const add = element("button", { type: "button", on: { click: () => {
    const made = condition();
    rows.append(made);
    made.querySelector("select").focus();
  } } }, "Add a condition");
  const threshold = parameters.get("threshold");
  return form("chart", [
    field("Meter", input("meter", wanted.meter, { type: "search" })),
    field("Statistic", choice("statistic", STATISTICS, wanted.statistic)),
    timeFields(parameters),
    field("Period", period), otherField,
    field("Group by", group), key,
    rows,
    threshold && element("input", { type: "hidden", name: "threshold", value: threshold }),
    element("div", { class: "buttons" }, element("button", { type: "submit", class: "main" }, "Draw"), add),
  ]);
}

// Return the pairs of a request for statistics.
function query(wanted, from, to, { period = 0, group = wanted.group, only = [] } = {}) {
  const triples = [...wanted.conditions, ...only];
  if (from !== null) triples.push(["timestamp", "ge", written(from)]);
  if (to !== null) triples.push(["timestamp", "lt", written(to)]);
  const pairs = conditions(triples);
  if (period) pairs.push(["period", String(period)]);
  if (group) pairs.push(["groupby", group]);
  const [func, parameter] = wanted.statistic.split("/");
  if (!STANDARD.includes(func)) {
    // The standard statistics have to be named, too, as soon as another one is.
    for (const name of STANDARD) pairs.push(["aggregate.func", name]);
    pairs.push(["aggregate.func", func]);
    if (parameter) pairs.push(["aggregate.param", parameter]);
  }
  return pairs;
}

// There may be more numbers than a function takes arguments.
function least(numbers) {
  return numbers.reduce((a, b) => Math.min(a, b), Infinity);
}

function most(numbers) {
  return numbers.reduce((a, b) => Math.max(a, b), -Infinity);
}

function valueOf(row, statistic) {
  return row.aggregate?.[statistic] ?? row[statistic] ?? null;
}

function groupOf(row, wanted) {
  if (!wanted.group) return "";
  const values = Object.values(row.groupby ?? {});
  return values.map((value) => (value === null || value === "" ? "none" : String(value))).join(", ") || "none";
}

function nameOf(row, wanted, units) {
  const group = groupOf(row, wanted);
  return units > 1 ? [group, row.unit].filter(Boolean).join(" in ") : group;
}

async function statistics(wanted, signal) {
  let [from, to] = wanted.limits;
  const chosen = seconds(wanted);
  let period = chosen;
  if (wanted.range !== "own" && from !== null) {
    // A time that ends now has periods that begin at round times.
    // The API is asked for whole seconds, and the last one counts.
    to = (Math.floor(Date.now() / SECOND) + 1) * SECOND;
    period ??= fitting(to - from);
    from = period ? Math.floor(from / (period * SECOND)) * period * SECOND : from;
  }
  const path = `meters/${named(wanted.meter)}/statistics`;
  const asked = async (options) => (await list(path, query(wanted, from, to, options), { signal })).body;
  // One row for each group and unit says what there is, before the periods are asked for.
  const totals = (await asked({})).filter((row) => row.count !== 0);
  if (totals.length === 0) return nothing(wanted, signal);
  const first = least(totals.map((row) => parsed(row.duration_start)));
  const last = most(totals.map((row) => parsed(row.duration_end)));
  period ??= fitting((to ?? last) - (from ?? first));
  const units = new Set(totals.map((row) => row.unit)).size;
  const order = (a, b) => (valueOf(b, wanted.statistic) ?? -Infinity) - (valueOf(a, wanted.statistic) ?? -Infinity);
  totals.sort(order);
  const whole = summary(wanted, totals, units, first, last);
  if (period === 0) return [whole, totalsTable(wanted, totals, units)];
  const points = Math.ceil((last - first) / (period * SECOND));
  if (points > MOST_POINTS) {
    const better = fitting(last - first);
    return [whole, notice("warn", `A period of ${duration(period)} makes ${count(points)} points of this time.`,
      `At most ${count(MOST_POINTS)} are drawn.`,
      link("chart", { ...back(wanted), period: String(better), seconds: "" }, `Use a period of ${duration(better)}`)),
    totalsTable(wanted, totals, units)];
  }
  if (from === null) from = Math.floor(first / (period * SECOND)) * period * SECOND;
  const rows = (await periods(wanted, totals, period, asked)).filter((row) => row.count !== 0);
  const series = lines(wanted, rows, totals, units);
  if (series.length === 0) return [whole, notice("warn", "The API has no such statistic.", `It was asked for ${wanted.statistic}.`)];
  const unit = new Set(series.map((one) => one.unit)).size === 1 && inUnit(wanted) ? series[0].unit : "";
  const title = STATISTICS.find(([name]) => name === wanted.statistic)?.[1] ?? wanted.statistic;
  const left = totals.length - series.length;
  const drawn = chart({
    series, unit, threshold: wanted.threshold, label: `${title} of ${wanted.meter}`, period,
    from, to: to ?? most(rows.map((row) => parsed(row.period_end))),
  });
  return [
    whole,
    element("p", { class: "about" }, element("strong", {}, title), unit && ` in ${unit}`, `, by periods of ${duration(period)}`,
      series.length === 1 && wanted.statistic === "avg" && ". The band reaches from the minimum to the maximum"),
    drawn,
    left > 0 && element("p", { class: "soft" },
      `The chart has the ${series.length} of ${count(totals.length)} groups with the highest ${title.toLowerCase()}. The table has all.`),
    wanted.group && totalsTable(wanted, totals, units),
    figures(wanted, rows, units),
  ];
}

// Whether the figures of a statistic are in the unit of the meter.
function inUnit(wanted) {
  return wanted.statistic !== "count" && !wanted.statistic.startsWith("cardinality");
}

// Return the rows of all periods. Of many groups, only those that are drawn are asked for.
async function periods(wanted, totals, period, asked) {
  if (totals.length <= LINES) return asked({ period });
  const chosen = totals.slice(0, LINES);
  const answers = await Promise.all(chosen.map(async (total) => {
    const [value] = Object.values(total.groupby ?? {});
    // The text None asks for samples without a user or project. Nothing asks for those without another value.
    const known = value ?? (["user_id", "project_id"].includes(wanted.group) ? "None" : null);
    return known === null || known === "" ? [] : asked({ period, only: [[wanted.group, "eq", String(known)]] });
  }));
  const names = new Set(chosen.map((row) => `${groupOf(row, wanted)}\n${row.unit}`));
  return answers.flat().filter((row) => names.has(`${groupOf(row, wanted)}\n${row.unit}`));
}

// Return the lines of the chart, in the order of the totals.
function lines(wanted, rows, totals, units) {
  const key = (row) => `${groupOf(row, wanted)}\n${row.unit}`;
  const found = new Map(totals.slice(0, LINES).map((row) => [key(row), {
    name: nameOf(row, wanted, units) || wanted.meter, named: Boolean(wanted.group) || units > 1, unit: row.unit, points: [],
  }]));
  for (const row of rows) {
    const value = valueOf(row, wanted.statistic);
    if (value === null) continue;
    found.get(key(row))?.points.push({
      at: parsed(row.period_start), end: parsed(row.period_end), value,
      ...(wanted.statistic === "avg" ? { low: valueOf(row, "min"), high: valueOf(row, "max") } : {}),
    });
  }
  const made = [...found.values()].filter((one) => one.points.length > 0);
  for (const one of made) one.points.sort((a, b) => a.at - b.at);
  return made;
}

// Return the parameters of the address that asks for the same.
function back(wanted) {
  const [from, to] = wanted.limits;
  return {
    meter: wanted.meter, statistic: wanted.statistic, range: wanted.range, period: wanted.period, seconds: wanted.other,
    ...(wanted.range === "own" ? { from: from === null ? "" : written(from), to: to === null ? "" : written(to) } : {}),
    ...(wanted.group.startsWith("resource_metadata.")
      ? { groupby: "metadata", metadata: wanted.group.slice("resource_metadata.".length) } : { groupby: wanted.group }),
    field: wanted.conditions.map(([name]) => name), op: wanted.conditions.map(([, op]) => op),
    value: wanted.conditions.map(([, , value]) => value), threshold: wanted.threshold ?? "",
  };
}

function summary(wanted, totals, units, first, last) {
  const samples = totals.reduce((sum, row) => sum + (valueOf(row, "count") ?? 0), 0);
  const one = totals.length === 1 ? totals[0] : null;
  const unit = one?.unit ? ` ${one.unit}` : "";
  return element("dl", { class: "summary" }, [
    ["Samples", count(samples)],
    one && ["Average", figure(valueOf(one, "avg")) + unit],
    one && ["Minimum", figure(valueOf(one, "min")) + unit],
    one && ["Maximum", figure(valueOf(one, "max")) + unit],
    !one && [units > 1 ? "Groups and units" : "Groups", count(totals.length)],
    ["First sample", `${shown(first)} UTC`],
    ["Last sample", `${shown(last)} UTC`],
  ].filter(Boolean).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function columns(wanted, units, rows) {
  const title = (name) => STATISTICS.find(([one]) => one === name)[1];
  const names = [...new Set([wanted.statistic, ...STANDARD])].filter((name) => STATISTICS.some(([one]) => one === name));
  return [
    ...(units > 1 ? [{ title: "Unit", of: (row) => row.unit }] : []),
    ...names.map((name) => {
      const text = alike(rows.map((row) => valueOf(row, name)));
      return {
        title: title(name), class: name === wanted.statistic ? "num" : "num wide", of: (row) => text(valueOf(row, name)),
      };
    }),
  ];
}

function totalsTable(wanted, totals, units) {
  const longest = most(totals.map((row) => Math.abs(valueOf(row, wanted.statistic) ?? 0)));
  const bar = (row) => {
    const made = element("span", { class: "share" });
    made.style.width = `${longest ? (100 * Math.abs(valueOf(row, wanted.statistic) ?? 0)) / longest : 0}%`;
    return element("span", { class: "bar", "aria-hidden": "true" }, made);
  };
  const only = (row) => {
    const [value] = Object.values(row.groupby ?? {});
    const usable = FIELDS.some(([name]) => name === wanted.group) && value !== null && value !== undefined && value !== "";
    const name = groupOf(row, wanted) || "All samples";
    if (!usable) return name;
    const now = back(wanted);
    return link("chart", {
      ...now, groupby: "", field: [...now.field, wanted.group], op: [...now.op, "eq"], value: [...now.value, value],
    }, name);
  };
  return element("section", { "aria-label": "Figures of the whole time" }, element("h2", {}, "The whole time"),
    table("Figures of the whole time", [
      { title: wanted.group ? (GROUPS.find(([name]) => name === wanted.group)?.[1] ?? wanted.group) : "Samples", of: only },
      { title: "Share", of: bar, class: "wide shares" },
      ...columns(wanted, units, totals),
    ], totals));
}

function figures(wanted, rows, units) {
  const sorted = [...rows].sort((a, b) => parsed(a.period_start) - parsed(b.period_start)
    || (groupOf(a, wanted) < groupOf(b, wanted) ? -1 : 1));
  return element("section", { "aria-label": "Figures of each period" }, element("h2", {}, "Each period"),
    table("Figures of each period", [
      { title: "From (UTC)", of: (row) => shown(parsed(row.period_start)), class: "time" },
      ...(wanted.group ? [{ title: "Group", of: (row) => groupOf(row, wanted) }] : []),
      ...columns(wanted, units, rows),
    ], sorted, PERIODS_SHOWN));
}

// Return what to do where no sample is: the newest sample of the meter says where to look.
async function nothing(wanted, signal) {
  const triples = conditions(wanted.conditions);
  const { body } = await list(`meters/${named(wanted.meter)}`, [...triples, ["limit", "1"]], { signal });
  const newest = parsed(body[0]?.timestamp);
  if (newest === null) {
    return notice("note", `There is no sample of ${wanted.meter}.`,
      wanted.conditions.length ? "The conditions may be too narrow: their values have to be whole ones." : "",
      element("p", {}, "Look at ", link("meters", {}, "the list of meters"), "."));
  }
  const end = (Math.floor(newest / 60_000) + 1) * 60_000;
  const around = { ...back(wanted), range: "own", from: written(end - DAY), to: written(end), period: "", seconds: "" };
  return notice("note", "There is no sample in this time.",
    `The newest sample is of ${shown(newest)} UTC.`,
    element("p", {}, link("chart", around, "Draw the day before it"), " or ",
      link("chart", { ...back(wanted), range: "all" }, "all times"), "."));
}
