// The form of a task: reads it into a request, fills it with an example.  A request is { json } or { file }.
import { drawIcon } from "./icons.js";
import { config, element, examples, say } from "./config.js";

export class InputError extends Error {}

const PICTURES = /^image\/(png|jpeg|webp|gif|bmp|tiff)$/;

function parameters(form) {
  const found = {};
  for (const field of form.querySelectorAll("[data-parameter]")) {
    if (field.value === "") continue;
    if (field.dataset.kind === "select") found[field.dataset.parameter] = field.value === "true";
    else found[field.dataset.parameter] = Number(field.value);
  }
  return found;
}

function withParameters(json, form) {
  const given = parameters(form);
  return Object.keys(given).length ? { ...json, parameters: given } : json;
}

class TextInput {
  constructor(form) {
    this.form = form;
    this.field = form.querySelector("[data-input]");
  }

  fill(example) {
    this.field.value = example.text;
  }

  text() {
    if (!this.field.value.trim()) throw new InputError(say("needText"));
    return this.field.value;
  }

  request() {
    return { json: withParameters({ inputs: this.text() }, this.form) };
  }
}

class CompletionInput extends TextInput {
  request() {
    const json = { model: config.repoId, prompt: this.text(), ...parameters(this.form) };
    return { json: { ...json, stream: true, stream_options: { include_usage: true } } };
  }
}

class SimilarityInput extends TextInput {
  constructor(form) {
    super(form);
    this.list = form.querySelector("[data-sentences]");
    form.querySelector("[data-add-sentence]").addEventListener("click", () => this.add("").focus());
    this.list.addEventListener("click", (event) => this.remove(event.target.closest("[data-remove-sentence]")));
  }

  add(text) {
    const field = element("input", { type: "text", value: text, maxLength: 32768 });
    field.dataset.sentence = "";
    const button = element("button", { type: "button", className: "button button--quiet button--icon button--sm" }, drawIcon("x"));
    button.dataset.removeSentence = "";
    button.setAttribute("aria-label", say("remove"));
    button.title = say("remove");
    this.list.append(element("div", { className: "input-row playground__sentence" }, field, button));
    this.number();
    return field;
  }

  remove(button) {
    if (!button) return;
    const row = button.parentElement;
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.number();
    next?.querySelector("input").focus();
    this.form.dispatchEvent(new Event("input"));
  }

  number() {
    this.list.querySelectorAll("[data-sentence]").forEach((field, index) => {
      field.setAttribute("aria-label", say("sentence", { number: index + 1 }));
    });
  }

  fill(example) {
    this.field.value = example.source;
    this.list.replaceChildren();
    for (const sentence of example.sentences) this.add(sentence);
  }

  request() {
    const sentences = [...this.list.querySelectorAll("[data-sentence]")].map((field) => field.value).filter((text) => text.trim());
    if (!sentences.length) throw new InputError(say("needText"));
    return { json: { inputs: { source_sentence: this.text(), sentences } } };
  }
}

class ImageInput {
  constructor(form) {
    this.form = form;
    this.file = null;
    this.drop = form.querySelector("[data-drop]");
    this.preview = form.querySelector("[data-preview]");
    this.name = form.querySelector("[data-file-name]");
    const picker = form.querySelector("[data-file]");
    picker.addEventListener("change", () => this.offer(picker.files[0]));
    this.drop.addEventListener("dragover", (event) => this.hover(event, true));
    this.drop.addEventListener("dragleave", (event) => this.hover(event, false));
    this.drop.addEventListener("drop", (event) => {
      this.hover(event, false);
      this.offer(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => this.offer([...(event.clipboardData?.files ?? [])][0]));
  }

  hover(event, isOver) {
    event.preventDefault();
    this.drop.toggleAttribute("data-over", isOver);
  }

  // A picture from anywhere; what is wrong with it is said at once.
  offer(file) {
    if (!file) return;
    try {
      this.take(file);
    } catch (error) {
      this.form.dispatchEvent(new CustomEvent("playground:refused", { detail: error.message }));
    }
  }

  take(file) {
    if (!PICTURES.test(file.type)) throw new InputError(say("notAnImage"));
    if (file.size > config.maxBodyBytes) throw new InputError(say("tooLarge", { limit: Math.floor(config.maxBodyBytes / 1e6) }));
    this.file = file;
    URL.revokeObjectURL(this.preview.src);
    this.preview.src = URL.createObjectURL(file);
    this.preview.alt = file.name;
    this.preview.hidden = false;
    this.name.textContent = file.name;
    this.form.dispatchEvent(new Event("input"));
  }

  async fill(example) {
    const response = await fetch(example.src).catch(() => null);
    if (!response?.ok) throw new InputError(say("exampleGone"));
    const blob = await response.blob();
    const name = decodeURIComponent(example.src.split("/").pop());
    this.take(new File([blob], name, { type: PICTURES.test(blob.type) ? blob.type : typeByName(name) }));
  }

  request() {
    if (!this.file) throw new InputError(say("needImage"));
    return { file: this.file };
  }
}

function typeByName(name) {
  const ending = name.split(".").pop().toLowerCase();
  return `image/${{ jpg: "jpeg", tif: "tiff" }[ending] ?? ending}`;
}

class ChatInput extends TextInput {
  constructor(form, thread) {
    super(form);
    this.thread = thread;
    this.system = form.querySelector("[name=system]");
  }

  fill(example) {
    const messages = example.messages;
    const system = messages.find((message) => message.role === "system");
    this.system.value = system?.content ?? "";
    this.thread.restart(messages.slice(0, -1).filter((message) => message.role !== "system"));
    this.field.value = messages.at(-1).content;
  }

  messages(next) {
    const before = this.system.value.trim() ? [{ role: "system", content: this.system.value }] : [];
    return [...before, ...this.thread.messages, { role: "user", content: next }];
  }

  request(next = this.text()) {
    const json = { model: config.repoId, messages: this.messages(next), ...parameters(this.form) };
    return { json: { ...json, stream: true, stream_options: { include_usage: true } } };
  }
}

const KINDS = { chat: ChatInput, completion: CompletionInput, similarity: SimilarityInput, image: ImageInput };

export function makeInput(form, thread) {
  const input = new (KINDS[config.mode] ?? TextInput)(form, thread);
  // A chat example may open with earlier turns; the page shows the last message only.
  if (config.mode === "chat" && examples[0]?.messages.length > 1) input.fill(examples[0]);
  return input;
}
