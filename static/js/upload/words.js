// Sentences come from the server (translated there); numbers and times are worded by the browser.
const language = document.documentElement.lang || "en";

export function fill(sentence, values = {}) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function bytesText(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit < 2 || value >= 100 ? 0 : 1;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)} ${UNITS[unit]}`;
}

function unitText(value, unit) {
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(value);
}

export function durationText(seconds) {
  if (seconds < 90) return unitText(Math.max(Math.ceil(seconds / 5) * 5, 5), "second");
  if (seconds < 90 * 60) return unitText(Math.ceil(seconds / 60), "minute");
  return unitText(Math.ceil(seconds / 3600), "hour");
}
