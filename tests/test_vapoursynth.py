"""The VapourSynth filter: the colors of `photochrom video`, whatever the clip's format and the order of its frames."""

import threading
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")
av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from photochrom import cli
from photochrom.coloring import Look
from photochrom.errors import InputError, WeightsError
from photochrom.inference.colorizer import Colorizer
from photochrom.photo.color import luminance_of, rgb_to_lab
from photochrom.photo.hints import Hint
from photochrom.vapoursynth import AHEAD, FilmHint, colorize, reference_hints
from photochrom.video.coherence import Coherence
from photochrom.video.colorize import FilmOptions, color_frames
from photochrom.video.film import read_film, read_frames
from photochrom.video.joining import join_picture
from photochrom.video.shots import look_through
from photochrom.video.tracking import with_hints

RATE, WIDTH, HEIGHT = 12, 96, 64
OLD_RANGE = "ignore:The _ColorRange frame property has been deprecated"


@pytest.fixture(autouse=True)
def core():
    """VapourSynth as it is on a machine of several cores."""
    vs.core.num_threads = 4
    return vs.core


@pytest.fixture(scope="module")
def small():
    """The bundled network, loaded once, on pictures a quarter as wide and high as it usually sees."""
    return {"model": Colorizer(threads=1).backend, "working_size": 64}


@pytest.fixture
def fake(loud):
    """What is no network at all, for tests of the order of frames."""
    return {"model": loud.backend, "working_size": 64}


@pytest.fixture
def pictures(photographs):
    """A camera that pans over a cup, then over a cat: gray (H, W) uint8."""
    return [
        photographs["coffee" if number < 8 else "chelsea"][100:164, 100 + 3 * number : 196 + 3 * number, 1]
        for number in range(14)
    ]


def clip_of(frames, format, **props):
    """A clip of frames, each a list of planes."""
    blank = vs.core.std.BlankClip(
        width=WIDTH, height=HEIGHT, format=format, length=len(frames), fpsnum=RATE, fpsden=1, keep=True
    )

    def fill(n, f):
        made = f.copy()
        for number, plane in enumerate(frames[n]):
            np.asarray(made[number])[...] = plane
        made.props.update(props)
        return made

    return blank.std.ModifyFrame([blank], fill)


def gray_clip(pictures, format=vs.GRAY8, **props):
    return clip_of([[picture] for picture in pictures], format, **props)


def planes_of(frame):
    return np.dstack([np.asarray(frame[number]) for number in range(frame.format.num_planes)])


def colors_of(clip):
    return [planes_of(frame) for frame in clip.frames(close=True)]


def write_film(path, pictures, format, color_range=0, color=6):
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=RATE)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, format
        video.codec_context.color_range, video.codec_context.colorspace = color_range, color
        video.codec_context.color_primaries, video.codec_context.color_trc = color, color
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="gray").reformat(format=format)))
        container.mux(video.encode(None))
    return path


def film_clip(path, format, **props):
    """The frames of a film as a clip."""
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            rows = [np.frombuffer(memoryview(p), "u1").reshape(p.height, -1) for p in frame.planes]
            kind = "<u2" if frame.format.components[0].bits > 8 else "u1"
            wide = [np.ascontiguousarray(r).view(kind)[:, : p.width] for r, p in zip(rows, frame.planes, strict=True)]
            frames.append([plane.copy() for plane in wide])
    return clip_of(frames, format, **props)


def film_colors(path, small, **options):
    """What `photochrom video` makes of a film's frames, before they are encoded: (H, W, 3) in 0..1."""
    film, how = read_film(path), FilmOptions(**options)
    shots = look_through(film)[0]
    frames = with_hints(film, read_frames(film), shots, how.hints)
    colorizer = Colorizer(**small)
    pictures = (
        join_picture(colorizer, colored.frame.pixels, colored.colorings, colored.frame.fields, how.look)
        for colored in color_frames(film, frames, shots, colorizer, Coherence(), how, -1)
    )
    return [pixels / np.iinfo(pixels.dtype).max for pixels in pictures]


