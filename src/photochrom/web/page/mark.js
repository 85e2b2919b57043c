// What a saved file says beside its pixels: the source's EXIF and XMP, and how its colors were made, as the command line
// writes it (docs/metadata.md, "The mark").

import { mended, read, write } from "./containers.js";
import { hintsText, pythonFloat } from "./names.js";

const RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const MM = "http://ns.adobe.com/xap/1.0/mm/";
const IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
const OURS = "urn:uuid:5d0e2a5c-3c0b-5d6c-9f5e-6a1f2c8f7b10#";
const PREFIXES = `xmlns:xmpMM="${MM}" xmlns:Iptc4xmpExt="${IPTC}" xmlns:photochrom="${OURS}"
  xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#"`;
const EMPTY = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="${RDF}"></rdf:RDF></x:xmpmeta>`;
const COLORED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";
const NO_DIGEST = "0".repeat(64);
const LARGEST = 65000; // bytes of EXIF or XMP that a JPEG holds
// What is not true any more of an upright, colored sRGB picture; and the mark of the file before.
const STALE = [
  ["http://ns.adobe.com/tiff/1.0/", /^(Orientation|Photometric|SamplesPerPixel|BitsPerSample|Compression|Image[WL]|YCbCr)/],
  ["http://ns.adobe.com/exif/1.0/", /^(ColorSpace|Pixel[XY]Dimension)$/],
  ["http://ns.adobe.com/photoshop/1.0/", /^(ColorMode|ICCProfile)$/],
  ["http://ns.adobe.com/camera-raw-settings/1.0/", /^(ConvertToGrayscale|Treatment)$/],
  ...[["http://ns.adobe.com/xap/1.0/", /^Thumbnails$/], ["http://purl.org/dc/elements/1.1/", /^format$/]],
  ...[[OURS, /^/], [MM, /^(InstanceID|DerivedFrom)$/]],
  [IPTC, /^(DigitalSourceType|AISystem(Version)?Used|AIPrompt(Information|WriterName))$/],
];

/** The saved file with metadata, and what of the source's it could not keep. facts: format, quality, and the model's. */
export async function marked({ blob, width, height }, file, look, facts) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { exif, xmp, leftOut } = read(bytes);
  let block = mended(exif, width, height);
  let document = parsed(xmp ?? EMPTY);
  if ((exif && !block) || block?.length > LARGEST) block = void leftOut.push("EXIF that can't be read or is too large");
  if (!document || xmp?.length > LARGEST / 2) document = void leftOut.push("XMP that can't be read or is too large");
  document ??= parsed(EMPTY);
  const source = await sha256(bytes);
  const settings = await sha256(new TextEncoder().encode(settingsOf(look, facts)));
  const instance = (await sha256(new TextEncoder().encode(`${source} ${settings}`))).slice(0, 32);
  put(document, look, { ...facts, width, height, source, settings, instance });
  const text = new XMLSerializer().serializeToString(document.documentElement);
  const packet = `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>${text}<?xpacket end="w"?>`;
  // The digest is of the file with zeros in its place.
  const picture = new Uint8Array(await blob.arrayBuffer());
  const digest = await sha256(await new Blob(write(picture, block, packet)).arrayBuffer());
  const parts = write(picture, block, packet.replace(`>${NO_DIGEST}<`, `>${digest || NO_DIGEST}<`));
  return { blob: new Blob(parts, { type: blob.type }), leftOut };
}

/** In hexadecimal; "" where a page that came unencrypted may not compute it. */
async function sha256(bytes) {
  if (!crypto.subtle) return "";
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (value) => value.toString(16).padStart(2, "0")).join("");
}

function parsed(packet) {
  if (/<!(?!--|\[CDATA)/.test(packet)) return null;
  const document = new DOMParser().parseFromString(packet.trim(), "application/xml");
  return document.querySelector("parsererror") || !document.getElementsByTagNameNS(RDF, "RDF")[0] ? null : document;
}

/** Put the mark into XMP. It replaces an earlier one; the history gets longer. */
function put(document, look, { format, quality, version, model, modelSha256, workingSize, ...facts }) {
  const [root] = document.getElementsByTagNameNS(RDF, "RDF");
  const [history] = document.getElementsByTagNameNS(MM, "History");
  const former = {};
  for (const node of [...root.children].flatMap((child) => [...child.attributes, ...child.children])) {
    former[node.localName] ??= (node.value ?? node.textContent).trim();
    if (!STALE.some(([space, name]) => space === node.namespaceURI && name.test(node.localName))) continue;
    if (node.ownerElement) node.ownerElement.removeAttributeNode(node);
    else node.remove();
  }
  const about = root.firstElementChild?.getAttributeNS(RDF, "about") ?? "";
  const [said, hints] = [inWords(look), hintsText(look.hints)];
  const properties = [
    tag("Iptc4xmpExt:DigitalSourceType", COLORED),
    tag("Iptc4xmpExt:AISystemUsed", "photochrom"),
    tag("Iptc4xmpExt:AISystemVersionUsed", `${version}, model ${model}`),
    tag("Iptc4xmpExt:AIPromptInformation", `No text prompt. Colors follow from the luminance; ${said.join(", ")}`),
    tag("xmpMM:InstanceID", `xmp.iid:${facts.instance}`),
    tag("xmpMM:History", [tag("rdf:Seq", [tag("rdf:li", [
      tag("stEvt:action", "edited"),
      tag("stEvt:instanceID", `xmp.iid:${facts.instance}`),
      tag("stEvt:softwareAgent", `photochrom ${version} in a browser`),
      tag("stEvt:changed", "/"),
      tag("stEvt:parameters", `colorized: model ${model}, SHA-256 ${modelSha256}; ${said.join("; ")}; source SHA-256 ${facts.source}`),
    ])])]),
    tag("xmpMM:DerivedFrom", [tag("stRef:documentID", former.DocumentID), tag("stRef:instanceID", former.InstanceID)]),
    ...Object.entries({
      ...{ Version: version, Model: model, ModelSHA256: modelSha256, WorkingSize: workingSize },
      ...{ Strength: pythonFloat(look.strength), Warmth: look.warmth ? pythonFloat(look.warmth) : "", Seed: look.seed ?? "" },
      ...{ Hints: hints.length < LARGEST / 3 ? hints : "", Width: facts.width, Height: facts.height },
      ...{ Format: format, Quality: quality || "", SourceSHA256: facts.source || "unknown" },
      ...{ SourceType: former.SourceType || former.DigitalSourceType },
      ...{ SettingsSHA256: facts.settings, FileSHA256: NO_DIGEST },
    }).map(([name, value]) => tag(`photochrom:${name}`, value)),
  ];
  const text = `<rdf:RDF xmlns:rdf="${RDF}"><rdf:Description ${PREFIXES}>${properties.join("")}</rdf:Description></rdf:RDF>`;
  const ours = parsed(text).documentElement.firstElementChild;
  ours.setAttributeNS(RDF, "rdf:about", about);
  root.append(document.importNode(ours, true));
  const [, again] = document.getElementsByTagNameNS(MM, "History");
  if (!history?.firstElementChild || !again) return;
  history.firstElementChild.append(again.firstElementChild.firstElementChild);
  again.remove();
}

/** An element of XML as text, with a text or a list of elements in it; nothing if they are empty. */
function tag(name, content = "") {
  const inner = Array.isArray(content) ? content.join("") : new Option(content).innerHTML;
  const isFields = /^<st/.test(inner);
  return inner && `<${name}${isFields ? ' rdf:parseType="Resource"' : ""}>${inner}</${name}>`;
}

/** What determines a file except its source, as the command line's JSON has it. */
function settingsOf({ strength, warmth, seed, hints }, { format, modelSha256, quality, workingSize }) {
  const warm = warmth ? `, "warmth": ${pythonFloat(warmth)}` : "";
  return `{"format": "${format}", "hints": ${JSON.stringify(hintsText(hints))}, "label": "", "model": "${modelSha256}", \
"quality": ${quality}, "seed": ${seed}, "strength": ${pythonFloat(strength)}${warm}, "working_size": ${workingSize}}`;
}

function inWords({ strength, warmth, seed, hints }) {
  const text = hintsText(hints);
  const told = text.length > 1000 ? `hints at ${hints.length} places` : hints.length ? `hints ${text}` : "no hints";
  const warm = warmth ? [`warmth ${warmth}`] : [];
  return [`strength ${strength}`, ...warm, seed === null ? "likeliest coloring" : `seed ${seed}`, told];
}
