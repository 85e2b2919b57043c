// Pixels: decoding, reducing, reading a color. Used by the page and by the worker.

export const PREVIEW = 1280; // pixels: the long side of what the page shows
export const DRAFT = 640; // the same while a slider moves

/** A photograph's file, upright and in sRGB. Throws an Error with one sentence. */
export async function decode(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", premultiplyAlpha: "none" });
  } catch {
    throw new Error(`${file.name} can't be read by this browser: it reads JPEG, PNG, WebP, GIF, BMP and AVIF`);
  }
}

/** Width and height within a long side. */
export function fitted(width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

/** A canvas with a picture, reduced to a long side; by halves, because browsers look at few pixels when they reduce. */
export function drawn(picture, side = Infinity) {
  const [width, height] = fitted(picture.width, picture.height, side);
  let source = picture;
  while (source.width >= 2 * width && source.height >= 2 * height) {
    source = painted(source, Math.ceil(source.width / 2), Math.ceil(source.height / 2));
  }
  return painted(source, width, height);
}

function painted(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new RangeError("no memory for a canvas");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}

/** The pixels (rows, W, 3) of some rows of a canvas. */
export function rgbOf(canvas, first = 0, rows = canvas.height) {
  const rgb = new Uint8Array(canvas.width * rows * 3);
  for (let row = 0, to = 0; row < rows; row += 256) {
    const height = Math.min(256, rows - row);
    const { data } = canvas.getContext("2d").getImageData(0, first + row, canvas.width, height);
    for (let from = 0; from < data.length; from += 4) {
      rgb[to++] = data[from];
      rgb[to++] = data[from + 1];
      rgb[to++] = data[from + 2];
    }
  }
  return rgb;
}

/** Whether a picture has any color, be it sepia: then the command line may want to be told to color it again. */
export function hasColor(canvas) {
  const rgb = rgbOf(canvas);
  let colored = 0;
  for (let i = 0; i < rgb.length; i += 3) {
    if (Math.max(rgb[i], rgb[i + 1], rgb[i + 2]) - Math.min(rgb[i], rgb[i + 1], rgb[i + 2]) > 8) colored += 1;
  }
  return colored * 3 > rgb.length / 100;
}

/** The color of a picture at a place, given as fractions of its sides, as [r, g, b]: the mean of a few pixels. */
export function colorAt(picture, u, v) {
  const context = new OffscreenCanvas(3, 3).getContext("2d");
  const [x, y] = [Math.floor(u * picture.width) - 1, Math.floor(v * picture.height) - 1];
  context.drawImage(picture, x, y, 3, 3, 0, 0, 3, 3);
  const { data } = context.getImageData(0, 0, 3, 3);
  const sums = [0, 0, 0, 0];
  data.forEach((value, i) => (sums[i % 4] += i % 4 < 3 ? (value * data[i - (i % 4) + 3]) / 255 : value / 255));
  return sums.slice(0, 3).map((sum) => Math.round(sum / (sums[3] || 1)));
}

export const hexOf = (rgb) => "#" + rgb.map((value) => value.toString(16).padStart(2, "0")).join("");
export const rgbOfHex = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** Those of several colors that differ in more than luminance, as #rrggbb. */
export function distinct(colors) {
  const chroma = ([r, g, b]) => [0.5 * r - 0.42 * g - 0.08 * b, 0.5 * b - 0.33 * g - 0.17 * r]; // Cr, Cb
  const kept = [];
  for (const color of colors) {
    const [one, two] = chroma(color);
    const isNew = kept.every((other) => Math.hypot(one - chroma(other)[0], two - chroma(other)[1]) > 5);
    if (isNew) kept.push(color);
  }
  return kept.map(hexOf);
}
