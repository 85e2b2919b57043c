#!/usr/bin/env bash
# A film that begins with whole pictures and goes on with interlaced ones, encoded by libx264 for interlaced pictures
# (+ildct+ilme): one would guess that each picture keeps its mark, as in FFV1. All of them come out as interlaced, and
# players blur the whole ones. Source: FFmpeg's libx264.c sets pic_struct for no picture; x264 takes one for the film.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from fractions import Fraction

import av
import numpy as np

print("PyAV", av.__version__, "libavcodec", ".".join(map(str, av.library_versions["libavcodec"])))


def marks(codec):
    path = f"{sys.argv[1]}/{codec}.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25, options={"flags": "+ildct+ilme", "field_order": "tt", "level": "3"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(8):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64), 100 + number, np.uint8), format="gray")
            picture = picture.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            if number >= 4:  # PyAV can't mark a picture without a filter
                graph = av.filter.Graph()
                source = graph.add_buffer(width=64, height=64, format="yuv420p", time_base=Fraction(1, 25))
                marker, sink = graph.add("setfield", "mode=tff"), graph.add("buffersink")
                source.link_to(marker)
                marker.link_to(sink)
                graph.configure()
                source.push(picture)
                picture = sink.pull()
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with av.open(path) as container:
        return [bool(frame.interlaced_frame) for frame in container.decode(video=0)]


given = [False] * 4 + [True] * 4
for codec in ("ffv1", "libx264"):
    print(codec, "interlaced:", marks(codec), "given:", given)
assert marks("ffv1") == given
assert marks("libx264") == [True] * 8
PYTHON
