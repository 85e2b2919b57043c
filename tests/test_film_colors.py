"""A film's light and its color tags: read as they are meant, written so that every player shows the same."""

import numpy as np
import pytest

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from photochrom.coloring import Look
from photochrom.errors import InputError
from photochrom.photo.color import luminance_of
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.colors import source_tags, to_srgb
from photochrom.video.encoding import Encoding
from photochrom.video.film import read_film

pytestmark = pytest.mark.slow
BT709, PQ, BT470BG, SMPTE170M, HLG = 1, 16, 5, 6, 18
UNSPECIFIED, LIMITED, FULL = 0, 1, 2
UNTAGGED = (2, 2, 2)


def ramp(width, height, least, most):
    """Rows of all levels from least to most."""
    return np.tile(np.linspace(least, most, width).round().astype(int), (height, 1))


def write(path, luma, format, *, codec="ffv1", tags=UNTAGGED, range=UNSPECIFIED):
    """Three equal pictures of this luma without colors, with (matrix, primaries, transfer) and range."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"crf": "0"} if codec == "libx264" else {})
        (stream.height, stream.width), stream.pix_fmt = luma.shape, format
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = tags
        context.color_range = range
        for number in (0, 1, 2):
            frame = av.VideoFrame(luma.shape[1], luma.shape[0], format)
            bits = frame.format.components[0].bits
            kind = np.dtype("u1" if bits == 8 else "<u2")
            for index, plane in enumerate(frame.planes):
                rows = np.full((plane.height, plane.line_size // kind.itemsize), 1 << (bits - 1), kind)
                if not index:
                    rows[:, : luma.shape[1]] = luma
                plane.update(rows.tobytes())
            frame.pts = number
            frame.colorspace, frame.color_range = tags[0], range
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def color(source, loud, strength=0.0, **encoding):
    target = source.with_name("new.mkv")
    options = FilmOptions(look=Look(strength=strength), encoding=Encoding(**{"crf": 1, **encoding}))
    list(colorize_film(read_film(source), target, loud, options))
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc)
        return frame, tags, context.color_range


def numbers(frame, number):
    """A plane of a frame."""
    plane, kind = frame.planes[number], "u1" if frame.format.components[0].bits == 8 else "<u2"
    return np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)[:, : plane.width]


def shown(frame, full=False):
    """Luma as light in 0..1, by the definition of the range."""
    bits, luma = frame.format.components[0].bits, numbers(frame, 0)
    scale = 2 ** (bits - 8)
    light = luma / (2**bits - 1) if full else (luma - 16.0 * scale) / (219 * scale)
    return np.clip(light, 0, 1).astype(np.float32)


def difference(light, right):
    return np.abs(luminance_of(light) - luminance_of(right.astype(np.float32))).max()


@pytest.mark.parametrize("tagged", [LIMITED, FULL, UNSPECIFIED])
@pytest.mark.parametrize("format", ["gray", "gray10le", "gray12le", "gray16le"])
def test_gray_films_keep_their_light(tmp_path, loud, format, tagged):
    """FFmpeg's scaler takes gray for full range, whatever its tag says."""
    bits = int(format[4:-2] or 8)
    scale, most = 2 ** (bits - 8), 2**bits - 1
    luma = ramp(256, 64, 0, most)
    right = np.clip((luma - 16 * scale) / (219 * scale), 0, 1) if tagged == LIMITED else luma / most
    frame, _, range = color(write(tmp_path / "old.mkv", luma, format, range=tagged), loud)
    assert range == (FULL if tagged == FULL else LIMITED)
    assert difference(shown(frame, range == FULL), right) <= 0.5


@pytest.mark.parametrize("codec, format", [("libx264", "yuv420p"), ("libx264", "yuv422p10le"), ("ffv1", "yuv444p12le")])
@pytest.mark.parametrize("range", [LIMITED, FULL, UNSPECIFIED])
def test_films_keep_their_light(tmp_path, loud, codec, format, range):
    deep = not format.endswith("p")
    scale = 4 if "10" in format else 16 if "12" in format else 1
    luma = ramp(128, 64, 0, 256 * scale - 1) if range == FULL else ramp(128, 64, 16 * scale, 235 * scale)
    source = write(tmp_path / "old.mkv", luma, format, codec=codec, range=range)
    frame, _, written = color(source, loud)
    right = luma / (256 * scale - 1) if range == FULL else (luma / scale - 16) / 219
    assert written == (FULL if range == FULL else LIMITED)
    assert (frame.format.components[0].bits > 8) == deep
    assert difference(shown(frame, range == FULL), right) <= 0.5


