"""Show that two builds make the same bytes: they color forty photographs of all formats in all ways.

    python benchmarks/same_outputs.py BEFORE AFTER

BEFORE and AFTER are folders with the package `photochrom` (a checkout's src/). The photographs are made from those of
scikit-image. Each build colors them on the command line with and without hints, variants, strength and seed, into every
format, under names of every suffix, from standard input, in Python, as an archive and over HTTP. Prints what differs,
and exits with 1 if anything does. Takes about five minutes per build.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from itertools import product
from pathlib import Path

import numpy as np
import pyvips
from PIL import Image
from skimage import data

FORMATS = ("jpeg", "png", "webp", "tiff", "bmp", "avif")
BLUE, RED = {"x": 60, "y": 40, "color": "#2244aa"}, {"x": 250, "y": 150, "color": "#aa3311"}
HINTS = {"size": [300, 200], "hints": [BLUE, RED]}
COLORINGS = {
    "plain": [],
    "hint": ["--hint", "20,30,#2244aa"],
    "hints": ["--hints", "HINTS", "--strength", "1.3"],
    "variants": ["--variants", "3", "--seed", "5"],
    "gentle": ["--strength", "0.5", "--quality", "80", "--working-size", "128"],
} | {f"to-{name}": ["--format", name] for name in FORMATS}
IN_PYTHON = """
import sys, photochrom
from pathlib import Path
for path in sorted(Path(sys.argv[1]).iterdir()):
    out = Path(sys.argv[2]) / path.name
    colored = photochrom.colorize(path, strength=1.1, seed=2, hints=[photochrom.Hint(20, 30, "#2244aa")])
    colored.save(out if out.suffix != ".gif" else out.with_suffix(".png"))
