"""The table of docs/metadata.md, every cell measured with exiftool, which shares no code with us."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from photochrom.photo.decoding import decode_photograph
from photochrom.photo.metadata import iptc
from photochrom.photo.photograph import Photograph
from photochrom.settings import FORMATS

PAGE = Path(__file__).parents[1] / "docs" / "metadata.md"
pytestmark = [
    pytest.mark.skipif(not PAGE.exists(), reason="not in a source distribution"),
    pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool, the independent reader, is not installed"),
]

Y, X = np.mgrid[:120, :160]
GRAY = (128 + 60 * np.sin(X / 25) + 40 * np.cos(Y / 18)).astype(np.uint8)
EXIF = ["-EXIF:Make=Voigtländer", "-EXIF:Rating=4", "-EXIF:HostComputer=Old Mac", "-EXIF:LensModel=Heliar"]
EXIF += ["-EXIF:DateTimeOriginal=1931:05:01 12:00:00", "-EXIF:UserComment=Grüße"]
GPS = ["-GPSLatitude=48.5", "-GPSLatitudeRef=N"]
XMP = ["-XMP-xmp:Rating=4", "-XMP-photoshop:Headline=Großmutter", "-XMP-lr:HierarchicalSubject=a|b"]
IPTC = ["-IPTC:CodedCharacterSet=UTF8", "-IPTC:Caption-Abstract=Großmutter im Garten", "-IPTC:Keywords=garden"]
IPTC += ["-IPTC:Keywords=family", "-IPTC:By-line=Müller"]
RESOLUTION = ["-XResolution=300", "-YResolution=300", "-ResolutionUnit=inches"]


def exiftool(*arguments: str) -> str:
    ran = subprocess.run(["exiftool", *arguments], capture_output=True, text=True, check=True)
    return ran.stdout


@pytest.fixture(scope="module")
def facts(tmp_path_factory) -> dict[str, dict[str, dict[str, object]]]:
    """What exiftool says, by the format of the source and that of the output."""
    folder = tmp_path_factory.mktemp("table")
    sources = {name: folder / f"source.{name}" for name in FORMATS}
    for name, path in sources.items():
        make_source(name, path)
    for name, path in sources.items():
        photograph = decode_photograph(path.read_bytes())
        for output in FORMATS:
            content = photograph.encode(output)
            (folder / f"{name}-to-{output}{FORMATS[output].suffixes[0]}").write_bytes(content)
    said = json.loads(exiftool("-j", "-G1", "-a", "-struct", str(folder)))
    found: dict[str, dict[str, dict[str, object]]] = {name: {} for name in FORMATS}
    for each in said:
        match = re.fullmatch(r"(\w+)-to-(\w+)\.\w+", Path(each["SourceFile"]).name)
        if match:
            assert "ExifTool:Error" not in each and "ExifTool:Warning" not in each, each
            found[match[1]][match[2]] = each
    return found


def make_source(name: str, path: Path) -> None:
    """A photograph with all metadata that files of its format have, written by other programs where they can."""
    if name == "png":
        info = PngInfo()
        info.add_text("Author", "Müller")
        info.add_itxt("My own key", "祖母")
        info.add_text("Comment", "A comment")
        block = iptc.pack_resources(iptc_block(), [])
        info.add_text("Raw profile type iptc", f"\niptc\n{len(block):8}\n{block.hex()}\n", zip=True)
        Image.fromarray(GRAY).save(path, pnginfo=info, dpi=(300, 300))
    elif name == "bmp":
        Image.fromarray(GRAY).save(path, "BMP", dpi=(300, 300))
        return
    else:
        path.write_bytes(Photograph(GRAY).encode(name))
    tags = EXIF + GPS + XMP + ([] if name == "png" else RESOLUTION) + (IPTC if name in ("jpeg", "tiff") else [])
    if name == "jpeg":
        Image.fromarray(GRAY).resize((40, 30)).save(path.with_suffix(".small.jpg"))
        tags += ["-Comment=A comment", f"-ThumbnailImage<={path.with_suffix('.small.jpg')}"]
    exiftool("-q", "-overwrite_original", "-codedcharacterset=utf8", *tags, str(path))


def iptc_block() -> bytes:
    values: tuple[tuple[int, int, bytes], ...] = (
        (1, 90, b"\x1b%G"),
        (2, 25, b"garden"),
        (2, 25, b"family"),
        (2, 80, "Müller".encode()),
    )
    values += ((2, 120, "Großmutter im Garten".encode()),)
    return b"".join(bytes([0x1C, r, n]) + len(v).to_bytes(2, "big") + v for r, n, v in values)


def cell(kind: str, said: dict[str, object]) -> str:
    """What became of a kind of metadata: ✓, XMP if it is said there, or –."""

    def has(**expected: object) -> bool:
        return all(said.get(name.replace("__", ":").replace("_", "-")) == value for name, value in expected.items())

    def xmp(name: str) -> object:
        return said.get(f"XMP-{name}")

    if kind == "EXIF":
        dates = has(ExifIFD__DateTimeOriginal="1931:05:01 12:00:00", ExifIFD__LensModel="Heliar")
        rare = has(IFD0__Rating=4, IFD0__HostComputer="Old Mac", IFD0__Make="Voigtländer", ExifIFD__UserComment="Grüße")
        return "✓" if dates and rare else "–"
    if kind == "GPS":
        return "✓" if str(said.get("GPS:GPSLatitude", "")).startswith("48 deg 30") else "–"
    if kind == "IPTC":
        whole = has(IPTC__By_line="Müller", IPTC__Keywords=["garden", "family"])
        if whole and said.get("IPTC:Caption-Abstract") == "Großmutter im Garten":
            return "✓"
        same = xmp("dc:Subject") == ["garden", "family"] and xmp("dc:Creator") == ["Müller"]
        return "XMP" if same and xmp("dc:Description") == "Großmutter im Garten" else "–"
    if kind == "XMP":
        given = xmp("xmp:Rating") == 4 and xmp("photoshop:Headline") == "Großmutter"
        return "✓" if given and xmp("lr:HierarchicalSubject") == ["a|b"] else "–"
    if kind == "comment":
        if "A comment" in (said.get("File:Comment"), said.get("PNG:Comment")):
            return "✓"
        return "XMP" if xmp("exif:UserComment") == "A comment" else "–"
    if kind == "texts of PNG":
        if said.get("PNG:Author") == "Müller" and "祖母" in said.values():
            return "✓" if said.get("File:FileType") == "PNG" else "–"
        return "XMP" if xmp("dc:Creator") == ["Müller"] and "My own key: 祖母" in str(xmp("photochrom:Texts")) else "–"
    if kind == "resolution":
        native = [said.get(f"{group}:XResolution") for group in ("JFIF", "IFD0")]
        meters = said.get("PNG-pHYs:PixelsPerUnitX") or said.get("File:PixelsPerMeterX")
        return "✓" if 300 in native or meters == 11811 else "–"
    assert kind == "thumbnail in EXIF"
    return "✓" if said.get("IFD1:Compression") == "JPEG (old-style)" else "–"


def rows() -> Iterator[tuple[str, str, dict[str, str]]]:
    """(kind, source, cells by output) of the page's table."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    start = next(i for i, line in enumerate(lines) if line.startswith("| kind |"))
    names = {FORMATS[name].label: name for name in FORMATS}
    outputs = [part.strip() for part in lines[start].split("|")[3:-1]]
    for line in lines[start + 2 :]:
        kind, sources, *cells = (part.strip() for part in line.split("|")[1:-1])
        if len(cells) != len(outputs):
            return
        for source in sources.split(", "):
            if source in names:  # HEIC is optional
                by_output = dict(zip(outputs, cells, strict=True))
                yield kind, names[source], {names[out]: value for out, value in by_output.items() if out in names}


