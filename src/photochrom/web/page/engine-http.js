// Engine: the HTTP API of `photochrom serve`, as anybody may call it. engine-browser.js says what an engine does.

import { hintsFile } from "./names.js";
import { decode, DETAIL, drawn, hasColor } from "./pictures.js";

export class HttpEngine {
  constructor(setup) {
    Object.assign(this, { written: Object.keys(setup.formats), accept: setup.accept, canvases: new Map() });
  }

  async start() {
    return "On the server";
  }

  async open({ id, file }) {
    const picture = await decode(file).catch(() => null);
    // What the browser can't read, the server can: at strength 0 it gives the photograph's luminance.
    const shown = picture ?? (await createImageBitmap(await this.post(file, { strength: 0, format: "jpeg" })));
    const canvas = drawn(shown, DETAIL);
    this.canvases.set(id, canvas);
    const { width, height } = shown;
    shown.close();
    return { width, height, before: await createImageBitmap(canvas), colored: Boolean(picture) && hasColor(canvas) };
  }

  async preview(photo, look, side) {
    const small = await drawn(this.canvases.get(photo.id), side).convertToBlob({ type: "image/jpeg", quality: 0.95 });
    const answer = await this.post(new File([small], "preview.jpg"), { ...fields(photo, look), format: "jpeg" });
    return createImageBitmap(answer);
  }

  async save(photo, look, format, tell) {
    tell(undefined, `Coloring ${photo.name}`);
    const blob = await this.post(photo.file, { ...fields(photo, look), ...(format && { format }) });
    return { blob, name: blob.name, leftOut: [] };
  }

  close({ id }) {
    this.canvases.delete(id);
  }

  async post(file, values) {
    const form = new FormData();
    form.set("file", file, file.name);
    for (const [name, value] of Object.entries(values)) form.set(name, value);
    const answer = await fetch("v1/colorize", { method: "POST", body: form }).catch(() => null);
    if (!answer) throw new Error("the server does not answer: is it still running?");
    if (answer.status === 429) {
      await new Promise((done) => setTimeout(done, 1000 * (Number(answer.headers.get("retry-after")) || 5)));
      return this.post(file, values);
    }
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? `the server answered ${answer.status}`);
    const told = answer.headers.get("content-disposition") ?? "";
    const [, coded, plain] = /filename\*=utf-8''([^;]+)|filename="([^"]*)"/i.exec(told) ?? [];
    return new File([await answer.blob()], coded ? decodeURIComponent(coded) : (plain ?? file.name));
  }
}

function fields(photo, { strength, warmth, seed, hints }) {
  return { strength, warmth, ...(seed !== null && { seed }), ...(hints.length && { hints: hintsFile(hints, photo) }) };
}
