// The page: what each control decides, and what is shown then. Engines do the coloring.

import { BrowserEngine } from "./engine-browser.js";
import { HttpEngine } from "./engine-http.js";
import { commandLine, FORMATS, formatOf, hintsFile, hintsName } from "./names.js";
import { colorAt, distinct, DRAFT, PREVIEW } from "./pictures.js";
import { Latest, Photo, PLAIN } from "./state.js";
import { View } from "./view.js";
import { zipped } from "./containers.js";

const EXAMPLES = ["camera", "coffee", "chelsea", "astronaut"];
const PALETTE = { skin: "#c68e6f", sky: "#6f9fd8", denim: "#4a5f86", brick: "#a0523d", leaf: "#5b8c3a", wood: "#8a6240" };
const THUMBNAIL = 240; // pixels
const ADVICE = {
  compare: "Choose Point or Brush, then a place in the picture.",
  point: "Click a thing in the picture, then choose its color.",
  brush: "Paint over a thing, then choose its color. It stays where you paint.",
};
const $ = (id) => document.getElementById(id);
const state = { photos: [], photo: null, split: 0.5, tool: "compare", radius: 0, chosen: null, pending: null };
const previews = new Latest();
const on = { place, choose, move, split, remove, settle: () => {} };
const view = new View($("canvas"), state, on);
const setup = await (await fetch("setup.json")).json();
const engine = new { browser: BrowserEngine, http: HttpEngine }[setup.engine](setup);

// Messages

function say(text, isProblem = false) {
  $("status").textContent = text;
  $("status").classList.toggle("problem", isProblem);
}

function progress(part, text) {
  $("progress").hidden = part === null;
  if (part === undefined) $("progress").removeAttribute("value");
  else if (part !== null) $("progress").value = part;
  if (text) say(`${text} …`);
}

/** Do something that may fail; what went wrong is said on the page. */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    say(error.message, true);
    return undefined;
  } finally {
    progress(null);
  }
}

// Photographs

async function add(files) {
  const added = [...files].map((file) => new Photo(file, { ...PLAIN, ...state.photo?.look }));
  if (!added.length) return;
  state.photos.push(...added);
  document.body.classList.remove("empty");
  showStrip();
  for (const photo of added) {
    await open(photo);
    if (photo === added.find(({ state }) => state !== "refused")) await select(photo);
  }
  await fillStrip();
}

async function open(photo) {
  try {
    await started;
    Object.assign(photo, await engine.open(photo), { state: "ready" });
  } catch (error) {
    Object.assign(photo, { state: "refused", message: error.message });
    say(error.message, true);
  }
  showStrip();
}

async function select(photo) {
  if (!photo.before) return say(photo.message || `${photo.name} is being read.`, photo.state === "refused");
  Object.assign(state, { photo, chosen: null, pending: null });
  view.move([0.5, 0.5], 1);
  say(`${photo.name}, ${photo.width} × ${photo.height} pixels.`);
  show();
  await refresh(PREVIEW);
  await fillSamples(6);
}

/** Small pictures in color for the strip, when nothing else is to be done. */
async function fillStrip() {
  for (const photo of state.photos.filter(({ before, after }) => before && !after)) {
    await previews.running;
    photo.after ??= await engine.preview(photo, photo.look, THUMBNAIL).catch(() => null);
    showStrip();
  }
}

async function fillSamples(count) {
  const { photo } = state;
  for (let seed = 0; seed < count && photo === state.photo; seed++) {
    if (photo.samples.has(seed)) continue;
    await previews.running;
    const look = { ...PLAIN, seed: seed || null };
    await attempt(async () => photo.samples.set(seed, await engine.preview(photo, look, THUMBNAIL)));
    show();
  }
}

function close(photo) {
  engine.close(photo);
  state.photos = state.photos.filter((other) => other !== photo);
  const next = state.photos.find(({ before }) => before);
  if (photo === state.photo) Object.assign(state, { photo: null, chosen: null, pending: null });
  document.body.classList.toggle("empty", !state.photos.length);
  if (!state.photo && next) select(next);
  else show();
}

// Decisions

function decide(change, slider = "") {
  if (!state.photo) return undefined;
  state.photo.decide(change, slider);
  show();
  return refresh(slider ? DRAFT : PREVIEW);
}

/** Show the photograph in its present look; after a draft also in full. */
function refresh(side) {
  const { photo } = state;
  return previews.run((isOver) =>
    attempt(async () => {
      photo.after = await engine.preview(photo, photo.look, side);
      if (side === DRAFT && !isOver()) photo.after = await engine.preview(photo, photo.look, PREVIEW);
      show();
    }),
  );
}

function step(by) {
  if (!state.photo?.step(by)) return;
  Object.assign(state, { chosen: null, pending: null });
  show();
  refresh(PREVIEW);
}

function place(points) {
  if (state.tool === "compare") setTool("point");
  Object.assign(state, { pending: points, chosen: null });
  const [x, y] = points[0].map(Math.round);
  say(`The place at ${x}, ${y} is chosen: give it a color.`);
  showTab("hints");
  show();
}

