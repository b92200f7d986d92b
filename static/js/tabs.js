// [data-tabs] > section[data-tab]: makes an ARIA tab list (arrow keys, Home, End) and remembers the choice by name,
// so that who reads Python snippets sees Python on the next page as well.
const MEMORY = "agora.tab";

function remembered() {
  try {
    return localStorage.getItem(MEMORY);
  } catch {
    return null;
  }
}

function remember(name) {
  try {
    localStorage.setItem(MEMORY, name);
  } catch {
    // private windows refuse storage; the tab still changes
  }
}

function select(buttons, panels, index) {
  buttons.forEach((button, i) => {
    button.setAttribute("aria-selected", String(i === index));
    button.tabIndex = i === index ? 0 : -1;
    panels[i].hidden = i !== index;
  });
}

function build(container, number) {
  const panels = [...container.querySelectorAll(":scope > section[data-tab]")];
  const list = document.createElement("div");
  list.className = "tab-panels__list";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", container.dataset.tabsLabel);
  const buttons = panels.map((panel, i) => {
    const button = document.createElement("button");
    panel.id ||= `tab-panel-${number}-${i}`;
    button.type = "button";
    button.id = `${panel.id}-tab`;
    button.textContent = panel.dataset.tab;
    button.setAttribute("role", "tab");
    button.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", button.id);
    button.addEventListener("click", () => {
      select(buttons, panels, i);
      remember(panel.dataset.tab);
    });
    return button;
  });
  list.append(...buttons);
  list.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = buttons[(to + buttons.length) % buttons.length];
    next.focus();
    next.click();
  });
  container.prepend(list);
  container.dataset.ready = "";
  const kept = panels.findIndex((panel) => panel.dataset.tab === remembered());
  select(buttons, panels, Math.max(kept, 0));
}

let made = 0;
export function startTabs(root) {
  for (const container of root.querySelectorAll("[data-tabs]:not([data-ready])")) {
    if (container.querySelector(":scope > section[data-tab]")) build(container, made++);
  }
}
