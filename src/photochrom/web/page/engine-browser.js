// Engine: the network in this browser. The photograph goes to a worker and nowhere else.

import { marked } from "./mark.js";
import { colorName, FORMATS, formatOf } from "./names.js";

export class BrowserEngine {
  constructor(setup) {
    this.setup = setup;
    this.formats = ["jpeg", "png", "webp"];
    this.accept = "image/*";
    this.worker = new Worker("./worker.js", { type: "module" });
    this.calls = new Map();
    this.worker.onmessage = ({ data }) => this.answer(data);
    this.worker.onerror = () => this.calls.forEach((call) => call.fail(new Error(this.broken)));
  }

  broken = "the network could not be started: load the page again, or take a current browser";

  /** Load everything; what runs it, in words. */
  start(tell) {
    return this.ask("start", this.setup, tell);
  }

  /** Read a photograph: its width, height, a small picture of it (before), and whether it is in color (colored). */
  open(photo) {
    return this.ask("open", photo);
  }

  /** A small picture in color, an ImageBitmap. */
  preview(photo, look, side) {
    return this.ask("preview", { ...photo, look, side });
  }

  /** The photograph in color at full size, as { blob, name, leftOut }. format: null for the photograph's own. */
  async save(photo, look, format, tell) {
    const own = formatOf(photo.name);
    const kept = format ?? (this.formats.includes(own) ? own : "png");
    const { type, quality } = FORMATS[kept];
    const made = await this.ask("save", { ...photo, look, type, quality: quality / 100 }, tell);
    const { blob, leftOut } = await marked(made, photo.file, look, { format: kept, quality, ...this.setup });
    return { blob, name: colorName(photo.name, kept), leftOut };
  }

  close(photo) {
    this.ask("close", photo).catch(() => {});
  }

  ask(action, { id, file, look, side, type, quality, ...rest }, tell = () => {}) {
    const values = action === "start" ? rest : { id, file, look, side, type, quality };
    return new Promise((done, fail) => {
      const call = this.calls.size ? Math.max(...this.calls.keys()) + 1 : 1;
      this.calls.set(call, { done, fail, tell });
      this.worker.postMessage({ call, action, values });
    });
  }

  answer({ call, progress, result, error }) {
    const { done, fail, tell } = this.calls.get(call);
    if (progress) return tell(progress.part, progress.text);
    this.calls.delete(call);
    return error ? fail(new Error(error)) : done(result);
  }
}
