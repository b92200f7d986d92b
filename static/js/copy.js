// data-copy="text" or data-copy-target="id"; data-copied holds the word said when done.
import { announce } from "./announce.js";

function textOf(button) {
  const target = button.dataset.copyTarget && document.getElementById(button.dataset.copyTarget);
  return target ? (target.value ?? target.textContent) : button.dataset.copy;
}

// navigator.clipboard exists only on https and localhost; a hub in a lab often has neither.
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function copyText(text) {
  if (!navigator.clipboard) return copyBySelection(text);
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function showDone(button) {
  const use = button.querySelector("use");
  const href = use.getAttribute("href");
  if (button.dataset.done !== undefined) return;
  button.dataset.done = "";
  use.setAttribute("href", href.replace(/#.*/, "#check"));
  setTimeout(() => {
    use.setAttribute("href", href);
    delete button.dataset.done;
  }, 1600);
}

export function startCopy(root) {
  for (const button of root.querySelectorAll(".copy-button[hidden]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      if (!(await copyText(textOf(button)))) return;
      showDone(button);
      announce(button.dataset.copied);
    });
  }
  for (const input of root.querySelectorAll("[data-select-all]")) input.addEventListener("focus", () => input.select());
}
