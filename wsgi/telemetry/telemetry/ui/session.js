// Who the user of the page is. A token is in the memory of this tab alone, and in no address and no log.

const PLACE = "telemetry-caller";
let memory = null;

// Return the caller: `token` for keystone, or `roles`, `user` and `project` for noauth.
export function caller() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE)) ?? memory ?? {};
  } catch {
    // A browser may forbid the storage.
    return memory ?? {};
  }
}

export function remember(who) {
  memory = who;
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(who));
  } catch {
    // It is remembered until the tab is loaded again.
  }
}

export function forget() {
  memory = null;
  try {
    sessionStorage.removeItem(PLACE);
  } catch {
    // Nothing was stored.
  }
}

// Return the headers by which the API knows a caller.
export function headers(who = caller()) {
  const all = {
    "X-Auth-Token": who.token, "X-Roles": who.roles, "X-User-Id": who.user, "X-Project-Id": who.project,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
}
