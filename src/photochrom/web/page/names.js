// Names of files, hints files, and the command line that repeats what was done here.

const stem = (name) => name.replace(/\.[^.]*$/, "") || "photograph";
export const hintsName = (name) => `${stem(name)}-hints.json`;
export const colorName = (name, { suffixes: [suffix] }) => `${stem(name)}-color${suffix}`;
export const pythonFloat = (value) => (Number.isInteger(value) ? `${value}.0` : String(value));
const isStroke = ({ points }) => points.length > 1;

/** The format of a file's name, of those that the command line writes; undefined for one that is only read. */
export function formatOf(name, setup) {
  return Object.keys(setup.formats).find((key) => setup.formats[key].suffixes.some((end) => name.toLowerCase().endsWith(end)));
}

/** The text of a hints file, which `photochrom colorize --hints` and the API read. */
export function hintsFile(hints, { width, height }) {
  const told = hints.map((hint) => ({
    ...(isStroke(hint) ? { stroke: hint.points } : { x: hint.points[0][0], y: hint.points[0][1] }),
    color: hint.color,
    ...(hint.radius && { radius: hint.radius }),
  }));
  return JSON.stringify({ size: [width, height], hints: told }, null, 1) + "\n";
}

const argument = ({ points: [[x, y]], color, radius }) => [x, y, color, ...(radius ? [radius] : [])].join(",");

/** Hints as one text, as the mark has them: as --hint takes them, or with strokes as Python writes JSON. */
export function hintsText(hints) {
  if (!hints.some(isStroke)) return hints.map(argument).join(" ");
  const told = hints.map((hint) => {
    const pairs = hint.points.map(([x, y]) => [pythonFloat(x), pythonFloat(y)]);
    const stroke = `"stroke": [${pairs.map((pair) => `[${pair.join(", ")}]`).join(", ")}]`;
    const place = isStroke(hint) ? stroke : `"x": ${pairs[0][0]}, "y": ${pairs[0][1]}`;
    return `{${place}, "color": "${hint.color}"${hint.radius ? `, "radius": ${pythonFloat(hint.radius)}` : ""}}`;
  });
  return `[${told.join(", ")}]`;
}

/** The command that makes the same file. */
export function commandLine({ name, colored }, { strength, warmth, seed, hints }, format, setup) {
  const words = ["photochrom", "colorize", name.replace(/^-/, "./-")];
  if (colored) words.push("--recolor");
  if (seed !== null) words.push("--seed", String(seed));
  if (strength !== 1) words.push("--strength", String(strength));
  if (warmth) words.push("--warmth", String(warmth));
  if (hints.some(isStroke)) words.push("--hints", hintsName(name).replace(/^-/, "./-"));
  else hints.forEach((hint) => words.push("--hint", argument(hint)));
  if (format && format !== formatOf(name, setup)) words.push("--format", format);
  if (setup.model !== "default") words.push("--model", setup.model);
  if (setup.workingSize !== setup.usualWorkingSize) words.push("--working-size", String(setup.workingSize));
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`)).join(" ");
}
