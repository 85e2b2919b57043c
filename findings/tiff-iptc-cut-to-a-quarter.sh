#!/usr/bin/env bash
# A TIFF's IPTC block (tag 33723): one would guess that what libvips reads, it writes back.
# pyvips-binary 8.18.7 reads the block whole but writes a quarter of its bytes: the length is taken for a number of
# 32-bit longs on one side and of bytes on the other. Padding the block with zeros to four times its length keeps it.
# Source: the run below; the tag's type, LONG or BYTE, is left open by the TIFF supplement that registers it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6 tifffile==2026.3.3
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
import numpy as np, pyvips, tifffile
print("pyvips", pyvips.__version__, "libvips", ".".join(str(pyvips.version(n)) for n in range(3)))
iptc = b"\x1c\x02\x78\x00\x4c" + b"A caption of seventy-six characters, which is a multiple of four with its head "[:76] + b"\0" * 3
assert len(iptc) % 4 == 0
source, copy = f"{sys.argv[1]}/source.tif", f"{sys.argv[1]}/copy.tif"
tifffile.imwrite(source, np.zeros((64, 64), np.uint8), photometric="minisblack", extratags=[(33723, 7, len(iptc), iptc, True)])
image = pyvips.Image.new_from_file(source)
print("written by tifffile:", len(iptc), "bytes; read by libvips:", len(image.get("iptc-data")))
image.write_to_file(copy)
kept = tifffile.TiffFile(copy).pages[0].tags[33723].value
kept = kept if isinstance(kept, bytes) else np.asarray(kept).tobytes()
print("written back by libvips:", len(kept), "bytes")
assert len(kept) == len(iptc) // 4 and kept == iptc[: len(kept)]
padded = image.copy()
padded.set_type(pyvips.GValue.blob_type, "iptc-data", iptc + bytes(3 * len(iptc)))
padded.write_to_file(copy)
kept = tifffile.TiffFile(copy).pages[0].tags[33723].value
kept = kept if isinstance(kept, bytes) else np.asarray(kept).tobytes()
print("padded to four times its length:", len(kept), "bytes, the block whole:", kept == iptc)
assert kept == iptc
PYTHON
