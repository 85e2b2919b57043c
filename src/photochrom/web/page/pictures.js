// Pixels: decoding, reducing, reading a color. Used by the page and by the worker.

export const [DRAFT, PREVIEW, DETAIL] = [640, 1280, 2560]; // long sides: while a slider moves, at rest, when zoomed

/** A photograph's file, upright and in sRGB. Throws an Error with one sentence. */
export async function decode(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", premultiplyAlpha: "none" });
  } catch {
    throw new Error(`${file.name} can't be read by this browser: it reads JPEG, PNG, WebP, GIF, BMP and AVIF`);
  }
}

/** A canvas with a picture, reduced to a long side; by halves, because browsers look at few pixels when they reduce. */
export function drawn(picture, side = Infinity) {
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const [width, height] = [picture.width, picture.height].map((length) => Math.max(1, Math.round(length * scale)));
  if (picture.width >= 4 * width) picture = drawn(picture, 2 * Math.max(width, height));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new RangeError("no memory for a canvas");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, width, height);
  return canvas;
}

/** The pixels (H, W, 3) of a canvas. */
export function rgbOf(canvas) {
  const [{ width, height }, context] = [canvas, canvas.getContext("2d")];
  const rgb = new Uint8Array(width * height * 3);
  for (let first = 0, to = 0; first < height; first += 256) {
    const { data } = context.getImageData(0, first, width, Math.min(256, height - first));
    for (let from = 0; from < data.length; from += 2) {
      rgb[to++] = data[from++];
      rgb[to++] = data[from++];
      rgb[to++] = data[from];
    }
  }
  return rgb;
}

/** Whether a picture has any color, be it sepia: then the command line may have to be told to color it again. */
export function hasColor(picture) {
  const small = drawn(picture, 64);
  const { data } = small.getContext("2d").getImageData(0, 0, small.width, small.height);
  return data.some((value, i) => i % 4 === 0 && Math.max(...data.slice(i, i + 3)) - Math.min(...data.slice(i, i + 3)) > 8);
}

/** The color of a picture at a place, given as fractions of its sides, as [r, g, b]: the mean of a few pixels. */
export function colorAt(picture, u, v) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  const side = Math.max(1, picture.width / 200);
  const [x, y] = [u * picture.width - side / 2, v * picture.height - side / 2];
  context.drawImage(picture, Math.max(0, x), Math.max(0, y), side, side, 0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** Those of several colors that differ in more than luminance, as #rrggbb. */
export function distinct(colors) {
  const chroma = ([r, g, b]) => [0.5 * r - 0.42 * g - 0.08 * b, 0.5 * b - 0.33 * g - 0.17 * r]; // Cr, Cb
  const isFar = (one, two) => Math.hypot(chroma(one)[0] - chroma(two)[0], chroma(one)[1] - chroma(two)[1]) > 5;
  const kept = colors.filter((color, i) => colors.slice(0, i).every((other) => isFar(color, other)));
  return kept.map((color) => "#" + color.map((value) => value.toString(16).padStart(2, "0")).join(""));
}
