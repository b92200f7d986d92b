// [data-bell]: keeps the number of unread notifications true while the page is looked at; a hidden tab asks nothing.
const EVERY_MS = 60_000;

function show(bell, label) {
  bell.querySelector("[data-bell-label]").textContent = label;
  bell.querySelector("[data-bell-count]").hidden = !label;
}

async function ask(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, redirect: "error" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return (await answer.json()).label;
}

export function startBell() {
  const bell = document.querySelector("[data-bell]");
  if (!bell) return;
  let askedAt = Date.now();
  async function refresh() {
    if (document.visibilityState !== "visible" || Date.now() - askedAt < EVERY_MS) return;
    askedAt = Date.now();
    try {
      show(bell, await ask(bell.dataset.bell));
    } catch {
      // Signed out elsewhere, or the hub is away: the number stays as the page came, and the next minute tries again.
    }
  }
  setInterval(refresh, 5_000);
  document.addEventListener("visibilitychange", refresh);
}
