// The conversation: what was said, and the answer that is being written.
import { element, say } from "./config.js";

export class Thread {
  constructor(box) {
    this.box = box;
    this.messages = [];
  }

  restart(messages = []) {
    this.messages = [...messages];
    this.box.replaceChildren();
    this.box.hidden = !messages.length;
    for (const message of messages) this.draw(message.role, message.content);
  }

  draw(role, content) {
    const text = element("p", { className: "playground__turn-text", textContent: content });
    const speaker = element("p", { className: "playground__turn-by", textContent: say(role === "user" ? "you" : "model") });
    const turn = element("div", { className: "playground__turn" }, speaker, text);
    turn.dataset.role = role;
    this.box.append(turn);
    this.box.hidden = false;
    this.scroll();
    return text;
  }

  // Shows the question and an empty answer; returns where the answer is written.
  ask(question) {
    this.messages.push({ role: "user", content: question });
    this.draw("user", question);
    this.answer = this.draw("assistant", "");
    this.answer.parentElement.setAttribute("aria-busy", "true");
  }

  write(text) {
    this.answer.append(text);
    this.scroll();
  }

  // A stopped answer stays; a question that got none at all is taken back and returned.
  finish() {
    this.answer.parentElement.removeAttribute("aria-busy");
    const content = this.answer.textContent;
    if (content) {
      this.messages.push({ role: "assistant", content });
      return "";
    }
    this.answer.parentElement.previousElementSibling.remove();
    this.answer.parentElement.remove();
    this.box.hidden = !this.messages.length || this.messages.length === 1;
    return this.messages.pop().content;
  }

  // Follows the answer unless the reader has scrolled up.
  scroll() {
    const { box } = this;
    if (box.scrollHeight - box.scrollTop - box.clientHeight < 120) box.scrollTop = box.scrollHeight;
  }
}
