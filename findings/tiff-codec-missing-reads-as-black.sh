#!/usr/bin/env bash
# A TIFF whose compression a build of libvips lacks: one would guess that opening or decoding it raises an error.
# pyvips-binary 8.18.7 (libtiff without Zstandard and LZMA) decodes it without one, fail_on="truncated" included, to
# pixels that are all 0; only fail_on="error" raises ("Compression scheme ... is not configured" goes to a warning).
# Source: https://www.libvips.org/API/current/ctor.Image.tiffload.html (fail_on), and the run below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6 tifffile==2026.3.3 imagecodecs
VIPS_WARNING=0 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
import numpy as np, pyvips, tifffile
print("pyvips", pyvips.__version__, "libvips", ".".join(str(pyvips.version(n)) for n in range(3)))
for name in ("zstd", "lzma"):
    path = f"{sys.argv[1]}/{name}.tif"
    tifffile.imwrite(path, np.full((64, 64), 200, np.uint8), photometric="minisblack", compression=name)
    pixels = pyvips.Image.new_from_file(path, fail_on="truncated").numpy()
    print(name, "fail_on=truncated: mean", pixels.mean())
    assert pixels.max() == 0
    try:
        pyvips.Image.new_from_file(path, fail_on="error").numpy()
    except pyvips.Error as error:
        print(name, "fail_on=error:", str(error).splitlines()[-1].strip()[:90])
    else:
        sys.exit("fail_on=error does not raise any more")
PYTHON
