// Fields of forms that several views have.

import { choice, element, field, input } from "../dom.js";
import { RANGES } from "../times.js";

// Return the fields of a time: a range, and the beginning and end of a range of one's own.
export function timeFields(parameters) {
  const range = choice("range", RANGES.map(([name, text]) => [name, text]), parameters.get("range") ?? "day");
  const time = (name) => input(name, parameters.get(name) ?? "", { type: "datetime-local", step: "1" });
  const own = element("div", { class: "part" }, field("From (UTC)", time("from")), field("To (UTC)", time("to")));
  function adapt() {
    own.hidden = range.value !== "own";
    for (const control of own.querySelectorAll("input")) control.disabled = own.hidden;
  }
  range.addEventListener("change", adapt);
  adapt();
  return [field("Time", range), own];
}
