#!/usr/bin/env bash
# A JPEG 2000 with a palette (boxes pclr and cmap) may have one color twice, as many palettes are padded with black.
# One would guess that pixel number 3 has the color at place 3. Pillow 12.3 drops the second black when it reads the
# palette, so every later number gets its neighbor's color, without an error. OpenJPEG, in imagecodecs, is right.
# Source: Pillow's Jpeg2KImagePlugin, which reads colors with ImagePalette.getcolor; ISO/IEC 15444-1, I.5.3.4.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pillow==12.3.0 imagecodecs==2026.3.6 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import io
import struct

import imagecodecs
import numpy as np
from PIL import Image

box = lambda kind, content: struct.pack(">I4s", 8 + len(content), kind) + content
colors = np.array([[0, 0, 0], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)  # black stands twice
numbers = np.tile(np.repeat(np.arange(5, dtype=np.uint8), 8), (40, 1))
stream = bytes(imagecodecs.jpeg2k_encode(numbers, codecformat="j2k", level=0, mct=False))
header = box(b"ihdr", struct.pack(">IIHBBBB", *numbers.shape, 1, 7, 7, 0, 0))
header += box(b"colr", b"\1\0\0" + struct.pack(">I", 16))
header += box(b"pclr", struct.pack(">HB", 5, 3) + bytes([7] * 3) + colors.tobytes())
header += box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3)))
file = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", header) + box(b"jp2c", stream)

seen = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))[0, 4::8]
true = imagecodecs.jpeg2k_decode(file)[0, 4::8]
print("stored:     ", colors.tolist())
print("imagecodecs:", true.tolist())
print("Pillow:     ", seen.tolist())
assert (true == colors).all()
assert (seen[1:4] == colors[2:]).all(), "Pillow reads it in another way now"
PYTHON