def worst(ones, others):
    assert len(ones) == len(others)
    return max(np.abs(np.asarray(a, float) - np.asarray(b, float)).max() for a, b in zip(ones, others, strict=True))


LIMITED = {"_Range": 0, "_Matrix": 6, "_Primaries": 6, "_Transfer": 6}


# The colors of `photochrom video`


@pytest.mark.filterwarnings(OLD_RANGE)
@pytest.mark.parametrize(
    "format, kind, props, color_range",
    [
        ("gray", vs.GRAY8, {}, 0),
        ("gray", vs.GRAY8, {"_Range": 0}, 1),
        ("gray10le", vs.GRAY10, {}, 0),
        ("gray16le", vs.GRAY16, {"_ColorRange": 1}, 1),
        ("yuv420p", vs.YUV420P8, LIMITED, 1),
        ("yuv422p10le", vs.YUV422P10, LIMITED, 1),
        ("yuv444p12le", vs.YUV444P12, LIMITED | {"_Range": 1}, 2),
    ],
)
def test_frames_alone_are_those_of_the_command(pictures, tmp_path, format, kind, props, color_range, small):
    path = write_film(tmp_path / "old.mkv", pictures[5:8], format, color_range)
    made = colors_of(colorize(film_clip(path, kind, **props), steady=False, format=vs.RGBS, **small))
    assert worst(made, film_colors(path, small, steady=False)) <= 1 / 255
    assert np.ptp(made[0], axis=2).mean() > 0.02


def test_the_command_writes_the_same_numbers(pictures, tmp_path, small):
    path, target = write_film(tmp_path / "old.mkv", pictures[:3], "yuv420p", 1), tmp_path / "new.mkv"
    line = ["video", str(path), str(target), "--flicker", "--codec", "ffv1", "--working-size", "64"]
    result = CliRunner().invoke(cli.main, line)
    assert result.exit_code == 0, result.output
    clip = colorize(film_clip(path, vs.YUV420P8, **LIMITED), steady=False, format=vs.YUV444P8, **small)
    assert worst(colors_of(clip), colors_of(film_clip(target, vs.YUV444P8))) <= 1


@pytest.mark.parametrize("look", [{"strength": 0.5, "warmth": 0.5}, {"seed": 3}])
def test_a_look_is_that_of_the_command(pictures, tmp_path, look, small):
    path = write_film(tmp_path / "old.mkv", pictures[:2], "gray")
    made = colors_of(colorize(gray_clip(pictures[:2]), steady=False, format=vs.RGBS, **look, **small))
    assert worst(made, film_colors(path, small, steady=False, look=Look(**look))) <= 1 / 255


def test_steady_colors_are_those_of_the_command(pictures, tmp_path, small):
    path = write_film(tmp_path / "old.mkv", pictures, "gray")
    made = colors_of(colorize(gray_clip(pictures), format=vs.RGBS, **small))
    assert worst(made, film_colors(path, small)) <= 1 / 255
    assert worst(made, colors_of(colorize(gray_clip(pictures), steady=False, format=vs.RGBS, **small))) > 3 / 255


def test_hints_are_those_of_the_command(pictures, tmp_path, small):
    path, clip = write_film(tmp_path / "old.mkv", pictures[5:11], "gray"), gray_clip(pictures[5:11])
    hints = (FilmHint(0.0, Hint(40, 30, "#2030ff")), FilmHint(3 / RATE, Hint(50, 30, "#10a020")))
    for steady in (True, False):
        made = colors_of(colorize(clip, hints=hints, steady=steady, format=vs.RGBS, **small))
        assert worst(made, film_colors(path, small, hints=hints, steady=steady)) <= 1 / 255
    (tmp_path / "film.json").write_text('{"hints": [{"time": 0, "x": 40, "y": 30, "color": "#2030ff"}]}')
    of_file = colors_of(colorize(clip[:2], hints=tmp_path / "film.json", format=vs.RGBS, **small))
    assert worst(of_file, colors_of(colorize(clip[:2], hints=hints[:1], format=vs.RGBS, **small))) == 0


