// Lists and search. Links work without this; here: suggestions while typing, focus and an announcement after a filter.
import { announce } from "./announce.js";

const PAUSE_MS = 150;

// --- suggestions: a combobox over the search form ----------------------------------------------

function startSuggestions(form) {
  const input = form.querySelector("input[type=search]");
  if (!input || form.dataset.suggests) return;
  form.dataset.suggests = "yes";
  const list = document.createElement("ul");
  list.className = "suggestions";
  list.id = `${input.id}-suggestions`;
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.getAttribute("placeholder") || "");
  form.append(list);
  Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id }).forEach(
    ([name, value]) => input.setAttribute(name, value),
  );
  let timer = 0;
  let asked = "";

  const options = () => [...list.querySelectorAll("[role=option]")];
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const select = (option) => {
    options().forEach((item) => item.setAttribute("aria-selected", String(item === option)));
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  };
  const ask = async () => {
    asked = input.value.trim();
    if (asked.length < 2) return close();
    const wanted = asked;
    const response = await fetch(`/search/suggest?q=${encodeURIComponent(wanted)}`, { headers: { "HX-Request": "true" } });
    if (!response.ok || wanted !== asked || document.activeElement !== input) return;
    list.innerHTML = await response.text();
    options().forEach((option) => (option.id = `${list.id}-${option.id}`));
    const isEmpty = options().length === 0;
    list.hidden = isEmpty;
    input.setAttribute("aria-expanded", String(!isEmpty));
    input.removeAttribute("aria-activedescendant");
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  });
  input.addEventListener("keydown", (event) => {
    const all = options();
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !list.hidden && all.length) {
      event.preventDefault();
      const place = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
      const step = event.key === "ArrowDown" ? 1 : -1;
      select(all[(place + step + all.length + (place < 0 && step < 0 ? 1 : 0)) % all.length]);
    } else if (event.key === "Enter" && !list.hidden) {
      const chosen = all.find((option) => option.getAttribute("aria-selected") === "true");
      if (!chosen) return;
      event.preventDefault();
      window.location.assign(chosen.querySelector("a").href);
    }
  });
  form.addEventListener("focusout", (event) => {
    if (!form.contains(event.relatedTarget)) close();
  });
}

// --- filters: keep the place of the keyboard, say the new count ------------------------------------

let pressed = "";
document.addEventListener("click", (event) => {
  const item = event.target.closest(".facet-group__item");
  pressed = item ? item.querySelector(".facet-group__label").textContent : "";
});

function start() {
  document.querySelectorAll("form.search-box").forEach(startSuggestions);
}

document.addEventListener("htmx:afterSettle", () => {
  start();
  const count = document.querySelector("[data-announce]");
  if (count) announce(count.textContent.trim());
  if (!pressed) return;
  const same = [...document.querySelectorAll(".facet-group__item")].find(
    (item) => item.querySelector(".facet-group__label").textContent === pressed,
  );
  pressed = "";
  same?.focus({ preventScroll: true });
});

start();
