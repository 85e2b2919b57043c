// What a saved file says beside its pixels: the source's EXIF and XMP, and how its colors were made, as the command line
// writes it (docs/metadata.md, "The mark").

import { mended, read, write } from "./containers.js";
import { hintsText, pythonFloat } from "./names.js";

const RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const XMLNS = "http://www.w3.org/2000/xmlns/";
const NAMESPACES = {
  rdf: RDF,
  xmpMM: "http://ns.adobe.com/xap/1.0/mm/",
  stEvt: "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
  stRef: "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
  Iptc4xmpExt: "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
  photochrom: "urn:uuid:5d0e2a5c-3c0b-5d6c-9f5e-6a1f2c8f7b10#",
};
const EMPTY = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="${RDF}"><rdf:Description rdf:about=""/></rdf:RDF></x:xmpmeta>`;
const COLORED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";
const NO_DIGEST = "0".repeat(64);
const LARGEST = 65000; // bytes of EXIF or XMP in a JPEG
// What is not true any more of an upright, colored sRGB picture; and our own mark of the file before.
const STALE = {
  "http://ns.adobe.com/tiff/1.0/": /^(Orientation|PhotometricInterpretation|SamplesPerPixel|BitsPerSample|Compression|Image|YCbCr)/,
  "http://ns.adobe.com/exif/1.0/": /^(ColorSpace|Pixel[XY]Dimension)$/,
  "http://ns.adobe.com/photoshop/1.0/": /^(ColorMode|ICCProfile)$/,
  "http://ns.adobe.com/xap/1.0/": /^Thumbnails$/,
  "http://ns.adobe.com/camera-raw-settings/1.0/": /^(ConvertToGrayscale|Treatment)$/,
  "http://purl.org/dc/elements/1.1/": /^format$/,
  "http://ns.google.com/photos/1.0/container/": /./,
  "http://ns.adobe.com/hdr-gain-map/1.0/": /./,
  [NAMESPACES.photochrom]: /^(?!SourceType$)/,
  [NAMESPACES.xmpMM]: /^(InstanceID|DerivedFrom)$/,
  [NAMESPACES.Iptc4xmpExt]: /^(DigitalSourceType|AISystem(Version)?Used|AIPrompt(Information|WriterName))$/,
};

/** The saved file with metadata, and what of the source's it could not keep. facts: format, quality, and the model's. */
export async function marked({ blob, width, height }, file, look, facts) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { exif, xmp, leftOut } = read(bytes);
  const values = { ...facts, look, width, height, source: await sha256(bytes) };
  const kept = mended(exif, width, height);
  if (exif && !kept) leftOut.push("EXIF that can't be read");
  let document = parsed(xmp);
  if (xmp && !document) leftOut.push("XMP that can't be read");
  document ??= parsed(EMPTY);
  await put(document, values);
  const picture = new Uint8Array(await blob.arrayBuffer());
  const blocks = { exif: kept, xmp: packed(document) };
  if (facts.format === "jpeg" && (blocks.exif?.length > LARGEST || blocks.xmp.length > LARGEST)) {
    leftOut.push("metadata of more than 64 KB, which a JPEG can't hold");
    if (blocks.exif?.length > LARGEST) delete blocks.exif;
    if (blocks.xmp.length > LARGEST) {
      document = parsed(EMPTY);
      await put(document, { ...values, short: true });
      blocks.xmp = packed(document);
    }
  }
  // The digest is of the file with zeros in its place.
  const digest = await sha256(await new Blob(write(picture, blocks)).arrayBuffer());
  const sealed = new TextDecoder().decode(blocks.xmp).replace(`>${NO_DIGEST}<`, `>${digest || NO_DIGEST}<`);
  const parts = write(picture, { ...blocks, xmp: new TextEncoder().encode(sealed) });
  return { blob: new Blob(parts, { type: blob.type }), leftOut };
}

/** In hexadecimal; "" where a page that came unencrypted may not compute it. */
async function sha256(bytes) {
  if (!crypto.subtle) return "";
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (value) => value.toString(16).padStart(2, "0")).join("");
}

function parsed(packet) {
  if (!packet || /<!(?!--|\[CDATA)/.test(packet)) return null;
  const document = new DOMParser().parseFromString(packet.trim(), "application/xml");
  return document.querySelector("parsererror") || !document.getElementsByTagNameNS(RDF, "RDF")[0] ? null : document;
}

function packed(document) {
  const text = new XMLSerializer().serializeToString(document.documentElement);
  return new TextEncoder().encode(`<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>${text}<?xpacket end="w"?>`);
}

/** Put the mark into XMP. It replaces an earlier one; the history gets longer. */
async function put(document, facts) {
  const root = document.getElementsByTagNameNS(RDF, "RDF")[0];
  const found = (prefix, name) => root.getElementsByTagNameNS(NAMESPACES[prefix], name)[0];
  const descriptions = [...root.children].filter((node) => node.localName === "Description");
  const former = {};
  for (const description of descriptions) {
    for (const node of [...description.attributes, ...description.children]) {
      const isStale = STALE[node.namespaceURI]?.test(node.localName);
      former[node.localName] ??= (node.value ?? node.textContent).trim();
      if (isStale && node.ownerElement) description.removeAttributeNode(node);
      else if (isStale) node.remove();
    }
  }
  const settings = await sha256(new TextEncoder().encode(settingsOf(facts)));
  const instance = (await sha256(new TextEncoder().encode(`${facts.source} ${settings}`))).slice(0, 32);
  const ours = document.createElementNS(RDF, "rdf:Description");
  ours.setAttributeNS(RDF, "rdf:about", descriptions[0]?.getAttributeNS(RDF, "about") ?? "");
  const add = (parent, name, text) => {
    const [prefix] = name.split(":");
    parent.lookupPrefix(NAMESPACES[prefix]) ?? ours.setAttributeNS(XMLNS, `xmlns:${prefix}`, NAMESPACES[prefix]);
    const node = parent.appendChild(document.createElementNS(NAMESPACES[prefix], name));
    if (text !== undefined) node.textContent = String(text);
    return node;
  };
  root.append(ours);
  add(ours, "Iptc4xmpExt:DigitalSourceType", COLORED);
  add(ours, "Iptc4xmpExt:AISystemUsed", "photochrom");
  add(ours, "Iptc4xmpExt:AISystemVersionUsed", `${facts.version}, model ${facts.model}`);
  add(ours, "Iptc4xmpExt:AIPromptInformation", `No text prompt. Colors follow from the luminance; ${inWords(facts.look, ", ")}`);
  add(ours, "xmpMM:InstanceID", `xmp.iid:${instance}`);
  const list = found("xmpMM", "History")?.firstElementChild ?? add(add(ours, "xmpMM:History"), "rdf:Seq");
  fill(add(list, "rdf:li"), "stEvt", {
    action: "edited",
    instanceID: `xmp.iid:${instance}`,
    softwareAgent: `photochrom ${facts.version} in a browser`,
    changed: "/",
    parameters: `colorized: model ${facts.model}, SHA-256 ${facts.modelSha256}; ${inWords(facts.look, "; ")}; source SHA-256 ${facts.source}`,
  });
  if (former.DocumentID || former.InstanceID) {
    const { DocumentID: documentID, InstanceID: instanceID } = former;
    fill(add(ours, "xmpMM:DerivedFrom"), "stRef", { documentID, instanceID });
  }
  for (const [name, value] of Object.entries(properties(facts, former, settings))) {
    if (value !== "") add(ours, `photochrom:${name}`, value);
  }

  function fill(node, prefix, fields) {
    node.setAttributeNS(RDF, "rdf:parseType", "Resource");
    for (const [name, text] of Object.entries(fields)) if (text) add(node, `${prefix}:${name}`, text);
  }
}

function properties({ look, short, ...facts }, former, settings) {
  return {
    Version: facts.version,
    Model: facts.model,
    ModelSHA256: facts.modelSha256,
    WorkingSize: facts.workingSize,
    Strength: pythonFloat(look.strength),
    Warmth: look.warmth ? pythonFloat(look.warmth) : "",
    Seed: look.seed ?? "",
    Hints: short ? "" : hintsText(look.hints),
    Width: facts.width,
    Height: facts.height,
    Format: facts.format,
    Quality: facts.quality,
    SourceSHA256: facts.source || "unknown",
    SourceType: former.SourceType || former.DigitalSourceType || "",
    SettingsSHA256: settings,
    FileSHA256: NO_DIGEST,
  };
}

/** What determines a file except its source, as the command line's JSON has it. */
function settingsOf({ look, ...facts }) {
  const values = [
    ["format", JSON.stringify(facts.format)],
    ["hints", JSON.stringify(hintsText(look.hints))],
    ["label", '""'],
    ["model", JSON.stringify(facts.modelSha256)],
    ["quality", facts.quality],
    ["seed", look.seed],
    ["strength", pythonFloat(look.strength)],
    ...(look.warmth ? [["warmth", pythonFloat(look.warmth)]] : []),
    ["working_size", facts.workingSize],
  ];
  return `{${values.map(([name, value]) => `"${name}": ${value}`).join(", ")}}`;
}

function inWords({ strength, warmth, seed, hints }, comma) {
  const text = hintsText(hints);
  const said = hints.length ? (text.length > 1000 ? `hints at ${hints.length} places` : `hints ${text}`) : "no hints";
  return [
    `strength ${strength}`,
    ...(warmth ? [`warmth ${warmth}`] : []),
    seed === null ? "likeliest coloring" : `seed ${seed}`,
    said,
  ].join(comma);
}
