// Answers of the tasks that do not stream, drawn as text first and bars second.
import { drawIcon } from "./icons.js";
import { config, element, formatNumber, formatPercent, formatTime, say } from "./config.js";

const SHOWN = 8;
const NUMBERS_SHOWN = 8;

function bar(label, score, words) {
  const fill = element("span", { className: "playground__bar-fill" });
  // Set through the object model: the page's policy refuses style attributes.
  fill.style.inlineSize = `${Math.max(0, Math.min(1, score)) * 100}%`;
  const track = element("span", { className: "playground__bar" }, fill);
  track.setAttribute("aria-hidden", "true");
  return element(
    "li",
    { className: "playground__score" },
    element("span", { className: "playground__score-label", textContent: label }),
    element("span", { className: "playground__score-value", textContent: words }),
    track,
  );
}

function scores(rows) {
  const list = element("ol", { className: "playground__scores" }, ...rows.slice(0, SHOWN));
  if (rows.length <= SHOWN) return [list];
  const rest = element("ol", { className: "playground__scores" }, ...rows.slice(SHOWN));
  const summary = element("summary", { textContent: say("others", { count: rows.length - SHOWN }) });
  return [list, element("details", { className: "playground__more" }, summary, rest)];
}

function labels(body) {
  const found = [...(Array.isArray(body[0]) ? body[0] : body)].sort((a, b) => b.score - a.score);
  const rows = found.map(({ label, score }) => bar(label, score, formatPercent(score)));
  const spoken = found.length ? say("best", { label: found[0].label, score: formatPercent(found[0].score) }) : "";
  return { nodes: scores(rows), spoken };
}

function similarities(body, request) {
  const pairs = request.json.inputs.sentences.map((label, index) => ({ label, score: body[index] }));
  pairs.sort((a, b) => b.score - a.score);
  const rows = pairs.map(({ label, score }) => bar(label, score, score.toFixed(4)));
  return { nodes: scores(rows), spoken: say("best", { label: pairs[0].label, score: pairs[0].score.toFixed(2) }) };
}

function copyButton(text) {
  const button = element("button", { type: "button", className: "copy-button button button--secondary button--sm", hidden: true }, drawIcon("copy"), element("span", { textContent: say("copyJson") }));
  button.dataset.copy = text;
  button.dataset.copied = say("copied");
  return button;
}

function features(body) {
  const vector = Array.isArray(body[0]) ? body[0] : body;
  const size = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  const first = vector.slice(0, NUMBERS_SHOWN).map((value) => value.toFixed(4));
  const facts = `${say("dimensions", { count: formatNumber(vector.length) })} · ${say("length", { value: size.toFixed(4) })}`;
  const numbers = element("ol", { className: "playground__numbers" }, ...first.map((value) => element("li", { textContent: value })));
  const caption = element("p", { className: "small muted", textContent: say("firstNumbers", { count: first.length }) });
  const nodes = [element("p", { className: "playground__fact", textContent: facts }), caption, numbers, copyButton(JSON.stringify(vector))];
  return { nodes, spoken: facts };
}

// { nodes, spoken }: what to show, and the one sentence that is read out.
export function drawResult(body, request) {
  if (config.mode === "similarity") return similarities(body, request);
  if (config.mode === "features") return features(body);
  return labels(body);
}

const time = (value) => (Number.isFinite(value) ? formatTime(value) : "");

export function drawTimings(box, measured, roundTrip) {
  const isText = config.mode === "chat" || config.mode === "completion";
  const generationMs = (measured.queue ?? 0) + (measured.load ?? 0) + (measured.run ?? 0) - (measured.first ?? 0);
  const speed = measured.completion > 1 && generationMs > 0 ? ((measured.completion - 1) / generationMs) * 1000 : 0;
  const rows = [
    ["timeQueue", time(measured.queue)],
    ["timeLoad", time(measured.load)],
    ["timeFirst", isText && measured.first ? time(measured.first) : ""],
    ["timeRun", time(measured.run)],
    ["timeTotal", time(roundTrip)],
    ["tokens", measured.prompt ? say("tokensValue", { prompt: formatNumber(measured.prompt), completion: formatNumber(measured.completion) }) : ""],
    ["speed", isText && speed ? say("speedValue", { value: speed.toFixed(1) }) : ""],
    ["requestId", measured.requestId],
  ];
  box.replaceChildren();
  for (const [key, words] of rows) {
    if (!words) continue;
    const value = element("dd", { textContent: words });
    if (key === "requestId") value.className = "mono";
    box.append(element("div", {}, element("dt", { textContent: say(key) }), value));
  }
  box.hidden = false;
}
