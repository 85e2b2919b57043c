#!/usr/bin/env bash
# A gray AVIF with limited ("video") range, 16 for black and 235 for white: one would guess that readers expand it.
# pyvips-binary 8.18.7 does so for 4:2:0, but gives 16 to 235 as they are for 4:0:0: washed out, without a warning.
# Pillow 12.3.0 (libavif) expands both. Source: the run below; AV1's color_range flag says what black and white are.
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
ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (64, 1)))
found = {}
for sampling, picture in (("4:2:0", ramp.convert("RGB")), ("4:0:0", ramp)):
    for span in ("full", "limited"):
        target = io.BytesIO()
        picture.save(target, "AVIF", quality=100, range=span, subsampling=sampling)
        pillow = np.asarray(Image.open(target).convert("L"))
        vips = pyvips.Image.new_from_buffer(target.getvalue(), "").numpy()
        found[sampling, span] = vips.min(), vips.max()
        print(sampling, span, "Pillow:", pillow.min(), "to", pillow.max(), "libvips:", vips.min(), "to", vips.max())
        assert (pillow.min(), pillow.max()) == (0, 255)
assert found.pop(("4:0:0", "limited")) == (16, 235)
assert set(found.values()) == {(0, 255)}
PYTHON
