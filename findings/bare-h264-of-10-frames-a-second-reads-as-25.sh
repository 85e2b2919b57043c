#!/usr/bin/env bash
# A bare H.264 stream says its rate in its header (VUI timing). One would guess that a reader's average rate is that one. With
# PyAV 18.1.0 (FFmpeg 8.1) it is 25 for streams of 10, 12 and 30 frames a second, and the guessed rate is 24 for the one of 12;
# the length of a decoded picture is right for all.
# Source: FFmpeg's libavformat/rawdec.c, where the option framerate of bare streams is 25 unless it is given
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
averages, lengths = {}, {}
for rate in (10, 12, 30):
    file = io.BytesIO()
    with av.open(file, "w", format="h264") as film:
        stream = film.add_stream("libx264", rate=rate)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for tone in range(30):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 8 * tone, np.uint8), "rgb24")))
        film.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, format="h264") as film:
        stream = film.streams.video[0]
        picture = next(film.decode(stream))
        averages[rate], lengths[rate] = stream.average_rate, picture.duration * picture.time_base
        print(f"{rate} a second: average {stream.average_rate}, guessed {stream.guessed_rate}, a picture {lengths[rate]} s")
assert all(average == 25 for average in averages.values()), averages
assert all(length * rate == 1 for rate, length in lengths.items()), lengths
PYTHON
