// Metadata in JPEG, PNG and WebP files, and ZIP archives: bytes, no pixels.

const EXIF_PREFIX = "Exif\0\0";
const XMP_PREFIX = "http://ns.adobe.com/xap/1.0/\0";
const XMP_KEYWORD = "XML:com.adobe.xmp";
const latin = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const text = (bytes) => new TextDecoder("latin1").decode(bytes);
const utf8 = (bytes) => new TextDecoder().decode(bytes);
const big = (value) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
const little = (value, bytes = 4) => Uint8Array.from({ length: bytes }, (_, i) => value >>> (8 * i));
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The EXIF block (bytes) and XMP (text) of a file, null where there is none, and in words what else there is. */
export function read(bytes) {
  const found = { exif: null, xmp: null, leftOut: [] };
  const lose = (what) => found.leftOut.includes(what) || found.leftOut.push(what);
  if (bytes[0] === 0xff) {
    for (const { marker, content } of segments(bytes)) {
      const start = text(content.subarray(0, 40));
      if (marker === 0xe1 && start.startsWith(EXIF_PREFIX)) found.exif ??= content.slice(6);
      else if (marker === 0xe1 && start.startsWith(XMP_PREFIX)) found.xmp ??= utf8(content.subarray(XMP_PREFIX.length));
      else if (marker === 0xed) lose("IPTC and Photoshop's data");
      else if (marker === 0xfe) lose("the comment");
      else if (marker === 0xeb) lose("content credentials (C2PA), which are of the file before it was changed");
    }
  } else if (text(bytes.subarray(1, 4)) === "PNG") {
    if (bytes[24] === 16) lose("16 bits per channel, of which a browser keeps 8");
    for (const { kind, content } of pngChunks(bytes)) {
      if (kind === "eXIf") found.exif = content.slice();
      else if (kind === "iTXt" && text(content).startsWith(XMP_KEYWORD + "\0\0")) found.xmp = utf8(content.subarray(22));
      else if (/^[tiz]TXt$/.test(kind)) lose("texts of the PNG");
    }
  } else if (text(bytes.subarray(8, 12)) === "WEBP") {
    for (const { kind, content } of riffChunks(bytes)) {
      if (kind === "EXIF") found.exif = content.slice(text(content.subarray(0, 6)) === EXIF_PREFIX ? 6 : 0);
      else if (kind === "XMP ") found.xmp = utf8(content);
    }
  } else if (text(bytes.subarray(4, 8)) === "ftyp") lose("metadata of AVIF files");
  return found;
}

/** A file as a browser encoded it, as parts of the same file with EXIF and XMP. */
export function write(picture, { exif, xmp }) {
  if (picture[0] === 0xff) {
    const head = [...segments(picture)].find(({ marker }) => marker === 0xe0);
    const rest = head ? head.end : 2;
    const added = [...(exif ? segment(0xe1, EXIF_PREFIX, exif) : []), ...segment(0xe1, XMP_PREFIX, xmp)];
    return [picture.subarray(0, rest), ...added, picture.subarray(rest)];
  }
  if (text(picture.subarray(1, 4)) === "PNG") {
    const at = [...pngChunks(picture)].find(({ kind }) => kind === "IDAT").start;
    const added = [...(exif ? [pngChunk("eXIf", [exif])] : []), pngChunk("iTXt", [latin(XMP_KEYWORD + "\0\0\0\0\0"), xmp])];
    return [picture.subarray(0, at), ...added.flat(), picture.subarray(at)];
  }
  const chunks = [...riffChunks(picture)];
  const extended = chunks[0].kind === "VP8X" ? chunks.shift().content.slice() : webpHead(chunks[0]);
  extended[0] |= 4 | (exif ? 8 : 0);
  const all = [{ kind: "VP8X", content: extended }, ...chunks];
  if (exif) all.push({ kind: "EXIF", content: exif });
  all.push({ kind: "XMP ", content: xmp });
  const body = all.flatMap(({ kind, content }) => [latin(kind), little(content.length), content, new Uint8Array(content.length % 2)]);
  return [latin("RIFF"), little(4 + body.reduce((sum, part) => sum + part.length, 0)), latin("WEBP"), ...body];
}

