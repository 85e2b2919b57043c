"""What players make of colored films: the ffmpeg program, and Chromium, which draws a film's frame on a canvas."""

import base64
import shutil
import subprocess

import numpy as np
import pytest

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from photochrom.coloring import Look
from photochrom.photo.color import luminance_of, rgb_to_lab
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.encoding import Encoding
from photochrom.video.film import read_film

FFMPEG = shutil.which("ffmpeg")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update"
DRAW = """async source => {
    const film = document.createElement("video");
    film.muted = true;
    film.src = source;
    document.body.append(film);
    await new Promise((done, failed) => {
        film.requestVideoFrameCallback(done);
        film.onerror = () => failed(film.error.message);
        film.play();
    });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [film.videoWidth, film.videoHeight];
    const context = canvas.getContext("2d", {colorSpace: "srgb"});
    context.drawImage(film, 0, 0);
    const bytes = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let text = "";
    for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
    return btoa(text);
}"""
LIMITED, FULL, UNSPECIFIED = 1, 2, 0
PATCH = 32  # pixels
LEVELS = np.linspace(0, 1, 16)  # of light; of an untagged gray film too, which is full range

pytestmark = pytest.mark.slow
SOURCES = [  # lines, encoder, format, (matrix, primaries, transfer), range
    (480, "libx264", "yuv420p", (2, 2, 2), UNSPECIFIED),
    (720, "libx264", "yuv420p", (2, 2, 2), LIMITED),
    (720, "libx264", "yuv420p", (5, 2, 2), UNSPECIFIED),
    (480, "libx264", "yuv420p", (1, 1, 1), FULL),
    (720, "libx264", "yuv420p", (5, 5, 6), LIMITED),
    (480, "ffv1", "gray", (2, 2, 2), LIMITED),
    (480, "ffv1", "gray", (2, 2, 2), UNSPECIFIED),
    (720, "ffv1", "gray10le", (2, 2, 2), LIMITED),
]


def patches(height):
    """Light (height, 16 patches) in 0..1."""
    return np.tile(np.repeat(LEVELS, PATCH), (height, 1))


def write(path, light, codec, format, tags, range):
    """Two frames of this light, of which the numbers say what they should by the definition of the range."""
    is_full = range == FULL or (range == UNSPECIFIED and format.startswith("gray"))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"crf": "1"} if codec == "libx264" else {})
        (stream.height, stream.width), stream.pix_fmt = light.shape, format
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = tags
        context.color_range = range
        for number in (0, 1):
            frame = av.VideoFrame(light.shape[1], light.shape[0], format)
            bits = frame.format.components[0].bits
            kind = np.dtype("u1" if bits == 8 else "<u2")
            luma = light * (2**bits - 1) if is_full else (16 + 219 * light) * 2 ** (bits - 8)
            for index, plane in enumerate(frame.planes):
                rows = np.full((plane.height, plane.line_size // kind.itemsize), 1 << (bits - 1), kind)
                if not index:
                    rows[:, : light.shape[1]] = np.rint(luma)
                plane.update(rows.tobytes())
            frame.pts, frame.color_range = number, range
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module", params=SOURCES, ids=lambda source: "-".join(map(str, source)).replace(" ", ""))
def shown_source(request, tmp_path_factory):
    """A colored film, and the light that it should have."""
    height, *facts = request.param
    from conftest import LoudBackend

    from photochrom.inference.colorizer import Colorizer

    folder, light = tmp_path_factory.mktemp("players"), patches(height)
    write(folder / "old.mkv", light, *facts)
    options = FilmOptions(Encoding(crf=1), Look(strength=0.5))
    list(colorize_film(read_film(folder / "old.mkv"), folder / "new.mp4", Colorizer(LoudBackend()), options))
    return folder / "new.mp4", light


def assert_light_is_kept(rgb, light):
    """In the middle of each patch: on average, and nowhere by more than rounding to 8 bits may add."""
    middle = np.s_[PATCH // 2 :: PATCH, PATCH // 2 :: PATCH]
    off = np.abs(luminance_of(np.ascontiguousarray(rgb[middle])) - luminance_of(light[middle].astype(np.float32)))
    assert off.mean() <= 0.5 and off.max() <= 1
    lab = rgb_to_lab(rgb[middle] / np.float32(255))
    assert np.hypot(lab[..., 1], lab[..., 2])[:, 4:12].min() > 5  # it has colors


@pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg on this machine")
def test_ffmpeg_shows_the_light_of_the_source(shown_source):
    path, light = shown_source
    command = [str(FFMPEG), "-v", "error", "-i", str(path), "-frames:v", "1"]
    command += ["-sws_flags", "accurate_rnd+full_chroma_int"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    assert_light_is_kept(np.frombuffer(raw, np.uint8).reshape(*light.shape, 3), light)


@pytest.fixture(scope="module")
def page():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{word}" for word in QUIET.split()])
        yield browser.new_page()
        browser.close()


@pytest.mark.xdist_group("page")
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
def test_chromium_shows_the_light_of_the_source(page, shown_source):
    path, light = shown_source
    source = "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()
    rgba = np.frombuffer(base64.b64decode(page.evaluate(DRAW, source)), np.uint8).reshape(*light.shape, 4)
    assert_light_is_kept(rgba[..., :3], light)
