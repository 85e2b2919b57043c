// Photographs and what was decided about them. A look never changes: each decision makes a new one, and undo goes back.

const GESTURE = 1000; // ms: changes of one slider within this time are one decision
export const PLAIN = Object.freeze({ strength: 1, warmth: 0, seed: null, hints: [] });
let count = 0;

/** A photograph. state: waiting, ready, refused, saving or saved. message: why it was refused. samples: by seed. */
export class Photo {
  constructor(file, look) {
    Object.assign(this, { id: ++count, file, name: file.name, state: "waiting", message: "", samples: new Map() });
    Object.assign(this, { history: [{ ...look, hints: [] }], position: 0, decided: 0, slider: "" });
  }

  get look() {
    return this.history[this.position];
  }

  /** Decide something. slider: the name of what is dragged, so that one drag is one decision. */
  decide(change, slider = "") {
    const [look, now] = [Object.freeze({ ...this.look, ...change }), Date.now()];
    const merged = slider && slider === this.slider && now - this.decided < GESTURE && this.position > 0;
    this.history.splice(this.position + (merged ? 0 : 1), Infinity, look);
    Object.assign(this, { position: this.history.length - 1, decided: now, slider, state: "ready" });
  }

  /** Go one decision back (-1) or forward (1); whether there was one. */
  step(by) {
    const found = this.history[this.position + by];
    if (found) Object.assign(this, { position: this.position + by, slider: "", state: "ready" });
    return Boolean(found);
  }
}

/** Runs one task at a time, and of those that come meanwhile only the last. */
export class Latest {
  run(task) {
    this.next = task;
    this.running ??= this.work().finally(() => (this.running = null));
    return this.running;
  }

  async work() {
    for (let task; (task = this.next); ) {
      this.next = null;
      await task(() => Boolean(this.next));
    }
  }
}
