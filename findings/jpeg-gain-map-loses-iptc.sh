#!/usr/bin/env bash
# A JPEG with an HDR gain map (as phones write them) that has an IPTC caption: one would guess that libvips keeps it, as
# it does for every JPEG. pyvips-binary 8.18.7 opens such files with uhdrload, which gives EXIF and the ICC profile but
# no IPTC; jpegload gives the same pixels with it. Source: the run below; docs name neither field for uhdrload.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6
VIPS_WARNING=0 "$folder/venv/bin/python" - <<'PYTHON'
import struct
import numpy as np, pyvips

print("pyvips", pyvips.__version__, "libvips", ".".join(str(pyvips.version(n)) for n in range(3)))
ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
image = pyvips.Image.new_from_array(np.dstack([ramp] * 3), interpretation="srgb")
jpeg = (image.colourspace("scrgb") * 3).copy(interpretation="scrgb").uhdrsave_buffer()
caption = b"\x1c\x02\x78\0\6Granny"
block = b"Photoshop 3.0\x008BIM\4\4\0\0" + struct.pack(">I", len(caption)) + caption
jpeg = jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]
found = {}
for opened in (pyvips.Image.new_from_buffer(jpeg, ""), pyvips.Image.jpegload_buffer(jpeg)):
    loader = opened.get("vips-loader").removesuffix("_buffer")
    found[loader] = {field for field in opened.get_fields() if field.endswith("-data")}, opened.numpy()
    print(loader, sorted(found[loader][0]))
assert np.array_equal(found["uhdrload"][1], found["jpegload"][1])
assert found["jpegload"][0] - found["uhdrload"][0] == {"iptc-data"}
PYTHON