@pytest.mark.parametrize(
    "height, tags, written",
    [
        (720, UNTAGGED, (BT709,) * 3),
        (576, UNTAGGED, (SMPTE170M,) * 3),
        (720, (BT470BG, 2, 2), (BT709,) * 3),  # Chromium takes this for untagged
        (480, (BT709, BT709, 2), (SMPTE170M,) * 3),
        (480, (BT709, BT709, BT709), (BT709,) * 3),
        (720, (BT470BG, BT470BG, SMPTE170M), (BT470BG, BT470BG, SMPTE170M)),
    ],
)
def test_every_output_has_all_tags(tmp_path, loud, height, tags, written):
    luma = ramp(32, height, 16, 235)
    source = write(tmp_path / "old.mkv", luma, "yuv420p", codec="libx264", tags=tags)
    assert color(source, loud)[1:] == (written, LIMITED)


def test_colors_are_stored_with_the_matrix_that_the_tags_name(tmp_path, loud):
    """The same picture in both matrices: what a player makes of it is the same color."""
    colors: list[list[float]] = []
    for matrix, red, blue in ((BT709, 0.2126, 0.0722), (SMPTE170M, 0.299, 0.114)):
        tags = (matrix,) * 3
        source = write(tmp_path / f"{matrix}.mkv", ramp(64, 64, 126, 126), "yuv420p", codec="libx264", tags=tags)
        frame, found, _ = color(source, loud, strength=1.0)
        assert found == tags
        y, u, v = (numbers(frame, number).mean() for number in range(3))
        y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
        r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
        colors.append([r, (y - red * r - blue * b) / (1 - red - blue), b])
    assert np.abs(np.subtract(colors[0], colors[1])).max() < 0.02
    assert np.ptp(colors[0]) > 0.1


@pytest.mark.parametrize("encoding", [{"codec": "prores"}, {"codec": "ffv1"}, {"codec": "h265"}])
def test_every_codec_keeps_the_light_of_8_bits(tmp_path, loud, encoding):
    luma = ramp(128, 64, 16, 235)
    source = write(tmp_path / "old.mkv", luma, "yuv420p", codec="libx264", range=LIMITED)
    frame, _, _ = color(source, loud, **encoding)
    assert difference(shown(frame), (luma - 16) / 219) <= 0.5


@pytest.mark.parametrize("format", ["nv12", "yuv411p", "yuva420p", "rgb24", "gbrp", "bgr0", "yuyv422", "gbrp10le"])
def test_all_kinds_of_pictures_are_read(format):
    """Packed, subsampled, transparent, RGB: the same gray, to a level of 8 bits."""
    light = ramp(64, 64, 0, 255)
    rgb = av.VideoFrame.from_ndarray(np.dstack([light] * 3).astype(np.uint8), format="rgb24")
    picture = rgb.reformat(format=format, dst_colorspace=SMPTE170M, dst_color_range=LIMITED)
    deep = picture.format.components[0].bits > 8
    pixels = to_srgb(picture, source_tags(picture, "a film"), deep)
    assert pixels.shape[:2] == (64, 64) and pixels.dtype == (np.uint16 if deep else np.uint8)
    assert np.abs(pixels.T / (257 if deep else 1) - light.T).max() <= 2


@pytest.mark.parametrize("transfer, name", [(PQ, "PQ"), (HLG, "HLG")])
def test_high_dynamic_range_is_refused(tmp_path, transfer, name):
    luma = ramp(32, 32, 64, 940)
    source = write(tmp_path / "old.mkv", luma, "yuv420p10le", codec="libx264", tags=(9, 9, transfer))
    with pytest.raises(InputError, match=f"high dynamic range \\({name}\\).*convert it"):
        read_film(source)
