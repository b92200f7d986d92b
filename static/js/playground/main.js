// The playground: form → request → call → answer, timings, raw JSON and code.  One per page.
import { announce } from "../announce.js";
import { startCopy } from "../copy.js";
import { CallError, callStream, callWhole } from "./call.js";
import { showCode } from "./code.js";
import { config, element, examples, say } from "./config.js";
import { InputError, makeInput } from "./inputs.js";
import { drawResult, drawTimings } from "./results.js";
import { Speaker } from "./speaker.js";
import { StateWatch } from "./state.js";
import { Thread } from "./thread.js";

const isText = () => config.mode === "chat" || config.mode === "completion";

class Playground {
  constructor(root) {
    this.root = root;
    this.form = this.find("playground-form");
    this.output = this.find("output");
    this.watch = new StateWatch(root);
    this.thread = config.mode === "chat" ? new Thread(this.find("thread")) : null;
    this.input = makeInput(this.form, this.thread);
    this.listen();
    this.showCode();
  }

  find(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    this.form.addEventListener("input", () => this.showCode());
    this.form.addEventListener("playground:refused", (event) => this.fail(new InputError(event.detail)));
    this.root.addEventListener("keydown", (event) => this.key(event));
    for (const button of this.root.querySelectorAll("[data-example]")) {
      button.addEventListener("click", () => this.useExample(examples[Number(button.dataset.example)]));
    }
    this.find("retry").addEventListener("click", () => this.run());
    const runButton = this.find("run");
    if (!runButton) return; // signed out, or not allowed: examples and code only
    runButton.disabled = false;
    this.find("stop").addEventListener("click", () => this.stop());
    this.find("clear")?.addEventListener("click", () => this.clear());
  }

  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.run();
    } else if (event.key === "Escape" && this.controller) {
      event.preventDefault();
      this.stop();
    }
  }

  async useExample(example) {
    this.hideError();
    try {
      await this.input.fill(example);
      this.showCode();
    } catch (error) {
      this.fail(error);
    }
  }

  showCode() {
    let request = null;
    try {
      request = this.input.request();
    } catch {
      // an unfinished form has no call to show; the last one stays
    }
    if (!request) return;
    showCode(request);
    this.find("code-panel").hidden = false;
  }

  stop() {
    this.controller?.abort();
  }

  clear() {
    this.thread.restart();
    this.find("clear").hidden = true;
    this.find("timings").hidden = true;
    this.hideError();
    this.showCode();
    this.input.field.focus();
  }

  async run() {
    if (this.controller || !this.find("run")) return;
    this.hideError();
    let request;
    try {
      request = this.input.request();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.controller = new AbortController();
    this.busy(true);
    this.status(say("sending"));
    const started = performance.now();
    try {
      const measured = await (isText() ? this.stream(request) : this.whole(request));
      drawTimings(this.find("timings"), measured, performance.now() - started);
    } catch (error) {
      this.fail(error);
    } finally {
      this.controller = null;
      this.busy(false);
      this.showCode();
    }
  }

  async whole(request) {
    this.status(say("running"));
    const { body, measured } = await callWhole(request, this.controller.signal);
    const { nodes, spoken } = drawResult(body, request);
    this.output.replaceChildren(...nodes);
    this.output.hidden = false;
    startCopy(this.output);
    this.showJson(body);
    this.status("");
    announce(spoken);
    return measured;
  }

  async stream(request) {
    const speaker = new Speaker();
    const write = this.openAnswer(request);
    const chunks = [];
    let measured = {};
    let finish = "";
    try {
      for await (const event of callStream(request, this.controller.signal)) {
        if (event.requestId) measured = { requestId: event.requestId };
        if (event.state) this.status(say(event.state === "loading" ? "loadingModel" : event.state === "queued" ? "queued" : "running"));
        if (event.waiting) this.status(say("queuedAt", { count: event.waiting }));
        if (event.chunk) chunks.push(event.chunk);
        if (event.text) {
          this.status(say("answering"));
          write(event.text);
          speaker.add(event.text);
        }
        finish = event.finish ?? finish;
        measured = event.measured ?? measured;
      }
      this.status(finish === "length" ? say("cutByLength") : "");
      speaker.end(say("answerEnded"));
    } finally {
      this.closeAnswer();
      if (chunks.length) this.showJson(chunks);
    }
    return measured;
  }

  // Where the text goes: a turn of the conversation, or the beginning continued.
  openAnswer(request) {
    if (this.thread) {
      this.thread.ask(request.json.messages.at(-1).content);
      this.input.field.value = "";
      this.find("clear").hidden = false;
      return (text) => this.thread.write(text);
    }
    const answer = element("span", { className: "playground__written" });
    this.output.replaceChildren(element("p", { className: "playground__text" }, request.json.prompt, answer));
    this.output.hidden = false;
    return (text) => answer.append(text);
  }

  closeAnswer() {
    const unanswered = this.thread?.finish();
    if (unanswered && !this.input.field.value) this.input.field.value = unanswered;
  }

  showJson(body) {
    this.root.querySelector("#playground-json code").textContent = JSON.stringify(body, null, 2);
    this.find("json-panel").hidden = false;
  }

  busy(isBusy) {
    const run = this.find("run");
    const stop = this.find("stop");
    this.root.setAttribute("aria-busy", String(isBusy));
    const hadFocus = document.activeElement === (isBusy ? run : stop);
    run.hidden = isBusy;
    stop.hidden = !isBusy;
    if (hadFocus) (isBusy ? stop : run).focus();
    this.find("keys-run").hidden = isBusy;
    this.find("keys-stop").hidden = !isBusy;
    this.watch.calling(isBusy);
  }

  status(words) {
    const line = this.find("status");
    if (line.textContent !== words) line.textContent = words;
    line.hidden = !words;
  }

  hideError() {
    clearInterval(this.countdown);
    this.find("error").hidden = true;
  }

  fail(error) {
    if (error.name === "AbortError") {
      this.status(say("stopped"));
      return;
    }
    this.status("");
    const known = error instanceof CallError || error instanceof InputError;
    this.find("error-title").textContent = error instanceof InputError ? error.message : say("failed");
    this.find("error-text").textContent = error instanceof InputError ? "" : known ? error.message : say("cutOff");
    const about = [error.code && say("errorCode", { code: error.code }), error.requestId && `${say("requestId")} ${error.requestId}`];
    this.find("error-code").textContent = about.filter(Boolean).join(" · ");
    this.offerRetry(error);
    this.find("error").hidden = false;
  }

  // A retry opens when the hub said it may (Retry-After), counted down in words.
  offerRetry(error) {
    const button = this.find("retry");
    let left = Math.ceil(error.retryAfter ?? 0);
    button.hidden = !error.retryAfter;
    const words = button.querySelector("span");
    const show = () => {
      button.disabled = left > 1;
      words.textContent = left > 1 ? say("retryIn", { seconds: left }) : say("retry");
    };
    show();
    this.countdown = setInterval(() => {
      left -= 1;
      show();
      if (left <= 1) clearInterval(this.countdown);
    }, 1000);
  }
}

const root = document.querySelector("[data-playground]");
if (root && config) new Playground(root);