function choose(number) {
  Object.assign(state, { chosen: number, pending: null });
  const { points, color } = state.photo.look.hints[number];
  say(`The place at ${points[0].map(Math.round).join(", ")} is ${color}.`);
  showTab("hints");
  show();
}

function paint(color) {
  const { photo, pending, chosen, tool, radius } = state;
  if (!pending && chosen === null) return say(photo ? ADVICE[tool] : "Open a photograph first.", true);
  const hints = [...photo.look.hints];
  if (pending) hints.push({ points: pending, color, radius: tool === "brush" ? radius : 0 });
  else hints[chosen] = { ...hints[chosen], color };
  Object.assign(state, { chosen: pending ? hints.length - 1 : chosen, pending: null });
  say(`The place at ${hints[state.chosen].points[0].map(Math.round).join(", ")} is ${color}.`);
  return decide({ hints });
}

function move(number, [x, y]) {
  const hints = [...state.photo.look.hints];
  const { points } = hints[number];
  const inside = (value, side) => Math.min(Math.max(Math.round(value * 10) / 10, 0), side - 1);
  const { width, height } = state.photo;
  const shifted = points.map(([u, v]) => [inside(u + x - points[0][0], width), inside(v + y - points[0][1], height)]);
  hints[number] = { ...hints[number], points: shifted };
  state.chosen = number;
  decide({ hints });
}

function remove() {
  if (state.chosen === null) return Object.assign(state, { pending: null }) && show();
  const hints = state.photo.look.hints.filter((_, number) => number !== state.chosen);
  state.chosen = null;
  return decide({ hints });
}

function split(part) {
  state.split = part;
  $("split").value = Math.round(100 * part);
  view.draw();
}

function setTool(tool) {
  Object.assign(state, { tool, pending: null });
  show();
}

// Saving

const chosenFormat = () => $("format").value || null;

async function save(photo) {
  const before = photo.state;
  photo.state = "saving";
  showStrip();
  try {
    const made = await engine.save(photo, photo.look, chosenFormat(), progress);
    photo.state = "saved";
    return made;
  } catch (error) {
    photo.state = before;
    throw error;
  } finally {
    showStrip();
  }
}

function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function saveOne() {
  if (!state.photo) return say("Open a photograph first.", true);
  return attempt(async () => {
    const { blob, name, leftOut } = await save(state.photo);
    download(blob, name);
    say(`Saved as ${name}.${leftOut.length ? ` Not kept: ${leftOut.join(", ")}.` : ""}`);
  });
}

async function saveAll() {
  const files = [];
  const faults = [];
  for (const photo of state.photos) {
    try {
      if (photo.state === "refused") throw new Error(photo.message);
      const { blob, name } = await save(photo);
      for (let number = 1, other = name; ; other = name.replace(/(\.\w+)$/, `-${++number}$1`)) {
        if (files.some((file) => file.name === other)) continue;
        files.push({ name: other, blob });
        break;
      }
    } catch (error) {
      faults.push(error.message);
    }
  }
  progress(null);
  if (files.length) download(await zipped(files), "photochrom-album.zip");
  say(`${files.length} colored, ${faults.length} failed${faults.length ? `: ${faults.join("; ")}` : ""}.`, faults.length > 0);
}

function sameForAll() {
  const { strength, warmth, seed } = state.photo?.look ?? PLAIN;
  for (const photo of state.photos.filter((photo) => photo !== state.photo && photo.before)) {
    photo.decide({ strength, warmth, seed });
    photo.after = null;
  }
  say("All photographs have this strength, warmth and coloring.");
  fillStrip();
}

// What is shown

function show() {
  const { photo, chosen, pending, tool } = state;
  const look = photo?.look ?? PLAIN;
  for (const name of ["strength", "warmth"]) {
    $(name).value = look[name];
    document.querySelector(`output[for=${name}]`).value = look[name];
  }
  const short = photo ? Math.min(photo.width, photo.height) : 0;
  state.radius = Math.max(1, Math.round(($("radius").value * short) / 100));
  document.querySelector("output[for=radius]").value = photo ? `${state.radius} pixels` : "";
  $("undo").disabled = !photo || photo.position === 0;
  $("redo").disabled = !photo || photo.position + 1 >= photo.history.length;
  $("remove").disabled = chosen === null;
  $("hintsfile").disabled = !look.hints.length;
  $("advice").textContent = pending ? "Now choose its color." : chosen !== null ? "Choose another color, or drag it." : ADVICE[tool];
  $("command").value = photo ? commandLine(photo, look, chosenFormat(), setup) : "";
  for (const button of document.querySelectorAll("[data-tool]")) button.ariaPressed = button.dataset.tool === tool;
  $("canvas").dataset.tool = tool;
  const at = pending?.[0] ?? look.hints[chosen]?.points[0];
  const seen = at && photo.after ? [photo.after, ...photo.samples.values()] : [];
  const colors = distinct(seen.map((picture) => colorAt(picture, at[0] / photo.width, at[1] / photo.height)));
  fill("suggestions", colors.map((color) => swatch(color, color)));
  fill("hints", look.hints.map(({ color, points: [[x, y]] }, number) => {
    const button = swatch(color, `${color} at ${Math.round(x)}, ${Math.round(y)}`, () => choose(number));
    button.ariaPressed = number === chosen;
    return button;
  }));
  fill("samples", [...(photo?.samples ?? [])].map(([seed, picture]) => {
    const button = pictured(picture, seed ? `Coloring ${seed}` : "Likeliest", () => decide({ seed: seed || null }));
    button.ariaPressed = (look.seed ?? 0) === seed;
    return button;
  }));
  showStrip();
  view.draw();
}

