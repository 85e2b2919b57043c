#!/usr/bin/env bash
# A TIFF in YCbCr (PhotometricInterpretation 6) that isn't compressed by JPEG: one would guess that a reader converts it.
# pyvips-binary 8.18.7 gives Y, Cb and Cr as they are and calls them sRGB, without an error even at fail_on="error":
# gray comes out green. Pillow 12.3.0 converts the LZW one. Source: TIFF 6.0, section 21, and the run below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6 pillow==12.3.0
VIPS_WARNING=0 "$folder/venv/bin/python" - <<'PYTHON'
import io
import numpy as np, pyvips
from PIL import Image

print("pyvips", pyvips.__version__, "libvips", ".".join(str(pyvips.version(n)) for n in range(3)), "Pillow", Image.__version__)
target = io.BytesIO()
Image.new("RGB", (64, 64), (30, 30, 30)).convert("YCbCr").save(target, "TIFF", compression="tiff_lzw")
pillow = np.asarray(Image.open(target).convert("RGB"))[0, 0].tolist()
image = pyvips.Image.new_from_buffer(target.getvalue(), "", fail_on="error")
vips = image.numpy()[0, 0].tolist()
print("a gray of 30, Pillow:", pillow, "libvips:", vips, image.interpretation)
assert max(abs(value - 30) for value in pillow) <= 1
assert (vips, image.interpretation) == ([30, 128, 128], "srgb")
PYTHON
