// The list of files: one row per file from a <template>, changed in place so that focus and reading position stay.
import { ACTIVE } from "./uploader.js";
import { bytesText, fill } from "./words.js";

// More rows than these help nobody and cost every frame; whatever needs a person is always shown.
const MAX_ROWS = 200;

const TONES = { stored: "done", refused: "bad", failed: "bad", wanted: "waiting" };

function set(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export class Rows {
  #rows = new Map();

  constructor({ list, more, template, words, onRemove, onRetry }) {
    Object.assign(this, { list, more, template, words, onRemove, onRetry });
    list.addEventListener("click", (event) => this.#click(event));
  }

  #click(event) {
    const button = event.target.closest("button");
    const row = event.target.closest("[data-path]");
    if (!button || !row) return;
    const { path } = row.dataset;
    if (button.matches("[data-retry]")) {
      this.onRetry(path);
      return;
    }
    const next = row.nextElementSibling ?? row.previousElementSibling;
    this.onRemove(path);
    (next?.querySelector("[data-remove]") ?? document.getElementById("upload-files-title")).focus();
  }

  draw(items, isPaused) {
    const shown = items.filter((item, index) => index < MAX_ROWS || item.state === "failed" || item.state === "refused");
    const wanted = new Set(shown.map((item) => item.path));
    for (const [path, row] of this.#rows) {
      if (wanted.has(path)) continue;
      row.root.remove();
      this.#rows.delete(path);
    }
    for (const item of shown) this.#drawOne(item, isPaused);
    const hidden = items.length - shown.length;
    this.more.hidden = hidden === 0;
    if (hidden) set(this.more, fill(this.words.moreFiles, { count: hidden }));
  }

  #rowOf(item) {
    let row = this.#rows.get(item.path);
    if (row) return row;
    const root = this.template.content.firstElementChild.cloneNode(true);
    const part = (name) => root.querySelector(`[data-${name}]`);
    row = { root, state: part("state"), note: part("note"), bar: part("bar"), size: part("size"), retry: part("retry"), remove: part("remove") };
    root.dataset.path = item.path;
    set(part("name"), item.path);
    for (const button of [row.retry, row.remove]) button.setAttribute("aria-label", `${button.title}: ${item.path}`);
    row.bar.setAttribute("aria-label", item.path);
    this.#rows.set(item.path, row);
    this.list.append(root);
    return row;
  }

  #drawOne(item, isPaused) {
    const row = this.#rowOf(item);
    const tone = TONES[item.state] ?? "busy";
    if (row.root.dataset.tone !== tone) row.root.dataset.tone = tone;
    set(row.size, bytesText(item.size));
    set(row.state, this.#stateText(item, isPaused));
    const note = item.error || (item.isReplacing && item.state !== "stored" ? this.words.replaces : "");
    set(row.note, note);
    row.note.hidden = !note;
    this.#drawBar(row.bar, item);
    row.retry.hidden = item.state !== "failed" || !item.file;
  }

  #drawBar(bar, item) {
    const isShown = ["hashing", "sending", "verifying"].includes(item.state) || (item.state === "wanted" && item.sent > 0);
    bar.hidden = !isShown;
    if (!isShown) return;
    const value = item.state === "hashing" ? item.hashed : item.arrived;
    bar.max = Math.max(item.size, 1);
    bar.value = value;
  }

  #stateText(item, isPaused) {
    const word = this.words.states[item.state];
    if (isPaused && ACTIVE.has(item.state) && item.state !== "verifying") return this.words.states.paused;
    if (item.state !== "hashing" && item.state !== "sending") return word;
    const done = item.state === "hashing" ? item.hashed : item.arrived;
    return `${word} ${Math.floor((100 * done) / Math.max(item.size, 1))} %`;
  }
}