function showStrip() {
  fill("strip", state.photos.map((photo) => {
    const item = document.createElement("li");
    const label = `${photo.name}: ${photo.message || photo.state}`;
    const button = pictured(photo.after ?? photo.before, label, () => select(photo));
    button.ariaCurrent = photo === state.photo;
    button.dataset.state = photo.state;
    const closing = Object.assign(document.createElement("button"), { textContent: "×", ariaLabel: `Close ${photo.name}` });
    closing.onclick = () => close(photo);
    item.append(button, closing);
    return item;
  }));
}

/** Replace what an element has, and keep the focus at the same number. */
function fill(id, children) {
  const parent = $(id);
  const focused = [...parent.querySelectorAll("button")].indexOf(document.activeElement);
  parent.replaceChildren(...children);
  parent.querySelectorAll("button")[focused]?.focus();
}

function swatch(color, label, act = () => paint(color)) {
  const button = Object.assign(document.createElement("button"), { onclick: act, title: label, ariaLabel: label });
  button.style.setProperty("--color", color);
  return button;
}

function pictured(picture, label, act) {
  const button = Object.assign(document.createElement("button"), { onclick: act, title: label, ariaLabel: label });
  const canvas = document.createElement("canvas");
  if (picture) {
    const scale = Math.min(1, THUMBNAIL / Math.max(picture.width, picture.height));
    [canvas.width, canvas.height] = [picture.width * scale, picture.height * scale].map((side) => Math.max(1, side));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  }
  button.append(canvas);
  return button;
}

function showTab(name) {
  document.body.dataset.tab = name;
  for (const button of document.querySelectorAll("[data-show]")) button.ariaPressed = button.dataset.show === name;
}

// Controls

const click = (id, act) => $(id).addEventListener("click", act);
for (const id of ["add", "browse"]) click(id, () => $("files").click());
$("files").accept = engine.accept;
$("files").onchange = ({ target }) => add(target.files).then(() => (target.value = ""));
for (const name of ["strength", "warmth"]) $(name).oninput = ({ target }) => decide({ [name]: Number(target.value) }, name);
$("radius").oninput = show;
$("any").onchange = ({ target }) => paint(target.value);
$("split").oninput = ({ target }) => split(target.value / 100);
$("format").onchange = show;
for (const button of document.querySelectorAll("[data-tool]")) button.onclick = () => setTool(button.dataset.tool);
for (const button of document.querySelectorAll("[data-show]")) button.onclick = () => showTab(button.dataset.show);
const actions = { undo: () => step(-1), redo: () => step(1), more: () => fillSamples((state.photo?.samples.size ?? 0) + 6) };
Object.assign(actions, { save: saveOne, all: saveAll, same: sameForAll, remove, in: () => view.zoomBy(1.5) });
Object.assign(actions, { out: () => view.zoomBy(1 / 1.5), fit: () => view.move([0.5, 0.5], 1) });
actions.full = () => (document.fullscreenElement ? document.exitFullscreen() : $("stage").requestFullscreen());
actions.copy = () => navigator.clipboard?.writeText($("command").value).then(() => say("Copied."), () => $("command").select());
actions.hintsfile = () => download(new Blob([hintsFile(state.photo.look.hints, state.photo)]), hintsName(state.photo.name));
for (const [id, act] of Object.entries(actions)) click(id, act);
fill("palette", Object.entries(PALETTE).map(([name, color]) => swatch(color, name)));
fill("examples", EXAMPLES.map((name) => {
  const button = Object.assign(document.createElement("button"), { ariaLabel: `Example: ${name}` });
  button.append(Object.assign(new Image(), { src: `examples/${name}.jpg`, alt: "" }));
  button.onclick = async () => add([new File([await (await fetch(`examples/${name}.jpg`)).blob()], `${name}.jpg`, { type: "image/jpeg" })]);
  return button;
}));
const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
$("format").append(option("", "As the original"), ...engine.formats.map((name) => option(name, FORMATS[name].label)));
document.addEventListener("paste", ({ clipboardData }) => add(clipboardData.files));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  add(event.dataTransfer.files);
});
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.matches("textarea")) return;
  event.preventDefault();
  step(event.shiftKey ? 1 : -1);
});

$("promise").textContent = setup.promise;
const started = engine.start(progress);
show();
await attempt(async () => {
  $("engine").textContent = await started;
  say("");
});
if (setup.offline) navigator.serviceWorker?.register("sw.js");
