// The page: what each control decides, and what is shown then. Engines do the coloring.

import { zipped } from "./containers.js";
import { BrowserEngine } from "./engine-browser.js";
import { HttpEngine } from "./engine-http.js";
import { commandLine, hintsFile, hintsName } from "./names.js";
import { colorAt, DETAIL, distinct, DRAFT, PREVIEW } from "./pictures.js";
import { Latest, Photo, PLAIN } from "./state.js";
import { View } from "./view.js";

const PALETTE = { skin: "#c68e6f", sky: "#6f9fd8", denim: "#4a5f86", brick: "#a0523d", leaf: "#5b8c3a", wood: "#8a6240" };
const [THUMBNAIL, SEEDS] = [240, 99]; // pixels; plausible colorings that there are
const ADVICE = {
  compare: "Choose Point or Brush, then a place in the picture.",
  point: "Click a thing in the picture, then choose its color.",
  brush: "Paint over a thing, then choose its color. It stays where you paint.",
};
const $ = (id) => document.getElementById(id);
const all = (selector) => document.querySelectorAll(selector);
const make = (name, facts) => Object.assign(document.createElement(name), facts);
const state = { photos: [], photo: null, split: 0.5, tool: "compare", radius: 1, chosen: null, pending: null };
const view = new View($("canvas"), state, { place, choose, move, split, remove, zoom });
const [previews, background] = [new Latest(), new Latest()];
const setup = await (await fetch("setup.json")).json();
const engine = new { browser: BrowserEngine, http: HttpEngine }[setup.engine](setup);
const started = engine.start(progress);
window.photochrom = { state, view, previews, background, engine }; // for tests and for the curious

// Messages

function say(text, isProblem = false) {
  $("status").textContent = text;
  $("status").classList.toggle("problem", isProblem);
}

/** part: 0 to 1, undefined if that isn't known, null at the end. */
function progress(part, text) {
  $("progress").hidden = part === null;
  $("progress").toggleAttribute("value", part !== undefined);
  if (part) $("progress").value = part;
  if (text) say(`${text} …`);
}

/** Do something that may fail: what went wrong is said on the page. */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    say(error.message, true);
  } finally {
    progress(null);
  }
}

// Photographs

function add(files) {
  state.photos.push(...[...files].map((file) => new Photo(file, { ...PLAIN, ...state.photo?.look })));
  show();
  return background.run(fill);
}

/** What is done when nothing else is: open photographs, then show other colorings, then small pictures in color. */
async function fill(isOver) {
  while (!isOver()) {
    const [unopened] = state.photos.filter((photo) => photo.state === "waiting");
    const [unseen] = state.photos.filter(({ before, after }) => before && after === undefined);
    if (unopened) await open(unopened);
    else if (state.photo?.samples.size < state.photo?.wanted) await sample();
    else if (unseen) unseen.after = await small(unseen, unseen.look);
    else return;
    await previews.running;
    show();
  }
}

async function open(photo) {
  try {
    await started;
    Object.assign(photo, await engine.open(photo), { state: "ready", wanted: 6 });
    if (!state.photo) select(photo);
  } catch ({ message }) {
    Object.assign(photo, { state: "refused", message });
    say(message, true);
  }
}

const small = (photo, look) => engine.preview(photo, look, THUMBNAIL).catch(() => null);

async function sample({ photo } = state) {
  const seed = photo.samples.size;
  photo.samples.set(seed, await small(photo, { ...PLAIN, seed: seed || null }));
}

function select(photo) {
  if (!photo.before) return say(photo.message || `${photo.name} is being read.`, photo.state === "refused");
  Object.assign(state, { photo, chosen: null, pending: null });
  say(`${photo.name}, ${photo.width} × ${photo.height} pixels.`);
  view.show([0.5, 0.5], 1);
  refresh(PREVIEW);
  return background.run(fill);
}

function close(photo) {
  engine.close(photo);
  state.photos = state.photos.filter((other) => other !== photo);
  if (photo !== state.photo) return show();
  Object.assign(state, { photo: null, chosen: null, pending: null });
  const next = state.photos.find(({ before }) => before);
  return next ? select(next) : show();
}

// Decisions

function decide(change, slider = "") {
  if (!state.photo) return;
  state.photo.decide(change, slider);
  refresh(slider ? DRAFT : PREVIEW);
}

/** When the zoom has changed: what is near wants more pixels. */
function zoom() {
  if (view.zoom > 1.2 && state.photo.side < DETAIL && !previews.running) refresh(DETAIL);
}

/** Show the photograph in its present look: while a slider moves as a draft, and then better. */
function refresh(first) {
  const { photo } = state;
  show();
  const sides = [first, PREVIEW, ...(view.zoom > 1.2 ? [DETAIL] : [])].filter((side, i) => side > first || i === 0);
  return previews.run(async (isOver) => {
    for (const side of sides) {
      if (isOver()) return;
      await attempt(async () => Object.assign(photo, { after: await engine.preview(photo, photo.look, side), side }));
      show();
    }
  });
}