/** An EXIF block that is true of the upright picture in sRGB, without the gray thumbnail; null if it can't be read. */
export function mended(block, width, height) {
  if (!block) return null;
  const exif = block.slice();
  const view = viewOf(exif);
  const order = exif[0] === 0x49;
  const values = { 0x0112: 1, 0x0100: width, 0x0101: height, 0xa001: 1, 0xa002: width, 0xa003: height };
  const walk = (at, visit) => {
    const count = view.getUint16(at, order);
    for (let entry = at + 2; entry < at + 2 + 12 * count; entry += 12) visit(view.getUint16(entry, order), entry + 8, entry + 2);
    return at + 2 + 12 * count;
  };
  const correct = (tag, value, type) => {
    if (tag === 0x8769) walk(view.getUint32(value, order), correct);
    else if (!(tag in values)) return;
    else if (view.getUint16(type, order) === 3) view.setUint16(value, values[tag], order);
    else view.setUint32(value, values[tag], order);
  };
  try {
    const next = walk(view.getUint32(4, order), correct);
    const second = view.getUint32(next, order);
    view.setUint32(next, 0, order);
    const thumbnail = {};
    if (second) walk(second, (tag, value) => (thumbnail[tag] = view.getUint32(value, order)));
    if (thumbnail[0x201]) exif.fill(0, thumbnail[0x201], thumbnail[0x201] + thumbnail[0x202]);
    return exif;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function* segments(bytes) {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker === 0xda || marker === 0xd9) return;
    const end = at + 2 + viewOf(bytes).getUint16(at + 2);
    yield { marker, content: bytes.subarray(at + 4, end), end };
    at = end;
  }
}

function segment(marker, prefix, content) {
  const length = prefix.length + content.length + 2;
  return [Uint8Array.of(0xff, marker, length >> 8, length & 255), latin(prefix), content];
}

function* pngChunks(bytes) {
  for (let start = 8; start + 12 <= bytes.length; ) {
    const length = viewOf(bytes).getUint32(start);
    yield { kind: text(bytes.subarray(start + 4, start + 8)), content: bytes.subarray(start + 8, start + 8 + length), start };
    start += 12 + length;
  }
}

function pngChunk(kind, contents) {
  const parts = [latin(kind), ...contents];
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  return [big(length), ...parts, big(crc32(parts))];
}

function* riffChunks(bytes) {
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = viewOf(bytes).getUint32(at + 4, true);
    yield { kind: text(bytes.subarray(at, at + 4)), content: bytes.subarray(at + 8, at + 8 + length) };
    at += 8 + length + (length % 2);
  }
}

/** The header of the extended form for a picture in the simple one. */
function webpHead({ kind, content }) {
  const bits = viewOf(content).getUint32(kind === "VP8L" ? 1 : 6, true);
  const sides = kind === "VP8L" ? [bits & 0x3fff, (bits >> 14) & 0x3fff] : [(bits & 0x3fff) - 1, ((bits >> 16) & 0x3fff) - 1];
  const alpha = kind === "VP8L" && (bits >> 28) & 1 ? 0x10 : 0;
  return Uint8Array.of(alpha, 0, 0, 0, ...little(sides[0], 3), ...little(sides[1], 3));
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
    // Version 2.0, names in UTF-8, stored, and the first day that the format knows
    const facts = [little(0x08000014), little(0), little(0x21, 2), little(sum), little(blob.size), little(blob.size)];
    const head = [latin("PK\x03\x04"), ...facts, little(path.length, 2), little(0, 2), path];
    directory.push(latin("PK\x01\x02"), little(20, 2), ...facts, little(path.length, 2), little(0), little(0), little(0), little(at), path);
    parts.push(...head, blob);
    at += 30 + path.length + blob.size;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const counts = [little(files.length, 2), little(files.length, 2)];
  const end = [latin("PK\x05\x06"), little(0), ...counts, little(size), little(at), little(0, 2)];
  return new Blob([...parts, ...directory, ...end], { type: "application/zip" });
}
