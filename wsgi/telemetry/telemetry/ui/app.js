// The page: it shows the view that the address names after its #, such as #/chart?meter=cpu.

import * as api from "./api.js";
import { element, link, notice } from "./dom.js";
import * as session from "./session.js";
import * as alarms from "./views/alarms.js";
import * as chart from "./views/chart.js";
import * as events from "./views/events.js";
import * as login from "./views/login.js";
import * as meters from "./views/meters.js";
import * as resources from "./views/resources.js";

// By name: the title, the part of the navigation it belongs to, and the function that shows it.
const VIEWS = {
  meters: ["Meters", "meters", meters.show],
  resources: ["Resources", "resources", resources.show],
  resource: ["Resource", "resources", resources.showOne],
  chart: ["Chart", "chart", chart.show],
  alarms: ["Alarms", "alarms", alarms.show],
  alarm: ["Alarm", "alarms", alarms.showOne],
  events: ["Events", "events", events.show],
  event: ["Event", "events", events.showOne],
  login: ["Sign in", "", login.show],
};

const main = document.getElementById("main");
let leaving = new AbortController();
// Whether the API wants a token: true, false, or null as long as nobody has asked.
let tokens = null;

// Find out whether the API wants a token. A 401 without credentials says so.
async function probe() {
  try {
    await api.ask("capabilities", [], { who: {} });
    tokens = false;
  } catch (error) {
    if (error.status === 401) tokens = true;
  }
}

function showCaller() {
  const who = session.caller();
  const place = document.getElementById("caller");
  const out = (text) => element("button", { type: "button", on: { click: signOut } }, text);
  if (who.token) {
    place.replaceChildren("Signed in with a token", out("Sign out"));
  } else if (tokens === false && (who.roles || who.user || who.project)) {
    const name = [who.user, who.project && `project ${who.project}`, who.roles && `roles ${who.roles}`];
    place.replaceChildren(element("span", { class: "who" }, name.filter(Boolean).join(", ")), out("Sign out"));
  } else if (tokens === false) {
    place.replaceChildren("Anonymous", link("login", { to: location.hash }, "Say who you are"));
  } else {
    place.replaceChildren(link("login", {}, "Sign in"));
  }
}

function signOut() {
  session.forget();
  if (location.hash === "#/login") show();
  else location.hash = "#/login";
}

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, query] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  if (tokens === null) await probe();
  if (signal.aborted) return;
  if (tokens && !session.caller().token && path !== "login") {
    const to = path ? `?${new URLSearchParams({ to: location.hash })}` : "";
    location.replace(`#/login${to}`);
    return;
  }
  const [title, part, view] = VIEWS[Object.hasOwn(VIEWS, path || "meters") ? path || "meters" : ""] ?? [];
  showCaller();
  for (const anchor of document.querySelectorAll("#parts a")) {
    if (part && anchor.hash === `#/${part}`) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  const heading = element("h1", { tabindex: "-1" }, title ?? "No such page");
  document.title = `${heading.textContent} · Telemetry`;
  const page = element("div", {}, heading);
  main.replaceChildren(page);
  if (view) view(page, new URLSearchParams(query ?? ""), { signal, tokens, heading });
  else page.append(notice("warn", "The address names nothing that this page has.", link("meters", {}, "Show the meters")));
  if (moved) heading.focus({ preventScroll: true });
  moved = true;
  window.scrollTo(0, 0);
}

let moved = false;
window.addEventListener("hashchange", (event) => {
  // The link that skips the navigation.
  if (location.hash === "#main") {
    history.replaceState(null, "", event.oldURL || "#/meters");
    main.focus();
    return;
  }
  show();
});
show();
