// Engine: the network in this browser. The photograph goes to a worker and nowhere else.

import { marked } from "./mark.js";
import { colorName, formatOf } from "./names.js";

const QUALITY = 95;

/**
 * Every engine has `written` (formats), `accept` (for the file dialog) and these methods. They throw an Error with one sentence.
 * start(tell): load everything; returns in words what colors. tell: called with a part, 0 to 1, and a text.
 * open(photo): { width, height, before (a small picture), colored (whether it is in color already) }.
 * preview(photo, look, side): a small picture in color, of about this long side.
 * save(photo, look, format, tell): { blob, name, leftOut } at full size. format: null for the photograph's own.
 * close(photo): forget it.
 */
export class BrowserEngine {
  constructor(setup) {
    Object.assign(this, { setup, written: ["jpeg", "png"], accept: "image/*", calls: new Map(), count: 0 });
    this.worker = new Worker("./worker.js", { type: "module" });
    this.worker.onmessage = ({ data }) => this.answer(data);
    const broken = new Error("the network could not be started: load the page again, or take a current browser");
    this.worker.onerror = () => this.calls.forEach(({ fail }) => fail(broken));
  }

  start(tell) {
    return this.ask("start", this.setup, tell);
  }

  open({ id, file }) {
    return this.ask("open", { id, file });
  }

  preview({ id, file }, look, side) {
    return this.ask("preview", { id, file, look, side });
  }

  async save({ id, file, name }, look, format, tell) {
    const own = formatOf(name, this.setup);
    const kept = format ?? (this.written.includes(own) ? own : "png");
    const made = await this.ask("save", { id, file, look, type: `image/${kept}`, quality: QUALITY / 100 }, tell);
    const facts = { format: kept, quality: kept === "png" ? 0 : QUALITY, ...this.setup };
    return { ...(await marked(made, file, look, facts)), name: colorName(name, this.setup.formats[kept]) };
  }

  close({ id }) {
    this.ask("close", { id });
  }

  ask(action, values, tell = () => {}) {
    return new Promise((done, fail) => {
      this.calls.set(++this.count, { done, fail, tell });
      this.worker.postMessage({ call: this.count, action, values });
    });
  }

  answer({ call, progress, result, error }) {
    const { done, fail, tell } = this.calls.get(call);
    if (progress) return tell(progress.part, progress.text);
    this.calls.delete(call);
    return error ? fail(new Error(error)) : done(result);
  }
}
