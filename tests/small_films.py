"""Small gray films with sound, colored as the command line or the Python interface does, and read again."""

from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

av = pytest.importorskip("av")

from photochrom import cli
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.encoding import Encoding
from photochrom.video.film import read_film, read_frames

RATE, WIDTH, HEIGHT = 12, 160, 120


def frames_of(photographs, count=30, cut=15):
    """A camera that pans over a cup, then over a cat: gray (H, W) uint8."""
    for number in range(count):
        name, step = ("coffee", number) if number < cut else ("chelsea", number - cut)
        yield photographs[name][100 : 100 + HEIGHT, 100 + 3 * step : 100 + 3 * step + WIDTH, 1]


def write_film(path, pictures, *, times=None, sound=True, rotation=0, codec="libx264", pixel_format="yuv420p"):
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=RATE, options={"crf": "8"} if codec == "libx264" else {})
        video.codec_context.time_base = Fraction(1, 600)
        video.pix_fmt = pixel_format
        video.codec_context.color_range, video.codec_context.colorspace = 1, 1  # limited, BT.709
        video.codec_context.color_primaries, video.codec_context.color_trc = 1, 1
        tone = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        container.metadata["title"] = "A cup and a cat"
        for number, picture in enumerate(pictures):
            if not number:
                video.height, video.width = picture.shape
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format=pixel_format)
            frame.pts, frame.time_base = (times or {}).get(number, 50 * number), Fraction(1, 600)
            if rotation and not number:
                video.set_display_rotation(rotation)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if tone:
            for start in range(0, 8000 * 2, 1024):
                wave = (9000 * np.sin(np.arange(start, start + 1024) / 3)).astype(np.int16)[None]
                samples = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
                samples.sample_rate, samples.pts = 8000, start
                container.mux(tone.encode(samples))
            container.mux(tone.encode(None))
    return path


SMALL = ("--working-size", "64", "--crf", "8")


def run(*arguments):
    return CliRunner().invoke(cli.main, ["video", *map(str, arguments)])


def assert_refused(result, *words):
    """One line that has these words, and exit status 2."""
    assert result.exit_code == 2 and len(result.output.splitlines()) == 1, result.output
    assert all(word in result.output for word in words), result.output


def color(source, target, colorizer, **options):
    options = {"encoding": Encoding(crf=8), **options}
    return list(colorize_film(read_film(source), target, colorizer, FilmOptions(**options)))


def read_all(path):
    """Its frames, (H, W, 3); a frame without colors is read as (H, W)."""
    frames = (frame.pixels for frame in read_frames(read_film(path)))
    return [pixels if pixels.ndim == 3 else np.dstack([pixels] * 3) for pixels in frames]


def packets_of(path, kind):
    with av.open(str(path)) as container:
        stream = container.streams.get({kind: 0})[0]
        found = [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(stream)
            if packet.pts is not None
        ]
    return sorted(found)


def small_frames(photographs, count):
    return [np.ascontiguousarray(picture[:48, :64]) for picture in frames_of(photographs, count)]
