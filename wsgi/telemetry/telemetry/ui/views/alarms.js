// Alarms, and one alarm with its history.

import { ask, conditions, list, named } from "../api.js";
import { choice, element, facts, field, form, input, link, notice, table } from "../dom.js";
import { fill } from "../loading.js";
import { duration, parsed, shown } from "../times.js";

const STATES = [["", "All"], ["alarm", "alarm"], ["insufficient data", "insufficient data"], ["ok", "ok"]];
const COMPARED = { lt: "<", le: "≤", eq: "=", ne: "≠", ge: "≥", gt: ">" };
const LEVELS = { ok: "ok", alarm: "bad", "insufficient data": "warn" };

function state(text) {
  return element("span", { class: `state ${LEVELS[text] ?? ""}` }, text);
}

export function show(page, parameters, { signal }) {
  const wanted = parameters.get("state") ?? "";
  const name = parameters.get("name") ?? "";
  const region = element("section", { "aria-label": "List of alarms" });
  page.append(
    element("p", { class: "lead" }, "Alarms and their states, those that fire first."),
    form("alarms", [
      field("State", choice("state", STATES, wanted)),
      field("Name contains", input("name", name, { type: "search" })),
      element("button", { type: "submit", class: "main" }, "Show"),
    ]), region);
  fill(region, signal, async (stop) => {
    const query = wanted ? conditions([["state", "eq", wanted]]) : [];
    const { body } = await list("alarms", query, { signal: stop });
    const order = ["alarm", "insufficient data", "ok"];
    const alarms = body
      .filter((one) => one.name.toLowerCase().includes(name.toLowerCase()))
      .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || (a.name < b.name ? -1 : 1));
    if (alarms.length > 0) return listed(alarms);
    if (wanted || name) {
      return notice("note", "No alarm matches.", link("alarms", {}, "Show all alarms"));
    }
    return notice("note", "There are no alarms yet.", "Make one with the client:",
      element("pre", { tabindex: "0" }, "ceilometer alarm-threshold-create --name NAME -m METER --statistic avg "
        + "--comparison-operator gt --threshold 80"));
  });
}

function listed(alarms) {
  return table("Alarms", [
    { title: "Alarm", of: (one) => link("alarm", { id: one.alarm_id }, one.name) },
    { title: "State", of: (one) => state(one.state) },
    { title: "Since (UTC)", of: (one) => shown(parsed(one.state_timestamp)), class: "wide time" },
    { title: "Severity", of: (one) => one.severity, class: "wide" },
    { title: "Rule", of: (one) => sentence(one), class: "wide" },
    { title: "On", of: (one) => (one.enabled ? "yes" : element("strong", {}, "no")), class: "wide" },
  ], alarms);
}

// Return the rule of an alarm as a sentence.
function sentence(alarm) {
  const rule = alarm[`${alarm.type}_rule`];
  if (!rule) return alarm.type;
  const limit = `${COMPARED[rule.comparison_operator] ?? rule.comparison_operator} ${rule.threshold}`;
  switch (alarm.type) {
    case "threshold":
      return `${rule.statistic} of ${rule.meter_name} ${limit} ${over(rule.evaluation_periods, rule.period)}`;
    case "combination":
      return `${rule.operator === "or" ? "any" : "all"} of ${rule.alarm_ids.length} alarms fire`;
    case "event":
      return `an event ${rule.event_type} arrives`;
    case "gnocchi_resources_threshold":
      return `${rule.aggregation_method} of ${rule.metric} of ${rule.resource_id} ${limit}`;
    case "gnocchi_aggregation_by_metrics_threshold":
      return `${rule.aggregation_method} of ${rule.metrics.join(", ")} ${limit}`;
    case "gnocchi_aggregation_by_resources_threshold":
      return `${rule.aggregation_method} of ${rule.metric} of a ${rule.resource_type} ${limit}`;
    default:
      return alarm.type;
  }
}

function over(periods, period) {
  return periods === 1 ? `over ${duration(period)}` : `in each of ${periods} periods of ${duration(period)}`;
}