def test_fields_are_colored_one_by_one(pictures, small):
    woven = pictures[0].copy()
    woven[1::2] = pictures[9][1::2]
    clip = gray_clip([woven])
    by_fields = colors_of(colorize(gray_clip([woven], _FieldBased=2), format=vs.RGBS, steady=False, **small))[0]
    one = colors_of(colorize(gray_clip([np.repeat(woven[0::2], 2, axis=0)]), format=vs.RGBS, steady=False, **small))[0]
    assert np.abs(by_fields[0::2] - one[0::2]).mean() < 0.02
    assert worst([by_fields], colors_of(colorize(clip, format=vs.RGBS, steady=False, **small))) > 0.02


# Formats


@pytest.mark.parametrize(
    "kind",
    [vs.GRAYS, vs.GRAYH, vs.YUV420P16, vs.YUV444PS, vs.YUV444PH, vs.YUV420PS, vs.RGB24, vs.RGB48, vs.RGBS, vs.YUV410P8],
)
def test_a_clip_keeps_its_light_in_every_format(core, pictures, kind, small):
    gray = gray_clip(pictures[:1], _Range=1)
    rgb = gray.resize.Point(format=vs.RGB48, matrix_in_s="170m")
    clip = rgb if kind == vs.RGB48 else rgb.resize.Bicubic(
        format=kind, **({} if core.get_video_format(kind).color_family == vs.RGB else {"matrix_s": "170m"})
    )  # fmt: skip
    made = colors_of(colorize(clip, steady=False, format=vs.RGBS, **small))[0].astype(np.float32)
    assert np.abs(luminance_of(np.clip(made, 0, 1)) - luminance_of(pictures[0])).max() < 0.7
    assert np.ptp(made, axis=2).mean() > 0.02


@pytest.mark.parametrize(
    "kind",
    [vs.YUV444P8, vs.YUV444P10, vs.YUV444P16, vs.YUV444PS, vs.YUV444PH, vs.RGB24, vs.RGB30, vs.RGB48, vs.RGBS, vs.RGBH],
)
def test_every_output_is_tagged_as_what_it_is(pictures, kind, small):
    clip = gray_clip(pictures[:1])
    reference = colors_of(colorize(clip, steady=False, format=vs.RGBS, **small))[0]
    made = colorize(clip, steady=False, format=kind, **small)
    frame = made.get_frame(0)
    assert made.format.id == kind and {"_Matrix", "_Primaries", "_Transfer", "_Range"} <= set(frame.props)
    assert "_ColorRange" not in set(frame.props)  # "in" alone finds the old name of _Range
    shown = planes_of(made.resize.Bicubic(format=vs.RGBS).get_frame(0))  # by VapourSynth, which goes by the properties
    assert np.abs(shown - reference).max() < (0.02 if made.format.bits_per_sample == 8 else 0.005)


@pytest.mark.filterwarnings(OLD_RANGE)
def test_untagged_gray_is_full_range_and_high_definition_is_bt709(core, pictures, small):
    made = colorize(gray_clip(pictures[:1]), steady=False, **small)
    assert made.format.id == vs.YUV444P16 and made.fps == RATE and made.num_frames == 1
    luma, picture = planes_of(made.get_frame(0))[..., 0], pictures[0]
    assert luma.min() >= 16 * 256 and luma.max() <= 235 * 256
    assert made.get_frame(0).props["_Matrix"] == 6 and made.get_frame(0).props["_Range"] == 0
    rgb = planes_of(made.resize.Bicubic(format=vs.RGBS).get_frame(0))
    assert np.abs(luminance_of(np.clip(rgb, 0, 1)) - luminance_of(picture)).max() < 0.5
    large = core.std.BlankClip(width=1280, height=720, format=vs.GRAY8, length=1, color=120)
    assert colorize(large, steady=False, **small).get_frame(0).props["_Matrix"] == 1
    tagged = gray_clip(pictures[:1], **(LIMITED | {"_Matrix": 5, "_Range": 1}), _ColorRange=0, Own=7)
    props = colorize(tagged, steady=False, **small).get_frame(0).props
    assert (props["_Matrix"], props["_Range"], props["Own"]) == (5, 1, 7)


