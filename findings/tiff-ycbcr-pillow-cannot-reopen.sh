#!/usr/bin/env bash
# Pillow writes an uncompressed TIFF of mode YCbCr: one would guess that it reads what it writes.
# Pillow 12.3.0 raises "image file is truncated (0 bytes not processed)", because it expects four bytes per pixel, as
# libtiff gives them for compressed ones; tifffile reads the file whole. Source: OPEN_INFO in TiffImagePlugin.py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 pillow==12.3.0 tifffile==2026.3.3
"$folder/venv/bin/python" - <<'PYTHON'
import io, sys
import tifffile
from PIL import Image

print("Pillow", Image.__version__, "tifffile", tifffile.__version__)
for compression in ("tiff_adobe_deflate", None):
    target = io.BytesIO()
    Image.new("YCbCr", (64, 64), (200, 120, 128)).save(target, "TIFF", compression=compression)
    values = tifffile.imread(io.BytesIO(target.getvalue()))
    print(compression, "tifffile:", values.shape, values[0, 0].tolist())
    assert values.shape == (64, 64, 3) and values[0, 0].tolist() == [200, 120, 128]
    try:
        print(compression, "Pillow:", Image.open(target).convert("RGB").getpixel((0, 0)))
    except OSError as error:
        print(compression, "Pillow:", error)
        assert compression is None
    else:
        assert compression == "tiff_adobe_deflate" or sys.exit("Pillow reads it now")
PYTHON
