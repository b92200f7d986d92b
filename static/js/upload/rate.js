// Speed and time left, smoothed: a number that jumps tells nothing.
const HALF_LIFE_S = 4;

export class Rate {
  #last = null;
  #bytesPerS = 0;

  // `bytes` sent so far; call about twice a second. A step back (a part sent again) counts as nothing sent.
  add(bytes, now = performance.now()) {
    if (this.#last) {
      const seconds = (now - this.#last.now) / 1000;
      if (seconds < 0.2) return;
      const current = Math.max(bytes - this.#last.bytes, 0) / seconds;
      const weight = this.#bytesPerS ? 1 - 0.5 ** (seconds / HALF_LIFE_S) : 1;
      this.#bytesPerS += weight * (current - this.#bytesPerS);
    }
    this.#last = { bytes, now };
  }

  forget() {
    this.#last = null;
    this.#bytesPerS = 0;
  }

  get bytesPerS() {
    return this.#bytesPerS;
  }

  secondsFor(bytes) {
    return this.#bytesPerS > 1024 ? bytes / this.#bytesPerS : null;
  }
}
