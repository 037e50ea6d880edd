// Resources, and what is known of one of them.

import { ask, conditions, list, named } from "../api.js";
import { choice, element, facts, field, form, input, link, notice, table } from "../dom.js";
import { fill } from "../loading.js";
import { parsed, shown } from "../times.js";

const PAGE = "50";
const FIELDS = [
  ["resource_id", "Resource id"], ["project_id", "Project id"], ["user_id", "User id"], ["source", "Source"],
];

export function show(page, parameters, { signal }) {
  const name = parameters.get("field") ?? "resource_id";
  const value = parameters.get("value") ?? "";
  const region = element("section", { "aria-label": "List of resources" });
  page.append(
    element("p", { class: "lead" }, "What samples were measured of, by id."),
    form("resources", [
      field("Show where", choice("field", FIELDS, name)),
      field("is", input("value", value, { type: "search" }), "The whole value; empty for all resources"),
      element("button", { type: "submit", class: "main" }, "Show"),
    ]), region);
  paged(region, signal, "resources", [["meter_links", "0"], ...(value ? conditions([[name, "eq", value]]) : [])],
    (resources) => table("Resources", [
      { title: "Resource", of: (one) => link("resource", { id: one.resource_id }, one.resource_id) },
      { title: "Project", of: (one) => one.project_id ?? "", class: "wide" },
      { title: "First sample (UTC)", of: (one) => shown(parsed(one.first_sample_timestamp)), class: "wide time" },
      { title: "Last sample (UTC)", of: (one) => shown(parsed(one.last_sample_timestamp)), class: "time" },
    ], resources),
    () => (value
      ? notice("note", "No resource matches.", "The value has to be the whole one.", link("resources", {}, "Show all resources"))
      : notice("note", "There are no resources yet.",
        "A resource appears with its first sample. If you expect some, you may be signed in for another project.")));
}

// Show a list of which the API returns a page at a time.
export function paged(region, signal, path, query, draw, empty) {
  const markers = [null];
  function load() {
    fill(region, signal, async (stop) => {
      const marker = markers.at(-1);
      const more = marker ? [["marker", marker]] : [];
      const { body, next } = await list(path, [...query, ["limit", PAGE], ...more], { signal: stop });
      if (body.length === 0) return empty();
      const turn = (text, usable, move) => element("button", {
        type: "button", disabled: !usable, on: { click: () => { move(); load(); region.scrollIntoView(); } },
      }, text);
      const pager = (next || markers.length > 1) && element("p", { class: "pager" },
        turn("Previous", markers.length > 1, () => markers.pop()),
        turn("Next", Boolean(next), () => markers.push(next)),
        element("span", { role: "status" }, `Page ${markers.length}`));
      return [draw(body), pager];
    });
  }
  load();
}

export function showOne(page, parameters, { signal, heading }) {
  const id = parameters.get("id") ?? "";
  if (!id) {
    page.append(notice("warn", "The address names no resource.", link("resources", {}, "Choose one")));
    return;
  }
  heading.replaceChildren("Resource ", element("span", { class: "id" }, id));
  const region = element("section", { "aria-label": "The resource" });
  page.append(region);
  fill(region, signal, async (stop) => {
    const { body: one } = await ask(`resources/${named(id)}`, [], { signal: stop });
    const meters = (one.links ?? []).map((entry) => entry.rel).filter((rel) => rel !== "self").sort();
    const known = Object.entries(one.metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      facts([
        ["Project", one.project_id],
        ["User", one.user_id],
        ["Source", one.source],
        ["First sample", utc(one.first_sample_timestamp)],
        ["Last sample", utc(one.last_sample_timestamp)],
      ]),
      element("h2", {}, "Meters"),
      meters.length
        ? element("ul", { class: "tiles" }, meters.map((meter) => element("li", {},
          link("chart", { meter, field: "resource_id", op: "eq", value: id, ...near(one) }, meter))))
        : element("p", { class: "soft" }, "None."),
      element("h2", {}, "Metadata of the last sample"),
      known.length
        ? table("Metadata", [
          { title: "Key", of: ([key]) => element("span", { class: "id" }, key) },
          { title: "Value", of: ([, value]) => String(value), class: "long" },
        ], known)
        : element("p", { class: "soft" }, "The last sample had none."),
    ];
  });
}

function utc(text) {
  const time = parsed(text);
  return time === null ? "" : `${shown(time)} UTC`;
}

// Return the parameters of a chart in which the last sample of a resource is seen.
function near(one) {
  const last = parsed(one.last_sample_timestamp);
  return last !== null && Date.now() - last > 86_400_000 ? { range: "all" } : {};
}