export function showOne(page, parameters, { signal, heading }) {
  const id = parameters.get("id") ?? "";
  if (!id) {
    page.append(notice("warn", "The address names no alarm.", link("alarms", {}, "Choose one")));
    return;
  }
  const region = element("section", { "aria-label": "The alarm" });
  const past = element("section", { "aria-label": "History" });
  page.append(region, element("h2", {}, "History"), past);
  fill(region, signal, async (stop) => {
    const { body: one } = await ask(`alarms/${encodeURIComponent(id)}`, [], { signal: stop });
    heading.replaceChildren("Alarm ", element("span", { class: "name" }, one.name));
    const rule = one[`${one.type}_rule`] ?? {};
    return facts([
      ["State", [state(one.state), ` since ${utc(one.state_timestamp)}`]],
      ["Rule", [sentence(one), one.type === "threshold" && [". ", link("chart", drawn(rule), "Draw it")]]],
      ["Samples where", rule.query?.length && one.type !== "gnocchi_aggregation_by_resources_threshold"
        ? rule.query.map((part) => `${part.field} ${COMPARED[part.op] ?? part.op} ${part.value}`).join(" and ") : ""],
      ["Alarms", rule.alarm_ids && element("ul", { class: "tiles" },
        rule.alarm_ids.map((other) => element("li", {}, link("alarm", { id: other }, other))))],
      ["Description", one.description],
      ["Severity", one.severity],
      ["Evaluated", one.enabled ? times(one.time_constraints ?? []) : "no: the alarm is switched off"],
      ["When it fires", actions(one.alarm_actions)],
      ["When it is ok", actions(one.ok_actions)],
      ["Without data", actions(one.insufficient_data_actions)],
      ["Repeated", one.repeat_actions ? "yes, as long as the state lasts" : "no"],
      ["Project", one.project_id],
      ["User", one.user_id],
      ["Changed", utc(one.timestamp)],
      ["Id", element("span", { class: "id" }, one.alarm_id)],
    ]);
  });
  fill(past, signal, async (stop) => {
    const { body } = await list(`alarms/${encodeURIComponent(id)}/history`, [], { signal: stop });
    if (body.length === 0) return element("p", { class: "soft" }, "Nothing is known of the past of this alarm.");
    return table("History", [
      { title: "Time (UTC)", of: (one) => shown(parsed(one.timestamp)), class: "time" },
      { title: "What", of: (one) => one.type },
      { title: "Detail", of: (one) => detail(one) },
      { title: "By", of: (one) => one.user_id ?? "", class: "wide" },
    ], body);
  });
}

function utc(text) {
  const time = parsed(text);
  return time === null ? "an unknown time" : `${shown(time)} UTC`;
}

// Return the parameters of the chart that shows what a threshold rule compares.
function drawn(rule) {
  const part = rule.query ?? [];
  return {
    meter: rule.meter_name, statistic: rule.statistic, period: rule.period, threshold: rule.threshold, range: "6hours",
    field: part.map((one) => one.field), op: part.map((one) => one.op), value: part.map((one) => one.value),
  };
}

function times(constraints) {
  if (constraints.length === 0) return "always";
  return element("ul", { class: "pairs" }, constraints.map((one) => element("li", {},
    `${one.name}: from each ${one.start} (cron${one.timezone ? `, ${one.timezone}` : ", UTC"}), for ${duration(one.duration)}`)));
}

function actions(urls) {
  return urls?.length
    ? element("ul", { class: "pairs" }, urls.map((one) => element("li", { class: "id" }, one))) : "nothing is called";
}

// Return what an entry of the history has changed.
function detail(entry) {
  let value;
  try {
    value = JSON.parse(entry.detail);
  } catch {
    return entry.detail ?? "";
  }
  if (entry.type === "state transition" && typeof value?.state === "string") {
    return element("span", {}, state(value.state), value.transition_reason ? ` ${value.transition_reason}` : "");
  }
  if (value === null || typeof value !== "object") return String(value);
  return element("details", {},
    element("summary", {}, `${Object.keys(value).length} ${Object.keys(value).length === 1 ? "value" : "values"}`),
    element("pre", { tabindex: "0" }, JSON.stringify(value, null, 2)));
}
