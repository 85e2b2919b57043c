// The network in a worker: onnxruntime-web with the two graphs of `photochrom export --pipeline`.

import { decode, DETAIL, drawn, hasColor, PREVIEW, rgbOf } from "./pictures.js";

const KEPT = 4; // photographs whose previews are kept, up to 60 MB each
const STRIP = 1 << 18; // pixels joined at a time
const photographs = new Map(); // by id: { width, height, colored, canvas, pixels by side, guide, made: what of }
let ort, setup, predict, join;

const actions = { start, open, preview, save, close: ({ id }) => void photographs.delete(id) };
let last = Promise.resolve();
self.onmessage = ({ data: { call, action, values } }) => {
  const tell = (part, text) => self.postMessage({ call, progress: { part, text } });
  const done = (result) => self.postMessage({ call, result });
  const fail = (error) => self.postMessage({ call, error: inWords(error, values.file?.name) });
  last = last.then(() => actions[action](values, tell)).then(done, fail);
};

/** An error as one sentence. What lacks memory throws a RangeError, or in WebAssembly anything, even a number. */
function inWords(error, name = "the network") {
  const text = String(error?.message ?? error);
  if (/can't|could not be loaded/.test(text)) return text;
  if (error instanceof RangeError || /memory|alloc|abort|^\d+$/i.test(text)) {
    return `there is not enough memory for ${name}: close other tabs, or take a smaller copy`;
  }
  return `${name} could not be colored: ${text.split("\n")[0].slice(0, 200)}`;
}

async function start(values, tell) {
  setup = values;
  const { module, wasm } = setup.runtime;
  if (typeof WebAssembly === "undefined") {
    throw new Error("this browser can't color photographs: WebAssembly is missing or switched off");
  }
  ort = await import(module);
  const paths = [wasm, setup.predict, setup.join];
  const total = paths.reduce((sum, path) => sum + setup.files[path], 0);
  let loaded = 0;
  const load = (path) => fetched(path, (bytes) => tell((loaded += bytes) / total, "Loading the network"));
  const [program, ...graphs] = await Promise.all(paths.map(load));
  tell(undefined, "Starting the network");
  const threads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency || 1) : 1;
  Object.assign(ort.env.wasm, { wasmBinary: program, numThreads: threads });
  ort.env.logLevel = "error";
  const options = { executionProviders: ["wasm"], enableCpuMemArena: false };
  [predict, join] = [await ort.InferenceSession.create(graphs[0], options), await ort.InferenceSession.create(graphs[1], options)];
  return `In this browser: WebAssembly, ${threads} thread${threads > 1 ? "s" : ""}`;
}

async function fetched(path, tell) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} could not be loaded (${answer.status}): load the page again`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).arrayBuffer();
    parts.push(value);
    tell(value.length);
  }
}

async function open({ id, file }) {
  const { width, height, colored, canvas } = await opened(id, file);
  return { width, height, colored, before: await createImageBitmap(canvas) };
}

/** What is kept of a photograph; it is read again if it was forgotten. */
async function opened(id, file) {
  let photograph = photographs.get(id);
  if (!photograph) {
    const picture = await decode(file);
    const canvas = drawn(picture, DETAIL);
    photograph = { width: picture.width, height: picture.height, colored: hasColor(canvas), canvas, pixels: {} };
    picture.close();
  }
  photographs.delete(id); // so that it goes to the end of the order
  photographs.set(id, photograph);
  if (photographs.size > KEPT) photographs.delete(photographs.keys().next().value);
  return photograph;
}

async function preview({ id, file, look, side }) {
  const photograph = await opened(id, file);
  const { pixels, canvas, width } = photograph;
  const made = JSON.stringify([look.seed, look.hints]);
  if (photograph.made !== made) {
    const small = drawn(canvas, PREVIEW);
    pixels[PREVIEW] ??= rgbOf(small);
    photograph.guide = await guideOf(pixels[PREVIEW], small, look, small.width / width);
    photograph.made = made;
  }
  const shown = drawn(canvas, side);
  pixels[side] ??= rgbOf(shown);
  await joined(shown, pixels[side], photograph.guide, look, () => {});
  return shown.transferToImageBitmap();
}

/** Color the whole photograph, strip by strip, so that little more than its pixels is in memory. */
async function save({ id, file, look, type, quality }, tell) {
  tell(0, `Reading ${file.name}`);
  const picture = await decode(file);
  const canvas = drawn(picture);
  picture.close();
  const rgb = rgbOf(canvas);
  tell(0.1, `Coloring ${file.name}`);
  const { guide: known, made } = photographs.get(id) ?? {};
  const isShown = made === JSON.stringify([look.seed, look.hints]) && Math.max(canvas.width, canvas.height) <= PREVIEW;
  const guide = isShown ? known : await guideOf(rgb, canvas, look, 1); // a small photograph's preview is all of it
  await joined(canvas, rgb, guide, look, (part) => tell(0.4 + 0.5 * part, `Coloring ${file.name}`));
  tell(0.9, `Writing ${file.name}`);
  const blob = await canvas.convertToBlob({ type, quality });
  if (blob.type !== type) throw new Error(`this browser can't write ${type}: choose another format`);
  return { blob, width: canvas.width, height: canvas.height };
}

/** What joins the colors of a picture (H, W, 3). scale: its size, of that on which the hints are. */
function guideOf(rgb, { width, height }, look, scale) {
  const rows = look.hints.flatMap(({ points, color, radius }, number) => {
    const told = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    const belongs = points.length > 1 ? number + 1 : 0;
    return points.flatMap(([x, y]) => [x * scale, y * scale, ...told, radius * scale, belongs]);
  });
  const noise = look.seed === null ? setup.noise[0].map(() => 0) : setup.noise[look.seed - 1];
  const given = {
    photograph: new ort.Tensor("uint8", rgb, [height, width, 3]),
    noise: new ort.Tensor("float32", Float32Array.from(noise), [noise.length]),
    hints: new ort.Tensor("float32", Float32Array.from(rows), [rows.length / 7, 7]),
  };
  return predict.run(given).then(({ guide }) => guide);
}

/** Put the colors of a canvas's photograph (H, W, 3) on the canvas; its transparency stays. */
async function joined(canvas, rgb, guide, look, tell) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const number = (value) => new ort.Tensor("float32", Float32Array.of(value), [1]);
  const whole = (value) => new ort.Tensor("int64", BigInt64Array.of(BigInt(value)), [1]);
  const fixed = { height: whole(height), guide, strength: number(look.strength), warmth: number(look.warmth) };
  const most = Math.max(1, Math.floor(STRIP / width));
  for (let first = 0; first < height; first += most) {
    const rows = Math.min(most, height - first);
    const strip = new ort.Tensor("uint8", rgb.subarray(first * width * 3, (first + rows) * width * 3), [rows, width, 3]);
    const { colors } = await join.run({ rows: strip, first: whole(first), ...fixed });
    const pixels = context.getImageData(0, first, width, rows);
    for (let from = 0, to = 0; from < colors.data.length; to += 2) {
      pixels.data[to++] = colors.data[from++];
      pixels.data[to++] = colors.data[from++];
      pixels.data[to] = colors.data[from++];
    }
    context.putImageData(pixels, 0, first);
    tell((first + rows) / height);
  }
}
