// The list of routes narrows while one types; without script the form does the same by a request.
import { announce } from "./announce.js";

const field = document.querySelector("#api-search");
const none = document.querySelector("[data-api-none]");

function narrow() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const group of document.querySelectorAll("[data-api-group]")) {
    let inGroup = 0;
    for (const entry of group.querySelectorAll("[data-api-entry]")) {
      const text = entry.textContent.toLowerCase();
      entry.hidden = !words.every((word) => text.includes(word));
      inGroup += entry.hidden ? 0 : 1;
    }
    group.hidden = inGroup === 0;
    shown += inGroup;
  }
  none.hidden = shown > 0;
  announce(shown > 0 ? String(shown) : none.textContent);
}

// A page that the server has narrowed lacks the rest; there the form goes on asking the server.
if (field && none && !field.value) {
  field.addEventListener("input", narrow);
}
