// time[data-relative-time]: keeps "3 minutes ago" true while the page stays open.
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function refresh(element, format) {
  const seconds = (Date.now() - Date.parse(element.dateTime)) / 1000;
  if (seconds < 60 || seconds >= 30 * 86400) return;
  const [unit, size] = UNITS.find(([, length]) => seconds >= length);
  element.textContent = format.format(-Math.floor(seconds / size), unit);
}

export function startTimes(root) {
  const times = root.querySelectorAll("time[data-relative-time]");
  if (!times.length) return;
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "always" });
  const all = () => times.forEach((element) => refresh(element, format));
  all();
  const timer = setInterval(() => (times[0].isConnected ? all() : clearInterval(timer)), 60_000);
}
