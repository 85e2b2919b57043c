// Engine: the HTTP API of `photochrom serve`, as anybody may call it.

import { decode, drawn, hasColor, PREVIEW } from "./pictures.js";
import { hintsFile } from "./names.js";

export class HttpEngine {
  constructor(setup) {
    Object.assign(this, { setup, formats: setup.formats, accept: setup.suffixes.join(",") });
    this.small = new Map(); // by id: a small copy of the photograph, which is what previews are made of
  }

  async start() {
    return "On the server";
  }

  async open(photo) {
    const picture = await decode(photo.file).catch(() => null);
    // What the browser can't read, the server can: at strength 0 it gives the photograph's luminance.
    const shown = picture ?? (await createImageBitmap(await this.post(photo.file, { strength: 0, format: "jpeg" })));
    const canvas = drawn(shown, PREVIEW);
    const { width, height } = shown;
    shown.close();
    this.small.set(photo.id, await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 }));
    const colored = Boolean(picture) && hasColor(canvas);
    return { width, height, before: canvas.transferToImageBitmap(), colored };
  }

  async preview(photo, look) {
    const small = new File([this.small.get(photo.id)], "preview.jpg");
    return createImageBitmap(await this.post(small, { ...fields(look, photo), format: "jpeg" }));
  }

  async save(photo, look, format, tell) {
    tell(undefined, `Coloring ${photo.name}`);
    const blob = await this.post(photo.file, { ...fields(look, photo), ...(format && { format }) });
    return { blob, name: blob.name, leftOut: [] };
  }

  close(photo) {
    this.small.delete(photo.id);
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
    const [, plain] = /filename="([^"]*)"/.exec(answer.headers.get("content-disposition")) ?? [];
    const [, coded] = /filename\*=utf-8''([^;]*)/i.exec(answer.headers.get("content-disposition")) ?? [];
    return new File([await answer.blob()], coded ? decodeURIComponent(coded) : (plain ?? "photograph"));
  }
}

function fields(look, photo) {
  const { strength, warmth, seed, hints } = look;
  return { strength, warmth, ...(seed !== null && { seed }), ...(hints.length && { hints: hintsFile(hints, photo) }) };
}