# The order of frames


def test_frames_may_be_asked_for_by_many_threads_and_a_little_out_of_order(pictures, fake):
    in_order = colors_of(colorize(gray_clip(pictures), **fake))
    clip = colorize(gray_clip(pictures), **fake)
    found, done = {}, threading.Semaphore(0)

    def keep(n, result):
        found[n] = result
        done.release()

    for n in (3, 1, 0, 2, 7, 6, 5, 4, 13, 12, 9, 8, 10, 11):
        clip.get_frame_async(n, lambda frame, error, n=n: keep(n, error or planes_of(frame)))
    for _ in pictures:
        assert done.acquire(timeout=60)
    assert worst([found[n] for n in range(14)], in_order) == 0
    for n in (13, 5, 9, 0, 13):  # again, because a later filter looks back
        assert np.array_equal(planes_of(clip.get_frame(n)), in_order[n])


def test_a_frame_far_away_is_refused_and_the_beginning_is_begun_anew(pictures, fake):
    long = gray_clip(pictures[:1]).std.Loop(200)
    clip = colorize(long, **fake)
    first = planes_of(clip.get_frame(0))
    with pytest.raises(vs.Error, match=r"frame 150 was asked for after frame 0: trim the clip before it is colored"):
        clip.get_frame(150)
    assert clip.get_frame(1)
    for n in range(2, 2 * AHEAD + 2):
        last = clip.get_frame(n)
    assert last and np.array_equal(planes_of(clip.get_frame(0)), first)
    colorize(long, steady=False, **fake).get_frame(150)


def test_a_cut_may_be_given_by_the_clip(pictures, fake):
    """Where _SceneChangePrev says so, colors begin anew."""
    plain = gray_clip(pictures[:6], _SceneChangePrev=0)
    cut = plain[:3] + gray_clip(pictures[3:6], _SceneChangePrev=0).std.SetFrameProps(_SceneChangePrev=1)[:1]
    alone = colors_of(colorize(gray_clip(pictures[3:4]), format=vs.RGBS, **fake))
    assert worst(colors_of(colorize(cut, format=vs.RGBS, **fake))[3:], alone) == 0
    assert worst(colors_of(colorize(plain, format=vs.RGBS, **fake))[3:4], alone) > 0


# Reference frames


def test_reference_frames_give_their_colors(photographs, tmp_path, small):
    from PIL import Image

    coffee = photographs["coffee"][100 : 100 + HEIGHT * 4 : 4, 100 : 100 + WIDTH * 4 : 4]
    blue = coffee[..., ::-1].copy()  # an unlikely one, which has to be heeded
    clip = clip_of([[(rgb_to_lab(coffee / np.float32(255))[..., 0] * 2.55).round()]] * 3, vs.GRAY8)
    Image.fromarray(blue).save(tmp_path / "ref_000001.png")
    hints = reference_hints(tmp_path, clip)
    assert len(hints) == 24 and {round(each.time * RATE) for each in hints} == {1}
    plain, told = (colors_of(colorize(clip, hints=h, format=vs.RGBS, **small)) for h in ((), hints))
    assert worst(plain[:1], told[:1]) == 0
    wanted = rgb_to_lab(blue / np.float32(255))[..., 1:]
    off = [np.hypot(*np.moveaxis(rgb_to_lab(made)[..., 1:] - wanted, -1, 0)).mean() for made in (plain[1], told[1])]
    assert off[1] < 0.6 * off[0]