"""


def make_photographs(folder: Path) -> None:
    """Forty files: every format, gray and color, 8 and 16 bits, alpha, profiles, metadata, turned, odd sizes."""
    pictures = {name: getattr(data, name)()[:200, :300] for name in ("astronaut", "chelsea", "coffee")}
    pictures["camera"] = data.camera()[:200, :300]
    for (name, pixels), suffix in product(pictures.items(), ("jpg", "png", "webp", "tif", "bmp", "avif")):
        Image.fromarray(pixels).save(folder / f"{name}-{suffix}.{suffix}")
    gray = pictures["camera"]
    deep = gray.astype(np.uint16) * 257
    deep[::2] += 100
    color = pictures["coffee"]
    mask = np.linspace(0, 255, gray.size).reshape(gray.shape).astype(np.uint8)
    vips = pyvips.Image.new_from_array
    vips(deep, interpretation="grey16").write_to_file(str(folder / "deep.png"))
    vips(deep, interpretation="grey16").write_to_file(str(folder / "deep-lzw.tiff"), compression="lzw", bigtiff=True)
    vips(color.astype(np.uint16) * 257, interpretation="rgb16").write_to_file(
        str(folder / "deep-rgb.png"), interlace=True
    )
    Image.fromarray(np.dstack([color, mask])).save(folder / "alpha.png")
    Image.fromarray(np.dstack([color, mask])).save(folder / "alpha-lossless.webp", lossless=True)
    Image.fromarray(np.dstack([gray, mask]), "LA").save(folder / "gray-alpha.png")
    Image.fromarray(np.dstack([color, mask])).save(folder / "alpha-deflate.tif")
    Image.fromarray(gray).convert("P").save(folder / "palette.gif")
    Image.fromarray(gray).convert("1").save(folder / "bilevel.png")
    Image.fromarray(color).convert("CMYK").save(folder / "cmyk.jpg")
    vips((gray / 255).astype(np.float32), interpretation="b-w").write_to_file(str(folder / "float.tif"))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x010E] = 6, "a maker", "a description"
    Image.fromarray(gray).save(folder / "turned.jpg", exif=exif, dpi=(300, 300), progressive=True)
    vips(color, interpretation="srgb").write_to_file(str(folder / "profile.jpg"), profile="p3")
    Image.fromarray(gray[:150, :37]).save(folder / "narrow.png")
    Image.fromarray(data.camera()).resize((1501, 1003)).save(folder / "large.jpg", dpi=(600, 600))
    Image.fromarray(gray[:9, :11]).save(folder / "tiny.png")


def color_all(source: Path, photographs: Path, out: Path) -> dict[str, str]:
    """Color everything with the package in `source`; return the SHA-256 of every output by its name below `out`."""
    environment = os.environ | {"PYTHONPATH": str(source)}

    def call(*words: str, **options: object) -> None:
        subprocess.run([sys.executable, *words], env=environment, check=True, capture_output=True, **options)  # type: ignore[call-overload]

    hints = out / "hints.json"
    hints.write_text(json.dumps(HINTS))
    for name, options in COLORINGS.items():
        words = [str(hints) if word == "HINTS" else word for word in options]
        if "hint" in name:
            wide = [str(p) for p in sorted(photographs.iterdir()) if p.stem not in ("tiny", "narrow")]
            call("-m", "photochrom", "colorize", *wide, "-o", str(out / name), *words)
        else:
            call("-m", "photochrom", "colorize", str(photographs), "-o", str(out / name), "--jobs", "2", *words)
    for suffix in ("jpg", "png", "webp", "tif", "bmp", "avif"):
        call("-m", "photochrom", "colorize", str(photographs / "camera-jpg.jpg"), "-o", str(out / f"named.{suffix}"))
    (out / "stdin").mkdir()
    for path in sorted(photographs.iterdir()):
        with path.open("rb") as given, (out / "stdin" / path.name).open("wb") as made:
            subprocess.run(
                [sys.executable, "-m", "photochrom", "colorize", "-"],
                env=environment,
                check=True,
                stdin=given,
                stdout=made,
            )
    (out / "python").mkdir()
    inside = out / "wide"
    inside.mkdir()
    for path in photographs.iterdir():
        if path.stem not in ("tiny", "narrow"):
            (inside / path.name).write_bytes(path.read_bytes())
    call("-c", IN_PYTHON, str(inside), str(out / "python"))
    call("-m", "photochrom", "archive", str(photographs), str(out / "archive"), "--workers", "1", "--strength", "1.2")
    (out / "http").mkdir()
    over_http(environment, photographs, out / "http")
    made = (
        p for p in sorted(out.rglob("*")) if p.is_file() and inside not in p.parents and "_photochrom" not in p.parts
    )
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in made}


def over_http(environment: dict[str, str], photographs: Path, out: Path) -> None:
    """Color through a server that is started for this; two variants come as a ZIP, whose dates are set to zero."""
    words = [sys.executable, "-m", "photochrom", "serve", "--port", "0"]
    server = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = server.stdout.readline().split()[-1]
    try:
        for path in sorted(photographs.iterdir()):
            fields = {"strength": "1.2", "seed": "4"}
            if path.stem != "tiny":
                fields["hints"] = json.dumps({"hints": [] if path.stem == "narrow" else [BLUE]})
            (out / path.name).write_bytes(post(f"{address}v1/colorize", path, fields))
    finally:
        server.terminate()
        server.wait(60)


def post(url: str, path: Path, fields: dict[str, str]) -> bytes:
    """The answer to a form with a file."""
    edge = uuid.uuid4().hex
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
    ]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
    body = b"".join(parts) + head.encode() + path.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    request = urllib.request.Request(url, body, {"Content-Type": f"multipart/form-data; boundary={edge}"})
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


def main() -> None:
    """Color with both builds and compare."""
    with tempfile.TemporaryDirectory() as folder:
        photographs = Path(folder) / "photographs"
        photographs.mkdir()
        make_photographs(photographs)
        print(f"{len(list(photographs.iterdir()))} photographs")
        made = []
        for number, source in enumerate(sys.argv[1:3]):
            out = Path(folder) / str(number)
            out.mkdir()
            made.append(color_all(Path(source).resolve(), photographs, out))
            print(f"{source}: {len(made[-1])} outputs")
        before, after = made
        different = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        for name in different:
            print(f"differs: {name}")
        print(f"{len(before) - len(different)} of {len(before)} are identical")
        sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