TABLE = list(rows()) if PAGE.exists() else []


@pytest.mark.parametrize("kind, source, cells", TABLE, ids=[f"{kind}-{source}" for kind, source, _ in TABLE])
def test_the_table_is_true(facts, kind, source, cells):
    assert set(cells) == set(FORMATS)
    assert {output: cell(kind, facts[source][output]) for output in cells} == cells


def test_the_table_has_every_kind_of_every_source():
    found = {(kind, source) for kind, source, _ in TABLE}
    block_formats = {"jpeg", "png", "webp", "tiff", "avif", "heic"} & set(FORMATS)
    expected = {(kind, name) for kind in ("EXIF", "GPS", "XMP", "resolution") for name in block_formats}
    expected |= {("IPTC", name) for name in ("jpeg", "png", "tiff")} | {("comment", "jpeg"), ("comment", "png")}
    expected |= {("resolution", "bmp"), ("texts of PNG", "png"), ("thumbnail in EXIF", "jpeg")}
    assert found == expected


REMARKS = r"Non-standard|Missing required|is not allowed in TIFF|IFD0 tag 0x0103 Compression"  # deflate in a TIFF


def test_exiftool_finds_nothing_wrong(tmp_path):
    """Its own check of the structure has only remarks on what a standard's tags ought to be."""
    for name in FORMATS:
        source = tmp_path / f"source.{name}"
        make_source(name, source)
        content = decode_photograph(source.read_bytes()).encode(name)
        (tmp_path / f"output{FORMATS[name].suffixes[0]}").write_bytes(content)
    outputs = sorted(map(str, tmp_path.glob("output.*")))
    assert len(outputs) == len(FORMATS)
    said = exiftool("-validate", "-warning", "-error", "-a", "-s3", *outputs)
    warnings = [line for line in said.splitlines() if not re.match(r"=|OK$|\d+ Warning|\s+\d+ image files", line)]
    assert [line for line in warnings if not re.search(REMARKS, line)] == []
