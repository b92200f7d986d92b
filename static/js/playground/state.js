// The state of the model as the hub sees it: asked gently, faster while something happens, never while hidden.
import { config, say } from "./config.js";

const IDLE_MS = 20_000;
const BUSY_MS = 2_000;
const MOST_FAILURES = 5;

export class StateWatch {
  constructor(root) {
    this.pill = root.querySelector("[data-state-pill] .state-pill");
    this.reason = root.querySelector("[data-state-reason]");
    this.note = root.querySelector("[data-load-note]");
    this.waiting = root.querySelector("[data-waiting]");
    this.state = config.state;
    this.isCalling = false;
    this.failures = 0;
    document.addEventListener("visibilitychange", () => this.plan(0));
    this.plan();
  }

  // While a call runs the state is asked more often: loading should be seen.
  calling(isCalling) {
    this.isCalling = isCalling;
    this.plan(isCalling ? 500 : 0);
  }

  plan(delay) {
    clearTimeout(this.timer);
    if (document.hidden || this.failures >= MOST_FAILURES) return;
    const pace = this.isCalling || this.state === "loading" ? BUSY_MS : IDLE_MS;
    this.timer = setTimeout(() => this.ask(), delay ?? pace);
  }

  async ask() {
    try {
      const response = await fetch(config.stateUrl, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(response.statusText);
      this.show(await response.json());
      this.failures = 0;
    } catch {
      this.failures += 1;
    }
    this.plan();
  }

  show({ state, reason, waiting }) {
    this.state = state;
    this.pill.dataset.state = state;
    this.pill.querySelector(".state-pill__word").textContent = say(state);
    this.reason.textContent = reason;
    this.reason.hidden = !reason;
    this.note.hidden = state === "ready";
    this.waiting.hidden = !waiting;
    if (waiting) this.waiting.textContent = say("queuedAt", { count: waiting });
  }
}
