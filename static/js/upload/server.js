// Talking to the hub: JSON to the draft routes, bytes to signed URLs, and patience with both.
import { csrfHeaders } from "../requests.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const GIVE_UP_MS = 15 * 60_000;
const REQUEST_TIMEOUT_MS = 10 * 60_000;

// status 0: no answer (network, or the server is restarting).
export class ServerError extends Error {
  constructor(status, message, retryAfterS = 0) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }

  // 507 is a full disk: waiting does not help, a person must.
  get isPassing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || (this.status >= 500 && this.status !== 507);
  }
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

function online(signal) {
  if (navigator.onLine) return Promise.resolve();
  return new Promise((resolve, reject) => {
    addEventListener("online", resolve, { once: true });
    signal?.addEventListener("abort", () => reject(signal.reason));
  });
}

// Full jitter: a server that comes back is not met by everybody at once.
function waitOf(attempt, error) {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  return Math.max(error.retryAfterS * 1000, longest / 2 + (Math.random() * longest) / 2);
}

// Repeats `act` while what stops it may pass. `onWait(error, ms)` is told before each wait, `onWait(null)` at the end of it.
export async function patiently(act, { signal, onWait = () => {}, also = () => false } = {}) {
  const began = Date.now();
  for (let attempt = 0; ; attempt++) {
    try {
      const result = await act();
      if (attempt) onWait(null, 0);
      return result;
    } catch (error) {
      signal?.throwIfAborted();
      const canWait = error instanceof ServerError && (error.isPassing || also(error));
      if (!canWait || Date.now() - began > GIVE_UP_MS) throw error;
      const ms = waitOf(attempt, error);
      onWait(error, ms);
      await sleep(ms, signal);
      await online(signal);
    }
  }
}

async function wordsOf(response) {
  try {
    return (await response.json()).error ?? "";
  } catch {
    return "";
  }
}

async function request(method, url, body, signal) {
  const signals = [AbortSignal.timeout(REQUEST_TIMEOUT_MS), ...(signal ? [signal] : [])];
  let response;
  try {
    response = await fetch(url, {
      method,
      credentials: "same-origin",
      headers: { Accept: "application/json", "Content-Type": "application/json", ...csrfHeaders() },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.any(signals),
    });
  } catch {
    signal?.throwIfAborted();
    throw new ServerError(0, "");
  }
  if (!response.ok) {
    const retryAfterS = Number(response.headers.get("Retry-After")) || 0;
    throw new ServerError(response.status, await wordsOf(response), retryAfterS);
  }
  try {
    return await response.json();
  } catch {
    throw new ServerError(0, "");
  }
}

// PUT by XMLHttpRequest, because fetch does not tell how much has left.
export function putBytes(url, blob, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    xhr.open("PUT", url);
    xhr.upload.onprogress = (event) => onProgress(event.loaded);
    xhr.onload = () => {
      if (xhr.status >= 200 && xhr.status < 300) resolve();
      else reject(new ServerError(xhr.status, "", Number(xhr.getResponseHeader("Retry-After")) || 0));
    };
    xhr.onerror = () => reject(new ServerError(0, ""));
    xhr.onabort = () => reject(signal.reason);
    xhr.onloadend = () => signal.removeEventListener("abort", abort);
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    signal.addEventListener("abort", abort);
    xhr.send(blob);
  });
}

// The draft routes of one repo (hub/api/views/uploads.py).
export class Drafts {
  constructor(root, patience) {
    this.root = root;
    this.patience = patience;
  }

  #ask(method, path, body, options) {
    return patiently(() => request(method, `${this.root}${path}`, body, options?.signal), { ...this.patience, ...options });
  }

  check(revision, totalBytes, files) {
    return this.#ask("POST", "/check", { revision, totalBytes, files });
  }

  create(revision) {
    return this.#ask("POST", "", { revision });
  }

  show(id) {
    return this.#ask("GET", `/${id}`);
  }

  register(id, files) {
    return this.#ask("PUT", `/${id}/files`, { files });
  }

  begin(id, files, options) {
    return this.#ask("POST", `/${id}/begin`, { files }, options);
  }

  complete(id, files, options) {
    return this.#ask("POST", `/${id}/complete`, { files }, options);
  }

  remove(id, files) {
    return this.#ask("POST", `/${id}/remove`, { files });
  }

  commit(id, message, description, parentCommit) {
    return this.#ask("POST", `/${id}/commit`, { message, description, parentCommit });
  }

  abandon(id) {
    return this.#ask("DELETE", `/${id}`);
  }
}

export function getJson(url) {
  return patiently(() => request("GET", url));
}