function step(by) {
  if (state.photo?.step(by)) refresh(PREVIEW, Object.assign(state, { chosen: null, pending: null }));
}

const inWords = ([x, y]) => `${Math.round(x)}, ${Math.round(y)}`;

function place(points) {
  const tool = state.tool === "compare" ? "point" : state.tool;
  say(`The place at ${inWords(points[0])} is chosen: give it a color.`);
  showPart("hints", { tool, pending: points, chosen: null });
}

function choose(number) {
  const { points, color } = state.photo.look.hints[number];
  say(`The place at ${inWords(points[0])} is ${color}.`);
  showPart("hints", { chosen: number, pending: null });
}

function paint(color) {
  const { photo, pending, chosen, tool, radius } = state;
  if (!pending && chosen === null) return say(photo ? ADVICE[tool] : "Open a photograph first.", true);
  const hints = [...photo.look.hints];
  const number = pending ? hints.length : chosen;
  hints[number] = pending ? { points: pending, color, radius: tool === "brush" ? radius : 0 } : { ...hints[number], color };
  decide({ hints });
  return choose(number);
}

function move(number, [x, y]) {
  const { width, height, look } = state.photo;
  const { points } = look.hints[number];
  const inside = (value, side) => Math.min(Math.max(Math.round(10 * value) / 10, 0), side - 1);
  const moved = points.map(([u, v]) => [inside(u + x - points[0][0], width), inside(v + y - points[0][1], height)]);
  decide({ hints: look.hints.with(number, { ...look.hints[number], points: moved }) });
  choose(number);
}

function remove() {
  const { chosen, photo } = state;
  show(Object.assign(state, { chosen: null, pending: null }));
  if (chosen !== null) decide({ hints: photo.look.hints.toSpliced(chosen, 1) });
}

function split(part) {
  state.split = part;
  $("split").value = 100 * part;
  view.draw();
}

// Saving

const format = () => $("format").value || null;

async function save(photo) {
  if (photo.state === "refused") throw new Error(photo.message);
  show(Object.assign(photo, { state: "saving" }));
  try {
    const made = await engine.save(photo, photo.look, format(), progress);
    photo.state = "saved";
    return made;
  } finally {
    if (photo.state !== "saved") photo.state = "ready";
    show();
  }
}

