// Speaks a sentence to assistive technology. Cleared first, so that the same words can be said twice.
export function announce(text) {
  const region = document.getElementById("announcer");
  if (!region) return;
  region.textContent = "";
  setTimeout(() => (region.textContent = text), 50);
}
