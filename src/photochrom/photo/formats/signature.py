"""What a file really is, by its first bytes; its name says nothing certain."""

from __future__ import annotations

import re
import struct

from photochrom.photo.formats.faults import CONVERT, Unsupported
from photochrom.photo.formats.isobmff import boxes

IN_PHOTO_EDITOR = "save it as TIFF or PNG in the program that made it, or in GIMP"
SAVE_THE_PICTURE = "download the picture itself"
UNPACK = "unpack it first"
COLOR_THE_FILM = "use photochrom video"

# Formats that are read, at the start of the file. Other modules refer to these labels.
READ = [
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"FUJIFILMCCD-RAW", "camera raw (RAF)"),
    (b"IIU\0", "camera raw (RW2)"),
    (b"IIRO", "camera raw (ORF)"),
    (b"IIRS", "camera raw (ORF)"),
    (b"MMOR", "camera raw (ORF)"),
    (b"\0MRM", "camera raw (MRW)"),
    (b"FOVb", "camera raw (X3F)"),
    (b"II\x1a\0\0\0HEAPCCDR", "camera raw (CRW)"),
]

# Formats that are refused: start, label, advice.
REFUSED = [
    (b"8BPS", "PSD (Photoshop)", IN_PHOTO_EDITOR),
    (b"gimp xcf", "XCF (GIMP)", IN_PHOTO_EDITOR),
    (b"SIMPLE  =", "FITS", CONVERT),
    (b"\x76\x2f\x31\x01", "OpenEXR", CONVERT),
    (b"#?RADIANCE", "Radiance HDR", CONVERT),
    (b"#?RGBE", "Radiance HDR", CONVERT),
    (b"PF\n", "PFM", CONVERT),
    (b"Pf\n", "PFM", CONVERT),
    (b"P7\n", "PAM", CONVERT),
    (b"P7 332", "XV thumbnail", CONVERT),
    (b"%PDF", "PDF", "take its pictures out with pdfimages, or make pages with pdftoppm -tiff"),
    (b"%!PS", "PostScript", CONVERT),
    (b"\xc5\xd0\xd3\xc6", "EPS", CONVERT),
    (b"\0\0\1\0", "ICO", CONVERT),
    (b"\0\0\2\0\1\0", "CUR", CONVERT),
    (b"icns", "ICNS", CONVERT),
    (b"DDS ", "DDS", CONVERT),
    (b"\xabKTX", "KTX", CONVERT),
    (b"qoif", "QOI", CONVERT),
    (b"FLIF", "FLIF", CONVERT),
    (b"BPG\xfb", "BPG", CONVERT),
    (b"farbfeld", "farbfeld", CONVERT),
    (b"AT&TFORM", "DjVu", "make pages with ddjvu -format=tiff"),
    (b"\x01\xda", "SGI", CONVERT),
    (b"\x59\xa6\x6a\x95", "Sun raster", CONVERT),
    (b"\xd7\xcd\xc6\x9a", "WMF", CONVERT),
    *((b"\x0a" + bytes([version]) + b"\1", "PCX", CONVERT) for version in (0, 2, 3, 4, 5)),
    (b"\xb1\x68\xde\x3a", "DCX", CONVERT),
    (b"FORM", "IFF", CONVERT),
    (b"FOR4", "IFF", CONVERT),
    (b"Image type: ", "IM", CONVERT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document (of Office or FlashPix)", "save its pictures as TIFF or PNG"),
    (b"\x97JB2\r\n\x1a\n", "JBIG2", CONVERT),
    (b"SDPX", "DPX", CONVERT),
    (b"XPDS", "DPX", CONVERT),
    (b"\x80\x2a\x5f\xd7", "Cineon", CONVERT),
    (b"\x89HDF", "HDF5", CONVERT),
    (b"\x8aMNG", "MNG", CONVERT),
    (b"\x8bJNG", "JNG", CONVERT),
    (b"/* XPM", "XPM", CONVERT),
    (b"#define ", "XBM", CONVERT),
    (b"\x08\xf2\xa6\xb6", "VIPS", CONVERT),
    (b"\xb6\xa6\xf2\x08", "VIPS", CONVERT),
    (b"PK\3\4", "ZIP", UNPACK),
    (b"Rar!", "RAR", UNPACK),
    (b"7z\xbc\xaf", "7-Zip", UNPACK),
    (b"\x1f\x8b", "gzip", UNPACK),
    (b"BZh", "bzip2", UNPACK),
    (b"\xfd7zXZ", "xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "Zstandard", UNPACK),
    (b"\0\5\x16\7", "AppleDouble (macOS' companion of a file)", "take the file without ._ before its name"),
    (b"\x1a\x45\xdf\xa3", "a film (Matroska)", COLOR_THE_FILM),
    (b"OggS", "Ogg", COLOR_THE_FILM),
    (b"\x00\x00\x01\xba", "a film (MPEG)", COLOR_THE_FILM),
]

# Formats that are refused, which say later on what they are: place, bytes there, label.
REFUSED_LATER = [
    (128, b"DICM", "DICOM"),
    (40, b" EMF", "EMF"),
    (522, b"\0\x11\x02\xff\x0c\0", "PICT"),
    (522, b"\x11\x01", "PICT"),
    (4, b"\x11\xaf", "FLI"),
    (4, b"\x12\xaf", "FLI"),
    (-18, b"TRUEVISION-XFILE.", "TGA"),
]
TGA_TYPES = (1, 2, 3, 9, 10, 11)  # with a palette, RGB and gray, plain and run-length encoded
TGA_BITS = (8, 15, 16, 24, 32)
TGA_SIDE = 16_384  # pixels; other files that look like one mostly seem larger

HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
HEIF_BRANDS = {b"mif1", b"msf1", b"mif2", b"miaf"}  # which say nothing of the coding
AVIF_BRANDS = {b"avif", b"avis"}
LOW_OVERHEAD = b"mif3"
FILM_BOXES = {b"moov", b"moof"}


def recognize(data: bytes) -> str:
    """The label of a file's format, "" if the first bytes say nothing. Raises Unsupported for one that isn't read.

    A TIFF may turn out to be a camera's raw file: see tiff.py.
    """
    for start, label in READ:
        if data.startswith(start):
            return label
    if data[:2] == b"BM":
        return "BMP"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if re.match(rb"P[1-6][\s#]", data[:3]):
        return "PPM"
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    _refuse(data)
    return ""


def _of_brands(data: bytes) -> str:
    """The format of a file of ISO boxes, which says by its brands what it is."""
    brands = brands_of(data)
    if not brands:
        return ""
    if brands[0] == b"crx ":
        return "camera raw (CR3)"
    if AVIF_BRANDS.intersection(brands):
        return "AVIF"
    if HEIC_BRANDS.intersection(brands):
        return "HEIC"
    if brands[0] == LOW_OVERHEAD:
        label = "AVIF" if data[12:16] in AVIF_BRANDS else "HEIF"  # where others have a version
        raise Unsupported(f"{label} / in a minimized box (mif3)")
    if brands[0] in HEIF_BRANDS:
        coding = b"/".join(b.strip() for b in brands if b not in HEIF_BRANDS).decode("latin-1")
        return "HEIC" if not coding else f"HEIF / {coding}"
    if brands[0] in (b"jp2 ", b"jpx ", b"jph "):
        return "JPEG 2000"
    kinds = {kind for kind, _, _ in boxes(data)}
    if b"meta" in kinds and not kinds & FILM_BOXES:
        return f"HEIF / {brands[0].decode('latin-1').strip()}"
    raise Unsupported("a film (MPEG-4 or QuickTime)", COLOR_THE_FILM)


def brands_of(data: bytes) -> list[bytes]:
    """The brands of a file of ISO boxes, the major one first."""
    (size,) = struct.unpack_from(">I", data)
    size = min(size, len(data), 512)
    return [data[8:12]] + [data[n : n + 4] for n in range(16, size - 3, 4)] if size >= 12 else []


def _refuse(data: bytes) -> None:
    for start, label, advice in REFUSED:
        if data.startswith(start):
            raise Unsupported(label, advice)
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        raise Unsupported("a film (AVI)", COLOR_THE_FILM)
    if data[:4] in (b"RIFF", b"RIFX"):
        raise Unsupported("RIFF", CONVERT)
    text = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")) or (text.startswith(b"<!--") and b"<html" in text):
        raise Unsupported("a web page", SAVE_THE_PICTURE)
    if text.startswith(b"<") and b"<svg" in text:
        raise Unsupported("SVG", "draw it with Inkscape or rsvg-convert to PNG")
    for place, found, label in REFUSED_LATER:
        if data[place:].startswith(found):
            raise Unsupported(label, CONVERT)
    if data[:2] == b"BA" and data[14:16] in (b"BM", b"CI", b"CP", b"IC", b"PT"):
        raise Unsupported("OS/2 bitmap array", CONVERT)
    if data[:4] == b"(\0\0\0" and data[12:14] == b"\1\0":
        raise Unsupported("DIB (a BMP without its header)", CONVERT)
    if _may_be_tga(data):
        raise Unsupported("TGA", CONVERT)


def _may_be_tga(data: bytes) -> bool:
    """Whether a file begins as one of TGA's first version, which has no bytes of its own."""
    if len(data) < 18:
        return False
    palette, kind, palette_bits, width, height, bits = struct.unpack_from("<xBB4xB4xHHB", data)
    has_palette = kind in (1, 9)
    depths = (0, *TGA_BITS) if not has_palette else TGA_BITS
    return (
        palette in ((1,) if has_palette else (0, 1))
        and kind in TGA_TYPES
        and palette_bits in depths
        and bits in ((8, 16) if has_palette else TGA_BITS)
        and 0 < width <= TGA_SIDE
        and 0 < height <= TGA_SIDE
    )