function download(blob, name) {
  const href = URL.createObjectURL(blob);
  make("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

async function saveOne() {
  if (!state.photo) throw new Error("Open a photograph first.");
  const { blob, name, leftOut } = await save(state.photo);
  download(blob, name);
  say(`Saved as ${name}.${leftOut.length ? ` Not kept: ${leftOut.join("; ")}.` : ""}`);
}

/** All photographs into one ZIP. The same button stops it; what is colored already still comes. */
async function saveAll() {
  if ($("all").textContent === "Stop") return void ($("all").textContent = "Stopping …");
  const [files, faults] = [new Map(), []];
  $("all").textContent = "Stop";
  for (const photo of state.photos) {
    if ($("all").textContent !== "Stop") break;
    try {
      const { blob, name } = await save(photo);
      let unused = name;
      for (let number = 2; files.has(unused); number++) unused = name.replace(/(\.\w+)$/, `-${number}$1`);
      files.set(unused, blob);
    } catch ({ message }) {
      faults.push(message);
    }
  }
  $("all").textContent = "Save all (ZIP)";
  if (files.size) download(await zipped([...files].map(([name, blob]) => ({ name, blob }))), "photochrom-album.zip");
  say(`${files.size} colored, ${faults.length} failed. ${faults.join("; ")}`, faults.length > 0);
}

function sameForAll() {
  const { strength, warmth, seed } = state.photo?.look ?? PLAIN;
  for (const photo of state.photos.filter((photo) => photo !== state.photo && photo.before)) {
    Object.assign(photo, { after: undefined }).decide({ strength, warmth, seed });
  }
  return background.run(fill, say("All photographs have this strength, warmth and coloring."));
}

// What is shown

function show() {
  const { photo, photos, chosen, pending, tool } = state;
  const look = photo?.look ?? PLAIN;
  document.body.classList.toggle("empty", !photos.length);
  state.radius = photo ? Math.max(1, Math.round(($("radius").value * Math.min(photo.width, photo.height)) / 100)) : 1;
  for (const output of all("output")) {
    const name = output.htmlFor.value;
    if (name in look) $(name).value = look[name];
    output.value = look[name] ?? `${state.radius} pixels`;
  }
  $("undo").disabled = !photo?.position;
  $("redo").disabled = !photo?.history[photo.position + 1];
  $("remove").disabled = chosen === null;
  $("hintsfile").disabled = !look.hints.length;
  $("advice").textContent = pending ? "Now choose its color." : chosen === null ? ADVICE[tool] : "Choose another color, or drag it.";
  $("command").value = photo ? commandLine(photo, look, format(), setup) : "";
  for (const button of all("[data-tool]")) button.ariaPressed = button.dataset.tool === tool;
  const at = pending?.[0] ?? look.hints[chosen]?.points[0];
  const seen = at && photo.after ? [photo.after, ...photo.samples.values()].filter(Boolean) : [];
  const colors = distinct(seen.map((picture) => colorAt(picture, at[0] / photo.width, at[1] / photo.height)));
  put("suggestions", colors.map((color) => swatch(color, color)));
  put("hints", look.hints.map(({ color, points: [first] }, number) =>
    pressed(swatch(color, `${color} at ${inWords(first)}`, () => choose(number)), number === chosen)));
  put("samples", [...(photo?.samples ?? [])].map(([seed, picture]) =>
    pressed(pictured(picture, seed ? `Coloring ${seed}` : "Likeliest", () => decide({ seed: seed || null })), (look.seed ?? 0) === seed)));
  put("strip", photos.map((each) => {
    const button = pictured(each.after ?? each.before, `${each.name}: ${each.message || each.state}`, () => select(each));
    const closing = make("button", { textContent: "×", ariaLabel: `Close ${each.name}`, onclick: () => close(each) });
    button.dataset.state = each.state;
    const item = make("li");
    item.append(pressed(button, each === photo), closing);
    return item;
  }));
  view.draw();
}

/** Replace what an element has, and keep the focus at the same number. */
function put(id, children) {
  const focused = [...all(`#${id} button`)].indexOf(document.activeElement);
  $(id).replaceChildren(...children);
  all(`#${id} button`)[focused]?.focus();
}

const pressed = (button, isPressed) => Object.assign(button, { ariaPressed: isPressed });
function swatch(color, label, act = () => paint(color)) {
  const button = make("button", { onclick: act, title: label, ariaLabel: label });
  button.style.setProperty("--color", color);
  return button;
}

function pictured(picture, label, act) {
  const button = make("button", { onclick: act, title: label, ariaLabel: label });
  const scale = THUMBNAIL / Math.max(picture?.width ?? 1, picture?.height ?? 1);
  const canvas = make("canvas", picture ? { width: Math.max(1, picture.width * scale), height: Math.max(1, picture.height * scale) } : {});
  if (picture) canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  button.append(canvas);
  return button;
}

/** Show one part of the panel, where there is room for one only. */
function showPart(name, change) {
  document.body.dataset.part = name;
  for (const button of all("[data-show]")) button.ariaPressed = button.dataset.show === name;
  show(Object.assign(state, change));
}

// Controls

for (const name of ["strength", "warmth"]) $(name).oninput = ({ target }) => decide({ [name]: Number(target.value) }, name);
for (const button of all("[data-show]")) button.onclick = () => showPart(button.dataset.show);
for (const button of all("[data-tool]")) button.onclick = () => show(Object.assign(state, { tool: button.dataset.tool, pending: null }));
for (const button of all("#examples button")) {
  button.onclick = async () => add([new File([await (await fetch(button.value)).blob()], button.value.split("/")[1])]);
}
const clicks = {
  ...{ add: () => $("files").click(), browse: () => $("files").click(), undo: () => step(-1), redo: () => step(1) },
  ...{ in: () => view.zoomBy(1.5), out: () => view.zoomBy(1 / 1.5), fit: () => view.show([0.5, 0.5], 1) },
  full: () => (document.fullscreenElement ? document.exitFullscreen() : $("stage").requestFullscreen()),
  more: () => state.photo && background.run(fill, (state.photo.wanted = Math.min(state.photo.wanted + 6, SEEDS + 1))),
  ...{ remove, save: () => attempt(saveOne), all: () => attempt(saveAll), same: sameForAll },
  copy: () => navigator.clipboard?.writeText($("command").value).then(() => say("Copied.")),
  hintsfile: () => download(new Blob([hintsFile(state.photo.look.hints, state.photo)]), hintsName(state.photo.name)),
};
for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
$("files").accept = engine.accept;
$("files").onchange = ({ target }) => add(target.files).then(() => (target.value = ""));
for (const id of ["radius", "format"]) $(id).oninput = show;
$("any").onchange = ({ target }) => paint(target.value);
$("split").oninput = ({ target }) => split(target.value / 100);
put("palette", Object.entries(PALETTE).map(([name, color]) => swatch(color, name)));
for (const name of engine.written) $("format").append(new Option(setup.formats[name].label, name));
document.onpaste = ({ clipboardData }) => add(clipboardData.files);
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => add(event.dataTransfer.files, event.preventDefault());
document.onkeydown = (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") step(event.shiftKey ? 1 : -1, event.preventDefault());
};
$("promise").textContent = setup.promise;
show();
await attempt(async () => {
  $("engine").textContent = await started;
  if ($("status").textContent.endsWith("…")) say("");
});
if (setup.offline) navigator.serviceWorker?.register("sw.js");
