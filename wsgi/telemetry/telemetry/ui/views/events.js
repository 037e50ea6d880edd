// Events with their traits, and one event.

import { ask, conditions, list, named } from "../api.js";
import { choice, element, facts, field, form, input, link, notice, table } from "../dom.js";
import { fill } from "../loading.js";
import { limits, parsed, shown, written, wrong } from "../times.js";
import { timeFields } from "./fields.js";
import { paged } from "./resources.js";

const OPERATORS = [["eq", "="], ["ne", "≠"], ["lt", "<"], ["le", "≤"], ["gt", ">"], ["ge", "≥"]];
const KINDS = [["string", "text"], ["integer", "whole number"], ["float", "number"], ["datetime", "time (UTC)"]];

export function show(page, parameters, { signal }) {
  const get = (name, otherwise = "") => parameters.get(name) ?? otherwise;
  const types = element("datalist", { id: "event-types" });
  const region = element("section", { "aria-label": "List of events" });
  page.append(
    element("p", { class: "lead" }, "What has happened, oldest first."),
    form("events", [
      field("Event type", input("type", get("type"), { type: "search", list: "event-types" }), "The whole type; empty for all"),
      types,
      timeFields(parameters),
      element("fieldset", { class: "part" }, element("legend", {}, "With a trait"),
        field("Trait", input("trait", get("trait"))),
        field("Comparison", choice("op", OPERATORS, get("op", "eq"))),
        field("Value", input("value", get("value"))),
        field("Kind", choice("kind", KINDS, get("kind", "string")))),
      element("button", { type: "submit", class: "main" }, "Show"),
    ]), region);
  // A caller of one project may not ask for the types. Then the field has no suggestions.
  list("event_types", [], { signal })
    .then(({ body }) => types.append(...body.slice(0, 500).map((value) => element("option", { value }))), () => {});
  const [from, to] = limits(parameters);
  const fault = wrong(parameters);
  if (fault) {
    region.append(notice("warn", ...fault));
    return;
  }
  const triples = [];
  if (get("type")) triples.push(["event_type", "eq", get("type")]);
  if (from !== null) triples.push(["start_timestamp", "ge", written(from)]);
  if (to !== null) triples.push(["end_timestamp", "lt", written(to)]);
  if (get("trait")) triples.push([get("trait"), get("op", "eq"), get("value"), get("kind", "string")]);
  paged(region, signal, "events", conditions(triples), listed, () => notice("note", "There is no event here.",
    element("p", {}, "Choose a longer time, or ", link("events", { range: "all" }, "show all events"), "."),
    "Events come from the message bus, or from clients that post them."));
}

function listed(events) {
  return table("Events", [
    { title: "Event", of: (one) => link("event", { id: one.message_id }, one.event_type) },
    { title: "Time (UTC)", of: (one) => shown(parsed(one.generated)), class: "time" },
    { title: "Traits", of: (one) => brief(one.traits ?? []) },
  ], events);
}

const BRIEF = 4;

function brief(traits) {
  if (traits.length === 0) return element("span", { class: "soft" }, "none");
  return element("ul", { class: "pairs" },
    traits.slice(0, BRIEF).map((trait) => element("li", {},
      element("span", { class: "soft" }, trait.name), " ", cut(trait.value))),
    traits.length > BRIEF && element("li", { class: "soft" }, `and ${traits.length - BRIEF} more`));
}

function cut(value) {
  return value.length > 80 ? `${value.slice(0, 80)}…` : value;
}

export function showOne(page, parameters, { signal, heading }) {
  const id = parameters.get("id") ?? "";
  if (!id) {
    page.append(notice("warn", "The address names no event.", link("events", {}, "Choose one")));
    return;
  }
  const region = element("section", { "aria-label": "The event" });
  page.append(region);
  fill(region, signal, async (stop) => {
    const { body: one } = await ask(`events/${named(id)}`, [], { signal: stop });
    heading.replaceChildren("Event ", element("span", { class: "id" }, one.event_type));
    const raw = one.raw && Object.keys(one.raw).length > 0;
    return [
      facts([
        ["Time", `${shown(parsed(one.generated))} UTC`],
        ["Message id", element("span", { class: "id" }, one.message_id)],
        ["Others", link("events", { type: one.event_type, range: "all" }, "All events of this type")],
      ]),
      element("h2", {}, "Traits"),
      one.traits?.length
        ? table("Traits", [
          { title: "Trait", of: (trait) => trait.name },
          { title: "Value", of: (trait) => trait.value, class: "long" },
          { title: "Kind", of: (trait) => trait.type, class: "wide" },
          { title: "Search", of: (trait) => link("events", {
            range: "all", trait: trait.name, op: "eq", value: trait.value, kind: trait.type,
          }, "Others with it"), class: "wide" },
        ], one.traits)
        : element("p", { class: "soft" }, "The event has none."),
      raw && [element("h2", {}, "The message"), element("pre", { tabindex: "0" }, JSON.stringify(one.raw, null, 2))],
    ];
  });
}
