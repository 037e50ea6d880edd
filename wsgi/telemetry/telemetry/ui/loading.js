// A region of the page that waits for the API: it says so, and says what went wrong.

import { Failure } from "./api.js";
import { element, link, notice } from "./dom.js";

const SLOW = 3000;

// Fill a region with what `work` returns. `work` gets a signal that ends its requests. `scope` is the signal of the
// view: when the user leaves the view, nothing more is shown.
export async function fill(region, scope, work) {
  const stopped = new AbortController();
  const signal = AbortSignal.any([scope, stopped.signal]);
  const words = element("span", {}, "Loading …");
  const started = Date.now();
  region.setAttribute("aria-busy", "true");
  region.replaceChildren(element("p", { class: "waiting", role: "status" }, words));
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000);
    words.textContent = `The API has not answered for ${seconds} s. Still waiting. `;
    if (words.nextSibling === null) {
      words.after(element("button", { type: "button", on: { click: () => stopped.abort() } }, "Stop waiting"));
    }
  }, SLOW);
  const again = () => fill(region, scope, work);
  try {
    const filled = await work(signal);
    if (!scope.aborted) region.replaceChildren(...[filled].flat(Infinity).filter(Boolean));
  } catch (error) {
    if (scope.aborted) return;
    region.replaceChildren(stopped.signal.aborted ? halted(again) : failed(error, again));
  } finally {
    clearInterval(timer);
    region.setAttribute("aria-busy", "false");
  }
}

function halted(again) {
  return notice("note", "You stopped the request.", button(again));
}

function button(again) {
  return element("div", {}, element("button", { type: "button", on: { click: again } }, "Try again"));
}

// Return a notice of an error, with what a user can do.
function failed(error, again) {
  if (!(error instanceof Failure)) {
    console.error(error);
    return notice("bad", "This page cannot show the answer of the API.", error.message, button(again));
  }
  const wait = /^\d+$/.test(error.wait) ? `Try again in ${error.wait} s.` : "";
  const login = error.status === 401
    && element("p", {}, link("login", { to: location.hash }, "Sign in"), " with a token that is valid.");
  return notice("bad", error.message, error.detail && element("p", { class: "said" }, error.detail), wait, login,
    button(again));
}
