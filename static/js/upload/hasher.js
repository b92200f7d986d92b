// The page's side of hash_worker.js.
export class Hasher {
  #worker = null;
  #waiting = new Map();
  #next = 1;

  #start() {
    if (this.#worker) return;
    this.#worker = new Worker(new URL("./hash_worker.js", import.meta.url), { type: "module" });
    this.#worker.addEventListener("message", ({ data }) => this.#receive(data));
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      for (const [, { reject }] of this.#waiting) reject(new Error("worker"));
      this.#waiting.clear();
    });
  }

  #receive({ id, done, sha256, sample, error }) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    if (done !== undefined) {
      waiting.onProgress(done);
      return;
    }
    this.#waiting.delete(id);
    if (sha256) waiting.resolve({ sha256, sample });
    else waiting.reject(new Error(error));
  }

  // → { sha256, sample }: hex, and the first bytes in base64. Rejects when the file cannot be read any more.
  hash(file, { onProgress, signal }) {
    this.#start();
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProgress });
      signal.addEventListener("abort", () => {
        if (!this.#waiting.delete(id)) return;
        this.#worker.postMessage({ id, cancel: true });
        reject(signal.reason);
      });
      this.#worker.postMessage({ id, file });
    });
  }

  pause(isPaused) {
    this.#worker?.postMessage({ pause: isPaused });
  }
}
