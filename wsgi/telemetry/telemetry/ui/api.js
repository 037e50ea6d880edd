// Requests to the API, which is beside the folder of this page, and the API's errors in plain words.

import * as session from "./session.js";

const ROOT = new URL("../v2/", document.baseURI);
const PATIENCE = 120_000;

const WORDS = {
  400: "The API cannot use this request.",
  401: "The API does not know who you are.",
  403: "You may not see this.",
  404: "There is no such object.",
  410: "This part of the API has been replaced by another service.",
  413: "The request is too long.",
  414: "The request is too long.",
  429: "There were too many requests. Wait a moment.",
  500: "The API has failed. Its log says why.",
  501: "The database behind the API cannot do this.",
  502: "The API does not answer.",
  503: "The API or its database is not available.",
  504: "The API has taken too long to answer.",
};

// What went wrong. `message` is a sentence, `detail` what the API says itself, `status` 0 without an answer.
export class Failure extends Error {
  constructor(status, message, detail = "", wait = "") {
    super(message);
    Object.assign(this, { status, detail, wait });
  }
}

// Return the name of an object as a part of a path. The API unquotes a name once more than the server has.
export function named(name) {
  return encodeURIComponent(encodeURIComponent(name));
}

// Return the conditions of a request from triples of field, operator and value.
export function conditions(triples) {
  return triples.flatMap(([name, operator, value, type]) => [
    ["q.field", name], ["q.op", operator], ["q.value", value], ...(type ? [["q.type", type]] : []),
  ]);
}

// Ask the API. `query` is a list of pairs. Return what it answers, and the marker of the next page or null.
export async function ask(path, query = [], { signal, who } = {}) {
  const url = new URL(path, ROOT);
  for (const [name, value] of query) url.searchParams.append(name, value);
  const identity = session.headers(who);
  if (Object.values(identity).some((value) => /[^\x20-\x7e]/.test(value))) {
    throw new Failure(400, "What you signed in with has a character that it cannot have.");
  }
  const limit = AbortSignal.timeout(PATIENCE);
  let answer;
  try {
    answer = await fetch(url, {
      headers: { Accept: "application/json", ...identity },
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual",
      referrerPolicy: "no-referrer",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (limit.aborted) throw new Failure(504, WORDS[504]);
    throw new Failure(0, "The API cannot be reached.", "The network or the server may be away.");
  }
  if (answer.type === "opaqueredirect") throw new Failure(410, WORDS[410], "The API refers to an address of its own.");
  let text;
  try {
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure(0, "The answer of the API broke off.");
  }
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (!answer.ok) {
    const detail = said(body);
    // The API answers so, too, if it knows who asks and refuses what belongs to others.
    const status = answer.status === 401 && /^Not Authorized to access/.test(detail) ? 403 : answer.status;
    const words = WORDS[status] ?? `The API answered with the status ${status}.`;
    throw new Failure(status, words, detail, answer.headers.get("Retry-After") ?? "");
  }
  if (body === undefined) throw new Failure(answer.status, "The answer of the API is no JSON.");
  return { body, next: marker(answer.headers.get("Link")) };
}

// Return the items of a list of objects. Raises a Failure if it is none.
export async function list(path, query, options) {
  const answer = await ask(path, query, options);
  if (!Array.isArray(answer.body)) throw new Failure(200, "The answer of the API is no list.");
  return answer;
}

// Return what the body of an error says. The API and its filters each have a form of their own.
function said(body) {
  let part = body;
  for (const key of ["error_message", "error"]) part = part?.[key] ?? part;
  for (const key of ["faultstring", "message", "description"]) {
    if (typeof part?.[key] === "string") part = part[key];
  }
  if (typeof part !== "string") return "";
  // A plain text of WebOb begins with the status, such as "403 Forbidden".
  return part.replace(/^\s*\d{3} [A-Z][A-Za-z ]*\n+/, "").replace(/\s+/g, " ").trim().slice(0, 1000);
}

function marker(header) {
  const url = header?.match(/<([^>]*)>\s*;\s*rel="?next"?/)?.[1];
  return url ? new URL(url, ROOT).searchParams.get("marker") : null;
}
