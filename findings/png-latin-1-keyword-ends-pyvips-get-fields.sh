#!/usr/bin/env bash
# A PNG text chunk whose keyword has a letter beyond ASCII (the standard's character set for keywords is Latin-1): one
# would guess that a reader names the field somehow. libvips 8.18.7 opens the picture, but pyvips 3.2.0's get_fields()
# raises UnicodeDecodeError, so no field of the picture can be listed. Source: https://www.w3.org/TR/png-3/#11keywords
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6 pillow==12.3.0
VIPS_WARNING=0 "$folder/venv/bin/python" - <<'PYTHON'
import struct, sys, zlib
import pyvips


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


print("pyvips", pyvips.__version__, "libvips", ".".join(str(pyvips.version(n)) for n in range(3)))
header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))
rows = chunk(b"IDAT", zlib.compress(bytes(65 * 64)))
for keyword in ("Legend", "Légende"):
    text = chunk(b"tEXt", keyword.encode("latin-1") + b"\0A house")
    image = pyvips.Image.new_from_buffer(b"\x89PNG\r\n\x1a\n" + header + text + rows + chunk(b"IEND", b""), "")
    print(keyword, "pixels:", image.numpy().shape)
    try:
        print(keyword, "fields:", [field for field in image.get_fields() if "comment" in field])
    except UnicodeDecodeError as error:
        print(keyword, "fields:", error)
        assert keyword == "Légende"
    else:
        assert keyword == "Legend" or sys.exit("the fields are listed now")
PYTHON
