// Elements of the page. Every text comes in as a text node or by setAttribute, so that no data becomes HTML.

const SVG = "http://www.w3.org/2000/svg";

// Return an element. `on` in the attributes holds listeners by the names of their events. An attribute that is
// undefined, null or false is left out; true stands for an attribute without a value.
export function element(name, attributes = {}, ...children) {
  return completed(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return completed(document.createElementNS(SVG, name), attributes, children);
}

function completed(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value !== undefined && value !== null && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") made.append(child);
  }
  return made;
}

// Return the address of a view with parameters; empty ones are left out. A list gives a parameter for each item.
export function address(view, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) {
      if (one !== undefined && one !== null && one !== "") query.append(name, one);
    }
  }
  const text = query.toString();
  return `#/${view}${text ? `?${text}` : ""}`;
}

export function link(view, parameters, ...children) {
  return element("a", { href: address(view, parameters) }, ...children);
}

// Return a notice: a sentence in bold, and what explains it. `level` is bad, warn or note.
export function notice(level, title, ...more) {
  return element("div", { class: `notice ${level}`, role: level === "bad" ? "alert" : "note" },
    element("p", {}, element("strong", {}, title)),
    more.filter(Boolean).map((one) => (one instanceof Element && one.tagName !== "A" && one.tagName !== "CODE"
      ? one : element("p", {}, one))));
}

let numbered = 0;

// Return a labelled control of a form.
export function field(label, control, hint = "") {
  const id = (control.id ||= `c${++numbered}`);
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return element("div", { class: "field" },
    element("label", { for: id }, label), control,
    hint && element("span", { class: "hint", id: `${id}-hint` }, hint));
}

// Return a choice. The options are pairs of value and text; a chosen value that is none of them becomes one.
export function choice(name, options, chosen = "", attributes = {}) {
  const all = options.some(([value]) => value === chosen) ? options : [...options, [chosen, chosen]];
  return element("select", { name, ...attributes },
    all.map(([value, text]) => element("option", { value, selected: value === chosen }, text)));
}

export function input(name, value = "", attributes = {}) {
  return element("input", {
    name, value, type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", ...attributes,
  });
}

// Return a form that opens a view with what it holds.
export function form(view, fields, attributes = {}) {
  const made = element("form", { class: "query", ...attributes }, fields);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    const query = {};
    for (const [name, value] of new FormData(made)) (query[name] ??= []).push(value.trim());
    const target = address(view, query);
    if (location.hash === target) window.dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = target;
  });
  return made;
}

// Return a list of names and values, without those whose value is empty.
export function facts(pairs) {
  return element("dl", {}, pairs
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => element("div", { class: "row" }, element("dt", {}, name), element("dd", {}, value))));
}

const ROWS = 100;

// Return a table of as many rows as a browser shows at once, with buttons for the others.
// A column has `title`, `of` (a function from a row to a text or an element), and perhaps `class`. The first column is
// the head of its row.
export function table(caption, columns, rows, size = ROWS) {
  const body = element("tbody");
  const made = element("table", {},
    element("caption", { class: "hidden" }, caption),
    element("thead", {}, element("tr", {},
      columns.map((column) => element("th", { scope: "col", class: column.class }, column.title)))),
    body);
  const whole = element("div", { class: "listed" }, element("div", { class: "scrolled" }, made));
  const place = element("span", { role: "status" });
  const before = element("button", { type: "button", on: { click: () => show(first - size) } }, "Previous");
  const after = element("button", { type: "button", on: { click: () => show(first + size) } }, "Next");
  let first = 0;
  function show(start) {
    first = start;
    const part = rows.slice(first, first + size);
    body.replaceChildren(...part.map((row) => element("tr", {}, columns.map((column, number) => (
      number === 0
        ? element("th", { scope: "row", class: column.class }, column.of(row))
        : element("td", { class: column.class }, column.of(row)))))));
    place.textContent = `${count(first + 1)} to ${count(first + part.length)} of ${count(rows.length)}`;
    before.disabled = first === 0;
    after.disabled = first + size >= rows.length;
  }
  show(0);
  if (rows.length > size) whole.append(element("p", { class: "pager" }, before, after, place));
  return whole;
}

// Return a number of things, with narrow spaces between the thousands.
export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}
