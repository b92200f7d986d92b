// Reads a streamed text to assistive technology sentence by sentence: token by token would be noise.
import { announce } from "../announce.js";

const SENTENCE = /^[\s\S]*?[.!?。！？\n](?=\s|$)/;
const PAUSE_MS = 1_500;

export class Speaker {
  constructor() {
    this.rest = "";
    this.ready = [];
  }

  add(text) {
    this.rest += text;
    let match;
    while ((match = SENTENCE.exec(this.rest))) {
      this.ready.push(match[0].trim());
      this.rest = this.rest.slice(match[0].length);
    }
    this.timer ??= setTimeout(() => this.speak(), PAUSE_MS);
  }

  speak() {
    this.timer = undefined;
    if (this.ready.length) announce(this.ready.splice(0).join(" "));
  }

  end(words) {
    clearTimeout(this.timer);
    this.timer = undefined;
    announce([...this.ready.splice(0), this.rest.trim(), words].filter(Boolean).join(" "));
    this.rest = "";
  }
}
