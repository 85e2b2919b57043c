// Names of files, hints files, and the command line that repeats what was done here.

export const FORMATS = {
  jpeg: { label: "JPEG", suffix: ".jpg", type: "image/jpeg", quality: 95 },
  png: { label: "PNG", suffix: ".png", type: "image/png", quality: 95 },
  webp: { label: "WebP", suffix: ".webp", type: "image/webp", quality: 95 },
  tiff: { label: "TIFF", suffix: ".tif" },
  bmp: { label: "BMP", suffix: ".bmp" },
  avif: { label: "AVIF", suffix: ".avif" },
  heic: { label: "HEIC", suffix: ".heic" },
};
const SUFFIXES = { jpg: "jpeg", jpeg: "jpeg", jpe: "jpeg", jfif: "jpeg", tif: "tiff", heif: "heic", hif: "heic" };

const stem = (name) => name.replace(/\.[^.]*$/, "") || "photograph";

/** The format of a file's name, as its key in FORMATS; undefined for one that is only read. */
export function formatOf(name) {
  const suffix = name.split(".").pop().toLowerCase();
  const format = SUFFIXES[suffix] ?? suffix;
  return format in FORMATS ? format : undefined;
}

export const colorName = (name, format) => `${stem(name)}-color${FORMATS[format].suffix}`;
export const hintsName = (name) => `${stem(name)}-hints.json`;

/** The text of a hints file, which `photochrom colorize --hints` and the API read. */
export function hintsFile(hints, { width, height }) {
  const told = hints.map(({ points, color, radius }) => ({
    ...(points.length > 1 ? { stroke: points } : { x: points[0][0], y: points[0][1] }),
    color,
    ...(radius && { radius }),
  }));
  return JSON.stringify({ size: [width, height], hints: told }, null, 1) + "\n";
}

/** The hints as one text, as the mark has them; strokes as Python writes JSON. */
export function hintsText(hints) {
  if (!hints.some(({ points }) => points.length > 1)) return hints.map(hintArgument).join(" ");
  const told = hints.map(({ points, color, radius }) => {
    const pairs = points.map((point) => point.map(pythonFloat));
    const place = pairs.length > 1 ? `"stroke": [${pairs.map((pair) => `[${pair.join(", ")}]`).join(", ")}]`
      : `"x": ${pairs[0][0]}, "y": ${pairs[0][1]}`;
    return `{${place}, "color": "${color}"${radius ? `, "radius": ${pythonFloat(radius)}` : ""}}`;
  });
  return `[${told.join(", ")}]`;
}

export const pythonFloat = (value) => (Number.isInteger(value) ? `${value}.0` : String(value));

const hintArgument = ({ points: [[x, y]], color, radius }) => [x, y, color, ...(radius ? [radius] : [])].join(",");

/** The command that makes the same file. */
export function commandLine(photo, look, format, setup) {
  const words = ["photochrom", "colorize", photo.name.replace(/^-/, "./-")];
  const strokes = look.hints.some(({ points }) => points.length > 1);
  if (photo.colored) words.push("--recolor");
  if (look.seed !== null) words.push("--seed", String(look.seed));
  if (look.strength !== 1) words.push("--strength", String(look.strength));
  if (look.warmth) words.push("--warmth", String(look.warmth));
  if (strokes) words.push("--hints", hintsName(photo.name));
  else look.hints.forEach((hint) => words.push("--hint", hintArgument(hint)));
  if (format && format !== formatOf(photo.name)) words.push("--format", format);
  if (setup.model !== "default") words.push("--model", setup.model);
  if (setup.workingSize !== 256) words.push("--working-size", String(setup.workingSize));
  return words.map(quoted).join(" ");
}

/** A word as a POSIX shell takes it. */
function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}
