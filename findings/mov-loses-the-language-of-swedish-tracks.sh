#!/usr/bin/env bash
# A track's language is a code of ISO 639-2, where 20 languages have two (deu and ger). One would guess that QuickTime
# films (.mov) keep them as MP4 does. PyAV 18.1.0 (FFmpeg 8.1) writes no language at all, and says nothing, for swe, hrv and nob;
# of two codes it keeps only one, now the one (ger, dut, chi), now the other (fra, ces, ron). MP4 keeps every one.
# Source: https://developer.apple.com/documentation/quicktime-file-format/language_code_values
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io

import av
import numpy as np

print("PyAV", av.__version__, "libavformat", ".".join(map(str, av.library_versions["libavformat"])))


def kept(language, container):
    file = io.BytesIO()
    with av.open(file, "w", format=container) as film:
        stream = film.add_stream("mpeg4", rate=1)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.metadata["language"] = language
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
        film.mux([*stream.encode(picture), *stream.encode(None)])
    file.seek(0)
    with av.open(file) as film:
        return film.streams.video[0].metadata.get("language")


ASKED = "swe hrv nob deu ger fra fre nld dut ces cze zho chi ron rum eng ita".split()
in_mov = {language for language in ASKED if kept(language, "mov") == language}
in_mp4 = {language for language in ASKED if kept(language, "mp4") == language}
print("MOV keeps ", *sorted(in_mov))
print("MOV loses ", *sorted(set(ASKED) - in_mov))
print("MP4 loses ", *(sorted(set(ASKED) - in_mp4) or ["none"]))
assert in_mov == {"ger", "fra", "dut", "ces", "chi", "ron", "eng", "ita"}, in_mov
assert in_mp4 == set(ASKED), in_mp4
PYTHON
