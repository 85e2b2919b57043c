// The network in a worker: onnxruntime-web with the two graphs of `photochrom export --pipeline`.

import { decode, DRAFT, drawn, fitted, hasColor, PREVIEW, rgbOf } from "./pictures.js";

const KEPT = 6; // photographs whose previews are kept, about 10 MB each
const STRIP = 1 << 18; // pixels joined at a time
const photographs = new Map(); // by id: { width, height, pictures by side, guide, made: what the guide was made of }
let ort, setup, predict, join;

const actions = { start, open, preview, save, close: ({ id }) => photographs.delete(id) };
let last = Promise.resolve();
self.onmessage = ({ data: { call, action, values } }) => {
  const tell = (part, text) => self.postMessage({ call, progress: { part, text } });
  last = last.then(async () => {
    try {
      self.postMessage({ call, result: await actions[action](values, tell) });
    } catch (error) {
      self.postMessage({ call, error: inWords(error, values) });
    }
  });
};

/** An error as one sentence. What lacks memory throws a RangeError, or in WebAssembly anything, even a number. */
function inWords(error, { file } = {}) {
  const text = String(error?.message ?? error);
  if (/can't|could not/.test(text)) return text;
  const short = /memory|alloc|array length|could not be created|abort|bad_alloc|^\d+$/i.test(text) || error instanceof RangeError;
  if (short) return `there is not enough memory for ${file?.name ?? "this"}: close other tabs, or take a smaller copy`;
  return `${file?.name ?? "the network"} could not be colored: ${text.split("\n")[0].slice(0, 200)}`;
}

async function start(values, tell) {
  setup = values;
  if (typeof WebAssembly === "undefined") {
    throw new Error("this browser can't color photographs: it has no WebAssembly, or it is switched off");
  }
  ort = await import(setup.runtime.module);
  const sizes = [setup.runtime.wasm, setup.predict, setup.join].map((path) => setup.files[path]);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let loaded = 0;
  const load = (path) => fetched(path, (bytes) => tell((loaded += bytes) / total, "Loading the network"));
  const [wasm, one, two] = await Promise.all([setup.runtime.wasm, setup.predict, setup.join].map(load));
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = "error";
  const options = { executionProviders: ["wasm"], enableCpuMemArena: false };
  predict = await ort.InferenceSession.create(new Uint8Array(one), options);
  join = await ort.InferenceSession.create(new Uint8Array(two), options);
  const threads = ort.env.wasm.numThreads;
  return `In this browser, WebAssembly, ${threads} thread${threads > 1 ? "s" : ""}`;
}

async function fetched(path, tell) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path.split("/").pop()} could not be loaded (${answer.status}): load the page again`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).arrayBuffer();
    parts.push(value);
    tell(value.length);
  }
}

async function open({ id, file }) {
  const { canvas, ...photograph } = await opened(id, file);
  return { ...photograph, before: await createImageBitmap(canvas) };
}

/** What is kept of a photograph; it is read again if it was forgotten. */
async function opened(id, file) {
  const known = photographs.get(id);
  photographs.delete(id); // so that it goes to the end of the order
  const { width, height, canvas, colored } = known ?? (await read(file));
  photographs.set(id, known ?? { width, height, canvas, colored, rgb: new Map() });
  while (photographs.size > KEPT) photographs.delete(photographs.keys().next().value);
  return photographs.get(id);
}

async function read(file) {
  const picture = await decode(file);
  const canvas = drawn(picture, PREVIEW);
  const { width, height } = picture;
  picture.close();
  return { width, height, canvas, colored: hasColor(canvas) };
}

async function preview({ id, file, look, side }) {
  const photograph = await opened(id, file);
  const { width, height } = photograph.canvas;
  const made = JSON.stringify([look.seed, look.hints]);
  if (photograph.made !== made) {
    const scale = [width / photograph.width, height / photograph.height];
    photograph.guide = await guideOf(rgbAt(photograph, PREVIEW), width, height, look, scale);
    photograph.made = made;
  }
  const [wide, high] = fitted(width, height, side);
  const canvas = drawn(photograph.canvas, side);
  await joined(canvas, rgbAt(photograph, side), photograph.guide, look, () => {});
  return createImageBitmap(canvas, 0, 0, wide, high);
}

function rgbAt(photograph, side) {
  if (!photograph.rgb.has(side)) photograph.rgb.set(side, rgbOf(drawn(photograph.canvas, side)));
  return photograph.rgb.get(side);
}

/** Color the whole photograph, strip by strip, so that little more than its pixels is in memory. */
async function save({ file, look, type, quality }, tell) {
  tell(0, `Reading ${file.name}`);
  const picture = await decode(file);
  const canvas = drawn(picture);
  picture.close();
  let rgb = rgbOf(canvas);
  tell(0.1, `Coloring ${file.name}`);
  const guide = await guideOf(rgb, canvas.width, canvas.height, look, [1, 1]);
  await joined(canvas, rgb, guide, look, (part) => tell(0.4 + 0.5 * part, `Coloring ${file.name}`));
  rgb = null;
  tell(0.9, `Writing ${file.name}`);
  const blob = await canvas.convertToBlob({ type, quality });
  if (blob.type !== type) throw new Error(`this browser can't write ${type}: choose another format`);
  return { blob, width: canvas.width, height: canvas.height };
}

async function guideOf(rgb, width, height, look, [x, y]) {
  const rows = look.hints.flatMap(({ points, color, radius }, number) => {
    const told = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    const belongs = points.length > 1 ? number + 1 : 0;
    return points.flatMap(([left, top]) => [left * x, top * y, ...told, radius * Math.sqrt(x * y), belongs]);
  });
  const noise = look.seed === null ? setup.noise[0].map(() => 0) : setup.noise[look.seed - 1];
  const { guide } = await predict.run({
    photograph: new ort.Tensor("uint8", rgb, [height, width, 3]),
    noise: new ort.Tensor("float32", Float32Array.from(noise), [noise.length]),
    hints: new ort.Tensor("float32", Float32Array.from(rows), [rows.length / 7, 7]),
  });
  return guide;
}

/** Put the colors of a canvas's photograph (H, W, 3) on the canvas; its transparency stays. */
async function joined(canvas, rgb, guide, look, tell) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const number = (value) => new ort.Tensor("float32", Float32Array.of(value), [1]);
  const whole = (value) => new ort.Tensor("int64", BigInt64Array.of(BigInt(value)), [1]);
  const fixed = { height: whole(height), guide, strength: number(look.strength), warmth: number(look.warmth) };
  const rows = Math.max(1, Math.floor(STRIP / width));
  for (let first = 0; first < height; first += rows) {
    const strip = rgb.subarray(first * width * 3, (first + rows) * width * 3);
    const count = strip.length / width / 3;
    const given = { rows: new ort.Tensor("uint8", strip, [count, width, 3]), first: whole(first), ...fixed };
    const { colors } = await join.run(given);
    const pixels = context.getImageData(0, first, width, count);
    for (let from = 0, to = 0; from < colors.data.length; to += 2) {
      pixels.data[to++] = colors.data[from++];
      pixels.data[to++] = colors.data[from++];
      pixels.data[to] = colors.data[from++];
    }
    context.putImageData(pixels, 0, first);
    tell((first + count) / height);
  }
}
