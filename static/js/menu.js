// details[data-menu]: one open at a time, closed by Escape and by a click outside, arrow keys walk the items.
const open = () => document.querySelectorAll("details[data-menu][open]");

function walk(menu, step) {
  const items = [...menu.querySelectorAll("a, button")];
  if (!items.length) return;
  const next = (items.indexOf(document.activeElement) + step + items.length) % items.length;
  items[document.activeElement?.tagName === "SUMMARY" && step < 0 ? items.length - 1 : next].focus();
}

export function startMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details[data-menu][open]") ?? open()[0];
    if (!menu) return;
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && menu.contains(event.target)) {
      event.preventDefault();
      walk(menu, event.key === "ArrowDown" ? 1 : -1);
    }
  });
}
