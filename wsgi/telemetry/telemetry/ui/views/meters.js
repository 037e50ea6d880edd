// The meters, each once. All are loaded, a page after the other, so that a part of a name finds them.

import { list } from "../api.js";
import { count, element, field, input, link, notice, table } from "../dom.js";
import { fill } from "../loading.js";

const PAGE = "1000";
const MOST = 20_000;

export function show(page, parameters, { signal }) {
  const search = input("search", parameters.get("search") ?? "", { type: "search" });
  const region = element("section", { "aria-label": "List of meters" });
  const rest = element("p", { class: "soft", role: "status" });
  page.append(
    element("p", { class: "lead" }, "What is measured. Choose a meter to draw it."),
    element("div", { class: "query" }, field("Name contains", search)), region, rest);
  let meters = [];
  function draw() {
    const text = search.value.trim().toLowerCase();
    const chosen = text ? meters.filter((meter) => meter.name.toLowerCase().includes(text)) : meters;
    return chosen.length === 0
      ? notice("note", `No meter has ${text} in its name.`, "Try a shorter part of the name.")
      : listed(chosen);
  }
  let delay = 0;
  search.addEventListener("input", () => {
    clearTimeout(delay);
    delay = setTimeout(() => {
      if (!signal.aborted && meters.length > 0) region.replaceChildren(draw());
    }, 150);
  });
  fill(region, signal, async (stop) => {
    const first = await list("meters", [["unique", "true"], ["limit", PAGE]], { signal: stop });
    meters = first.body;
    if (meters.length === 0) return empty();
    others(first.next);
    return draw();
  });
  // Load the other pages behind the first one, which is shown already.
  async function others(marker) {
    try {
      while (marker && meters.length < MOST) {
        rest.textContent = `Loading: ${count(meters.length)} meters until now …`;
        const more = await list("meters", [["unique", "true"], ["limit", PAGE], ["marker", marker]], { signal });
        meters = meters.concat(more.body);
        marker = more.next;
        if (signal.aborted) return;
      }
      rest.textContent = marker
        ? `These are the first ${count(meters.length)} meters. Type the name of another one on the page Chart.` : "";
    } catch (error) {
      if (signal.aborted) return;
      rest.textContent = `The other meters are missing. ${error.message} ${error.detail ?? ""}`;
    }
    // Somebody may be reading a later page of the table.
    if (region.querySelector(".pager button:enabled")?.textContent !== "Previous") region.replaceChildren(draw());
  }
}

function listed(meters) {
  return table("Meters", [
    { title: "Meter", of: (meter) => link("chart", { meter: meter.name }, meter.name) },
    { title: "Kind", of: (meter) => meter.type },
    { title: "Unit", of: (meter) => meter.unit },
  ], meters);
}

function empty() {
  return notice("note", "There are no meters yet.",
    "A meter appears with its first sample. Post one to see it here:",
    element("pre", { tabindex: "0" }, "ceilometer sample-create -r RESOURCE -m METER --meter-type gauge --meter-unit % "
      + "--sample-volume 1"),
    "If you expect meters, you may be signed in for another project.");
}
