// What the page gave the script: the call's address, the examples, and all words in the reader's language.
function readJson(id) {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : null;
}

export const config = readJson("playground-script");
export const examples = readJson("playground-examples") ?? [];

// say("timeRun") or say("seconds", { value: 3 })
export function say(key, values = {}) {
  return config.words[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

const numbers = new Intl.NumberFormat(document.documentElement.lang || "en");
export const formatNumber = (value) => numbers.format(value);

const percents = new Intl.NumberFormat(document.documentElement.lang || "en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
export const formatPercent = (value) => percents.format(value);

export function formatTime(milliseconds) {
  if (milliseconds >= 1000) return say("seconds", { value: (milliseconds / 1000).toFixed(milliseconds < 10000 ? 2 : 1) });
  return say("milliseconds", { value: milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds) });
}

// element("p", { className: "x" }, "text", child, …); text is never parsed as markup.
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
