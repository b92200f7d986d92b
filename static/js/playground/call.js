// One call to the gateway, with the session of this page: whole, or as events while they come.
import { csrfHeaders } from "../requests.js";
import { config, say } from "./config.js";

export class CallError extends Error {
  constructor(message, { code = "", status = 0, retryAfter = null, requestId = "" } = {}) {
    super(message);
    Object.assign(this, { code, status, retryAfter, requestId });
  }
}

function retryAfterOf(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  return Number.isFinite(seconds) && seconds > 0 ? seconds : null;
}

// The two dialects of errors: {"error": {"message", "code"}} and {"error": "…", "error_code": "…"}.
function wordsOf(body) {
  if (typeof body?.error === "string") return { message: body.error, code: body.error_code ?? "" };
  return { message: body?.error?.message ?? "", code: body?.error?.code ?? "" };
}

async function refusal(response) {
  const { message, code } = wordsOf(await response.json().catch(() => null));
  const text = response.status === 401 ? say("signInAgain") : message || `${response.status} ${response.statusText}`.trim();
  return new CallError(text, {
    code: code || response.headers.get("X-Error-Code") || "",
    status: response.status,
    retryAfter: retryAfterOf(response) ?? (response.status >= 500 ? 1 : null),
    requestId: response.headers.get("X-Request-Id") ?? "",
  });
}

async function send(request, signal) {
  const body = request.file ?? JSON.stringify(request.json);
  const type = request.file ? request.file.type || "application/octet-stream" : "application/json";
  try {
    return await fetch(config.callUrl, {
      method: "POST",
      body,
      headers: { "Content-Type": type, ...csrfHeaders() },
      credentials: "same-origin",
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new CallError(say("offline"), { retryAfter: 1 });
  }
}

// "queue;dur=1.2, load;dur=0.0, run;dur=8.9, first;dur=9.1" as milliseconds by name.
function serverTiming(header) {
  const found = {};
  for (const match of (header ?? "").matchAll(/(\w+);dur=([\d.]+)/g)) found[match[1]] = Number(match[2]);
  return found;
}

function measuredWhole(response) {
  const times = serverTiming(response.headers.get("Server-Timing"));
  const [prompt, completion] = (response.headers.get("X-Compute-Tokens") ?? "").split("+").map(Number);
  return {
    queue: times.queue,
    load: times.load,
    first: times.first,
    run: times.run,
    prompt,
    completion,
    requestId: response.headers.get("X-Inference-Id") ?? response.headers.get("X-Request-Id") ?? "",
  };
}

// Resolves to { body, measured }.
export async function callWhole(request, signal) {
  const response = await send(request, signal);
  if (!response.ok) throw await refusal(response);
  return { body: await response.json(), measured: measuredWhole(response) };
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    rest += value;
    const parts = rest.split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

function measuredStream(chunk, requestId) {
  const timings = chunk.timings ?? {};
  return {
    queue: timings.queue_ms,
    load: timings.load_ms,
    first: timings.first_token_ms,
    run: timings.run_ms,
    prompt: chunk.usage.prompt_tokens,
    completion: chunk.usage.completion_tokens,
    requestId,
  };
}

// Yields { state }, { text }, { finish }, { measured } and { chunk } (every raw chunk), in the order they come.
export async function* callStream(request, signal) {
  const response = await send(request, signal);
  if (!response.ok) throw await refusal(response);
  const requestId = response.headers.get("X-Inference-Id") ?? "";
  yield { requestId };
  let complete = false;
  for await (const line of lines(response)) {
    if (line.startsWith(": state ")) yield { state: line.slice(8) };
    else if (line.startsWith(": queue ")) yield { waiting: Number(line.slice(8)) };
    else if (line === "data: [DONE]") complete = true;
    else if (line.startsWith("data: ")) yield* meaning(JSON.parse(line.slice(6)), requestId);
  }
  if (!complete) throw new CallError(say("cutOff"), { code: "cut_off", retryAfter: 1, requestId });
}

function* meaning(chunk, requestId) {
  if (chunk.error) {
    const { message, code } = wordsOf(chunk);
    throw new CallError(message, { code, status: 200, retryAfter: 1, requestId });
  }
  yield { chunk };
  const choice = chunk.choices?.[0];
  const text = choice?.delta?.content ?? choice?.text;
  if (text) yield { text };
  if (choice?.finish_reason) yield { finish: choice.finish_reason };
  if (chunk.usage) yield { measured: measuredStream(chunk, requestId) };
}
