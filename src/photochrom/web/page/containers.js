// Metadata in JPEG and PNG files, and ZIP archives: bytes, no pixels.

const [EXIF, XMP, KEYWORD] = ["Exif\0\0", "http://ns.adobe.com/xap/1.0/\0", "XML:com.adobe.xmp\0\0\0\0\0"];
const latin = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const textOf = (bytes, start, end) => new TextDecoder("latin1").decode(bytes.subarray(start, end));
const utf8 = (bytes, start) => new TextDecoder().decode(bytes.subarray(start));
const little = (value, count = 4) => Uint8Array.from({ length: count }, (_, i) => value >>> (8 * i));
const big = (value, count = 4) => little(value, count).reverse();
const lengthOf = (parts) => parts.reduce((sum, part) => sum + part.length, 0);
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The EXIF block (bytes) and XMP (text) of a JPEG, PNG or WebP, null where there is none; in words, what else there is. */
export function read(bytes) {
  const found = { exif: null, xmp: null };
  const lost = new Set();
  for (const { kind, content } of partsOf(bytes)) {
    const start = textOf(content, 0, 40);
    if (kind === "eXIf" || kind === "EXIF" || (kind === 0xe1 && start.startsWith(EXIF))) {
      found.exif ??= content.slice(start.startsWith(EXIF) ? EXIF.length : 0);
    } else if (kind === 0xe1 && start.startsWith(XMP)) found.xmp ??= utf8(content, XMP.length);
    else if (kind === "iTXt" && start.startsWith(KEYWORD)) found.xmp ??= utf8(content, KEYWORD.length);
    else if (kind === "XMP ") found.xmp ??= utf8(content, 0);
    else if (kind === 0xed) lost.add("IPTC and Photoshop's data");
    else if (kind === 0xfe || /^.TXt$/.test(kind)) lost.add("comments and texts");
    else if (kind === "IHDR" && content[8] === 16) lost.add("16 bits per channel, of which a browser keeps 8");
    else if (kind === 0xeb || kind === "caBX" || kind === "C2PA") lost.add("content credentials (C2PA)");
  }
  return { ...found, leftOut: [...lost] };
}

/** A JPEG or PNG as a browser encoded it, as parts of the same file with EXIF (bytes or null) and XMP (text). */
export function write(picture, exif, xmp) {
  const packet = new TextEncoder().encode(xmp);
  const isJpeg = picture[0] === 0xff;
  const [first] = [...partsOf(picture)].filter(({ kind }) => kind === (isJpeg ? 0xe0 : "IDAT"));
  const at = isJpeg ? (first?.end ?? 2) : first.start;
  const added = isJpeg
    ? [...(exif ? segment(EXIF, exif) : []), ...segment(XMP, packet)]
    : [...(exif ? chunk("eXIf", exif) : []), ...chunk("iTXt", latin(KEYWORD), packet)];
  return [picture.subarray(0, at), ...added, picture.subarray(at)];
}

/** The segments of a JPEG before its picture, or the chunks of a PNG or WebP. */
function* partsOf(bytes) {
  const view = viewOf(bytes);
  const isJpeg = bytes[0] === 0xff;
  const isPng = textOf(bytes, 1, 4) === "PNG";
  if (!isJpeg && !isPng && textOf(bytes, 8, 12) !== "WEBP") return;
  for (let start = isJpeg ? 2 : isPng ? 8 : 12, end; start + 8 <= bytes.length; start = end) {
    if (isJpeg && (bytes[start] !== 0xff || bytes[start + 1] === 0xda)) return;
    const length = isJpeg ? view.getUint16(start + 2) - 2 : view.getUint32(start + (isPng ? 0 : 4), !isPng);
    const content = start + (isJpeg ? 4 : 8);
    end = content + length + (isJpeg ? 0 : isPng ? 4 : length % 2);
    const kind = isJpeg ? bytes[start + 1] : textOf(bytes, start + (isPng ? 4 : 0), start + (isPng ? 8 : 4));
    yield { kind, content: bytes.subarray(content, content + length), start, end };
  }
}

function segment(prefix, content) {
  return [Uint8Array.of(0xff, 0xe1), big(prefix.length + content.length + 2, 2), latin(prefix), content];
}

function chunk(kind, ...contents) {
  const parts = [latin(kind), ...contents];
  return [big(lengthOf(contents)), ...parts, big(crc32(parts))];
}

/** An EXIF block that is true of the upright picture in sRGB, without the gray thumbnail; null if it can't be read. */
export function mended(block, width, height) {
  if (!block) return null;
  const exif = block.slice();
  const [view, order] = [viewOf(exif), exif[0] === 0x49];
  const values = { 0x0112: 1, 0x0100: width, 0x0101: height, 0xa001: 1, 0xa002: width, 0xa003: height };
  const number = (at) => view.getUint32(at, order);
  const walk = (at, visit) => {
    const end = at + 2 + 12 * view.getUint16(at, order);
    for (let entry = at + 2; entry < end; entry += 12) visit(view.getUint16(entry, order), entry);
    return end;
  };
  const correct = (tag, entry) => {
    if (tag === 0x8769) walk(number(entry + 8), correct);
    else if (tag in values && view.getUint16(entry + 2, order) === 3) view.setUint16(entry + 8, values[tag], order);
    else if (tag in values) view.setUint32(entry + 8, values[tag], order);
  };
  try {
    const next = walk(number(4), correct);
    const thumbnail = {};
    if (number(next)) walk(number(next), (tag, entry) => (thumbnail[tag] = number(entry + 8)));
    exif.fill(0, thumbnail[0x201] ?? 0, (thumbnail[0x201] ?? 0) + (thumbnail[0x202] ?? 0));
    view.setUint32(next, 0, order);
    return exif;
  } catch {
    return null;
  }
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(parts) {
  let sum = -1;
  for (const part of parts) for (const byte of part) sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 255];
  return ~sum >>> 0;
}

/** A ZIP of files, as [{ name, blob }], stored as they are. */
export async function zipped(files) {
  const [parts, directory] = [[], []];
  let at = 0;
  for (const { name, blob } of files) {
    const path = new TextEncoder().encode(name);
    const sum = crc32([new Uint8Array(await blob.arrayBuffer())]);
    // Version 2.0, names in UTF-8, stored, the first day that the format knows; the checksum and both sizes
    const facts = [little(0x08000014), little(0), little(0x21, 2), little(sum), little(blob.size), little(blob.size)];
    const head = [latin("PK\x03\x04"), ...facts, little(path.length, 2), little(0, 2), path];
    directory.push(latin("PK\x01\x02"), little(20, 2), ...facts, little(path.length, 2), new Uint8Array(12), little(at), path);
    parts.push(...head, blob);
    at += lengthOf(head) + blob.size;
  }
  const counts = [little(0), little(files.length, 2), little(files.length, 2), little(lengthOf(directory)), little(at)];
  return new Blob([...parts, ...directory, latin("PK\x05\x06"), ...counts, little(0, 2)], { type: "application/zip" });
}