@pytest.mark.parametrize(
    "name, content, message",
    [
        (None, None, "has no reference frames: their names are ref_000123.png"),
        ("ref_000001.png", "gray", "is gray: a reference frame needs colors"),
        ("ref_000001.png", "none", "ref_000001.png"),
    ],
)
def test_useless_references_are_refused(pictures, tmp_path, name, content, message):
    from PIL import Image

    if content == "gray":
        Image.fromarray(pictures[0]).save(tmp_path / name)
    elif name:
        (tmp_path / name).write_bytes(b"none")
    with pytest.raises(InputError, match=message):
        reference_hints(tmp_path, gray_clip(pictures))


def test_the_documentation_does_what_it_says(pictures, photographs, small, tmp_path, monkeypatch):
    import re
    from functools import partial
    from pathlib import Path

    from PIL import Image

    import photochrom.vapoursynth

    page = Path(__file__).parents[1] / "docs" / "vapoursynth.md"
    if not page.exists():
        pytest.skip("not in a source distribution")
    (tmp_path / "refs").mkdir()
    Image.fromarray(photographs["coffee"]).save(tmp_path / "refs" / "ref_000001.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(photochrom.vapoursynth, "colorize", partial(colorize, **small))
    given = {"source": clip_of([[p, p * 0 + 128, p * 0 + 128] for p in pictures[:2]], vs.YUV444P8, **LIMITED)}
    for block in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        exec(compile(block.replace('core.bs.VideoSource("old.mkv")', "source"), page.name, "exec"), given)
    vs.clear_outputs()
    assert [given[name].format.id for name in ("color", "rgb24")] == [vs.YUV444P16, vs.RGB24]
    for name in ("color", "guided", "rgb24"):
        assert len(list(given[name].frames(close=True))) == 2


# Mistakes


def test_mistakes_are_one_line_before_any_work(core, pictures, tmp_path):
    clip = gray_clip(pictures)
    variable = core.std.Splice([clip, clip.std.Crop(2)], mismatch=True)
    mistakes = [
        (variable, {}, "frames all have one format and size"),
        ("old.mkv", {}, "takes a video clip"),
        (gray_clip(pictures, _Transfer=16), {}, "high dynamic range .PQ."),
        (clip, {"strength": 11}, "strength is 0 to 10"),
        (clip, {"working_size": 5}, "working size"),
        (clip, {"format": vs.YUV420P8}, "not as YUV420P8"),
        (clip, {"format": vs.GRAY8}, "not as Gray8"),
        (clip, {"format": 1}, "VapourSynth has no format 1"),
        (clip, {"format": "RGBS"}, "VapourSynth has no format RGBS"),
        (clip, {"hints": tmp_path / "none.json"}, "no such file"),
        (clip, {"hints": [FilmHint(0, Hint(96, 3, "#aabbcc"))]}, "outside the clip, 96 x 64 pixels"),
    ]
    with pytest.raises(WeightsError, match="nonesuch"):
        colorize(clip, model="nonesuch")
    for wrong, options, message in mistakes:
        with pytest.raises(InputError, match=message) as caught:
            colorize(wrong, **options)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(InputError, match=r"frame rate: call std\.AssumeFPS"):
        reference_hints(tmp_path, variable_rate(core, pictures))


def variable_rate(core, pictures):
    clip = gray_clip(pictures)
    return core.std.Splice([clip, clip.std.AssumeFPS(fpsnum=25)])


def test_a_clip_without_a_rate_is_colored(core, pictures, small):
    clip = variable_rate(core, pictures[:2])
    assert clip.fps == 0 and len(colors_of(colorize(clip, **small))) == 4
    with pytest.raises(InputError, match="frame rate"):
        colorize(clip, hints=[FilmHint(0, Hint(3, 3, "#aabbcc"))])


def test_times_are_of_the_rate(pictures, small):
    clip = gray_clip(pictures[:2]).std.AssumeFPS(fpsnum=24000, fpsden=1001)
    assert colorize(clip, **small).fps == Fraction(24000, 1001)
