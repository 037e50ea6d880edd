// Who is asking: a token of keystone, or an identity that the API believes with noauth.

import { ask } from "../api.js";
import { element, field, input, notice } from "../dom.js";
import * as session from "../session.js";

export function show(page, parameters, { signal, tokens, heading }) {
  if (tokens === false) heading.textContent = "Say who you are";
  if (tokens === null) {
    page.append(notice("bad", "The API cannot be reached.", "So nobody can sign in. Load the page again in a while."));
    return;
  }
  const problem = element("div", { "aria-live": "polite" });
  const made = element("form", { class: "login" }, tokens ? ofToken() : ofIdentity(),
    element("p", {}, element("button", { type: "submit", class: "main" }, tokens ? "Sign in" : "Go on")), problem);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(made)].map(([name, value]) => [name, value.trim()]));
    if (tokens && !values.token) {
      problem.replaceChildren(notice("bad", "Paste a token first."));
      return;
    }
    problem.replaceChildren(element("p", { class: "waiting" }, "Asking the API …"));
    try {
      await ask("capabilities", [], { who: values, signal });
    } catch (error) {
      if (signal.aborted) return;
      const refused = error.status === 401 && tokens;
      problem.replaceChildren(notice("bad", refused ? "The API does not accept this token." : error.message,
        refused ? "It may have expired, or belong to another cloud. Make a new one." : error.detail));
      return;
    }
    session.remember(values);
    // Only an address of this page.
    const to = parameters.get("to") ?? "";
    location.hash = /^#\/(?!login)/.test(to) ? to : "#/meters";
  });
  page.append(made);
  made.querySelector("input").focus();
}

function ofToken() {
  return [
    element("p", {}, "This API takes tokens of keystone. Make one with your own credentials, and paste it:"),
    element("pre", { tabindex: "0" }, "openstack token issue -f value -c id"),
    // A password, so that nobody reads it over a shoulder and no browser offers it again.
    field("Token", input("token", "", { type: "password", autocomplete: "off", required: true }),
      "This tab keeps it until you close the tab or sign out."),
  ];
}

function ofIdentity() {
  const who = session.caller();
  return [
    element("p", {}, "This API runs without keystone and believes whatever a caller says. Leave all fields empty to see ",
      "everything, or say who you are to see what that person sees."),
    field("Roles", input("roles", who.roles ?? ""), "Separated by commas, such as admin"),
    field("User id", input("user", who.user ?? "")),
    field("Project id", input("project", who.project ?? "")),
  ];
}
