#!/usr/bin/env bash
# A 16-bit gray PNG, as scanners write, made RGB by Pillow: one would guess that 0..65535 becomes 0..255. Pillow 12.3.0
# cuts off above 255, so nearly every pixel becomes white, in L, RGB and RGBA alike and without a warning. ComfyUI's
# "Load Image" (0.3.64) scales pictures of the mode I only, but Pillow opens this PNG as I;16: a scan loads as white.
# Sources: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes and LoadImage in ComfyUI's nodes.py
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==12.3.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
import PIL
from PIL import Image, ImageOps

path = f"{sys.argv[1]}/scan.png"
ramp = np.linspace(0, 65535, 9).astype(np.uint16)
Image.fromarray(np.tile(ramp, (9, 1))).save(path)
scan = ImageOps.exif_transpose(Image.open(path))
print("Pillow", PIL.__version__, "opens a 16-bit gray PNG as", scan.mode)
print("its numbers:", ramp)
white = []
for mode in ("L", "RGB", "RGBA"):
    levels = np.asarray(scan.convert(mode)).reshape(9, 9, -1)[0, :, 0]
    print(f"as {mode}:".ljust(9), levels)
    white.append((levels[1:] == 255).all())
# What ComfyUI's LoadImage does.
image = scan.point(lambda i: i * (1 / 255)) if scan.mode == "I" else scan
tensor = np.array(image.convert("RGB")).astype(np.float32) / 255.0
print("in ComfyUI:", tensor[0, :, 0])
if scan.mode != "I;16" or not all(white) or not (tensor[0, 1:] == 1).all():
    sys.exit("16-bit gray is no longer white")
PYTHON
