"""Interlaced films: fields are colored as fields and stay fields, or pictures are made whole when that is asked for."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from field_coded import write_field_coded

from photochrom import cli
from photochrom.errors import InputError
from photochrom.inference.colorizer import Colorizer
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.colors import plane_of
from photochrom.video.encoding import Encoding
from photochrom.video.fields import field_order
from photochrom.video.film import PROBED_FRAMES, read_film, read_frames

pytestmark = pytest.mark.slow
WIDTH, HEIGHT, COUNT, STEP = 160, 128, 10, 6  # a field is STEP pixels to the right of the one before it
LATE = PROBED_FRAMES + 3  # later than what is looked at before the start
ORDERS = {"tff": ("tt", 2), "bff": ("bb", 3)}


def view(photographs, number):
    """What a camera that pans there and back sees when it takes a field."""
    number = 40 - abs(40 - number % 80)
    return photographs["chelsea"][100 : 100 + HEIGHT, 40 + STEP * number : 40 + STEP * number + WIDTH, 1]


def write_interlaced(path, photographs, order, codec="mpeg2video", count=COUNT):
    """Pictures of two fields each, marked as such; or whole ones, if the order is "prog"."""
    flags = {} if order == "prog" else {"flags": "+ildct+ilme", "field_order": ORDERS[order][0]}
    options = flags | ({"crf": "4"} if codec == "libx264" else {})
    graph = av.filter.Graph()
    source = graph.add_buffer(width=WIDTH, height=HEIGHT, format="yuv420p", time_base=Fraction(1, 25))
    marker, sink = graph.add("setfield", f"mode={order}"), graph.add("buffersink")
    source.link_to(marker)
    marker.link_to(sink)
    graph.configure()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", 8_000_000
        for number in range(count):
            woven = np.empty((HEIGHT, WIDTH), np.uint8)
            first = 1 if order == "bff" else 0
            woven[first::2] = view(photographs, 2 * number)[first::2]
            woven[1 - first :: 2] = view(photographs, 2 * number + (order != "prog"))[1 - first :: 2]
            frame = av.VideoFrame.from_ndarray(woven, format="gray").reformat(format="yuv420p", dst_color_range=1)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            source.push(frame)
            container.mux(stream.encode(sink.pull()))
        container.mux(stream.encode(None))
    return path


def color(source, target, colorizer, *, deinterlace=False, codec="h264", steady=False):
    options = FilmOptions(encoding=Encoding(codec, 1 if codec == "h264" else None), steady=steady)
    list(colorize_film(read_film(source, deinterlace), target, colorizer, options))
    return target


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("codec, suffix", [("h264", ".mp4"), ("h264", ".mkv"), ("prores", ".mov"), ("ffv1", ".mkv")])
def test_fields_stay_fields(photographs, loud, tmp_path, order, codec, suffix):
    source = write_interlaced(tmp_path / "old.mpg", photographs, order)
    target = color(source, tmp_path / f"new{suffix}", loud, codec=codec)
    with av.open(str(target)) as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].codec_context.field_order == ORDERS[order][1]
    assert len(frames) == COUNT and all(frame.interlaced_frame for frame in frames)
    assert [float(frame.pts * frame.time_base) for frame in frames] == pytest.approx(
        [float(frames[0].pts * frames[0].time_base) + number / 25 for number in range(COUNT)], abs=0.001
    )


def test_each_field_has_the_colors_of_its_own_time(photographs, loud, tmp_path):
    """As if each had been a picture: no comb of color where something moves."""
    source = write_interlaced(tmp_path / "old.mpg", photographs, "tff")
    target = color(source, tmp_path / "new.mp4", loud)
    pairs = zip(read_frames(read_film(source)), read_frames(read_film(target)), strict=True)
    for old, new in list(pairs)[2:6]:
        for row in (0, 1):
            right = loud.colorize(np.repeat(old.pixels[row::2], 2, axis=0))[::2]
            away = np.abs(new.pixels[row::2].astype(int) - right).mean()
            other = np.abs(new.pixels[1 - row :: 2].astype(int) - right).mean()
            assert away < 8 and away < other / 2


def test_fields_are_held_together_in_the_order_they_were_taken(photographs, loud, tmp_path, monkeypatch):
    seen, small = [], loud.small_luminance

    def watched(pixels):
        seen.append(pixels)
        return small(pixels)

    monkeypatch.setattr(loud, "small_luminance", watched)
    source = write_interlaced(tmp_path / "old.mpg", photographs, "bff")
    color(source, tmp_path / "new.mp4", loud, steady=True)
    assert len(seen) == 2 * COUNT
    for number, pixels in enumerate(seen[:8]):
        truth = view(photographs, number).astype(int)
        others = [np.abs(pixels - view(photographs, other).astype(int)).mean() for other in range(8)]
        assert np.argmin(others) == number and np.abs(pixels - truth).mean() < 16


def test_deinterlace_makes_whole_pictures(photographs, loud, tmp_path):
    source = write_interlaced(tmp_path / "old.mpg", photographs, "tff")
    target = color(source, tmp_path / "new.mp4", loud, deinterlace=True, steady=True)
    with av.open(str(target)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == COUNT and not any(frame.interlaced_frame for frame in frames)
    assert float((frames[-1].pts - frames[0].pts) * frames[0].time_base) == pytest.approx((COUNT - 1) / 25, abs=0.001)
    for number in range(2, 8):
        luma = frames[number].to_ndarray(format="gray").astype(int)
        away = [np.abs(luma - view(photographs, at)).mean() for at in (2 * number, 2 * number + 1)]
        assert away[0] < 12 and away[0] < away[1] / 2  # the first field, whole


def test_a_codec_without_fields_is_refused(photographs, loud, tmp_path):
    source = write_interlaced(tmp_path / "old.mpg", photographs, "tff")
    with pytest.raises(InputError, match="interlaced, which h265 can't be written as: choose another --codec"):
        color(source, tmp_path / "new.mkv", loud, codec="h265")
    result = CliRunner().invoke(
        cli.main,
        ["video", str(source), str(tmp_path / "new.mkv"), "--codec", "h265", "--deinterlace", "--working-size", "64"],
    )
    assert result.exit_code == 0, result.output


def test_whole_pictures_are_never_split(photographs, tmp_path):
    """Progressive films, with and without --deinterlace."""
    path = tmp_path / "old.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        frame = av.VideoFrame.from_ndarray(view(photographs, 0), format="gray").reformat(format="yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    whole = next(read_frames(read_film(path))).pixels
    assert read_film(path).fields == ""
    assert np.array_equal(next(read_frames(read_film(path, deinterlace=True))).pixels, whole)


def write_mixed(folder, photographs, parts):
    """A broadcast of several parts, some whole and some interlaced: (order, pictures) of each."""
    with av.open(str(folder / "old.ts"), "w") as container:
        stream, later = None, 0
        for number, (order, count) in enumerate(parts):
            part = write_interlaced(folder / f"{number}.mpg", photographs, order, count=count)
            with av.open(str(part)) as source:
                stream = stream or container.add_stream_from_template(source.streams.video[0])
                packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
                start = packets[0].dts
                for packet in packets:
                    packet.pts, packet.dts = packet.pts - start + later, packet.dts - start + later
                    packet.stream = stream
                    container.mux(packet)
                later += count * 3600
    return folder / "old.ts"


def marks_of(path):
    """By picture: t or b for the field that ffmpeg says is first, or nothing."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return "".join(field_order([frame]).replace("tt", "t").replace("bb", "b") or "-" for frame in frames)


@pytest.mark.parametrize("codec", ["h264", "ffv1"])
@pytest.mark.parametrize("parts", [[("prog", LATE), ("tff", 5)], [("bff", 5), ("prog", 5)]])
def test_each_picture_is_what_it_is_marked_as(photographs, loud, tmp_path, parts, codec):
    source = write_mixed(tmp_path, photographs, parts)
    right = "".join({"prog": "-", "tff": "t", "bff": "b"}[order] * count for order, count in parts)
    assert marks_of(source) == right
    target = color(source, tmp_path / "new.mkv", loud, codec=codec)
    assert marks_of(target) == right
    for number, (old, new) in enumerate(zip(*(read_frames(read_film(path)) for path in (source, target)), strict=True)):
        if number in (3, len(right) - 2):  # as a whole, or each field by itself
            rows = [slice(0, None, 2), slice(1, None, 2)] if right[number] != "-" else [slice(None)]
            for part in rows:
                wanted = loud.colorize(np.repeat(old.pixels[part], len(rows), axis=0))[:: len(rows)]
                assert np.abs(new.pixels[part].astype(int) - wanted).mean() < 12


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_field_coded_films_stay_fields(photographs, loud, tmp_path, order):
    """H.264 whose fields are pictures of their own (PAFF), as broadcasts have them."""
    first = 1 if order == "bff" else 0
    woven = np.empty((COUNT, HEIGHT, WIDTH), np.uint8)
    for number in range(2 * COUNT):
        row = (first + number) % 2
        woven[number // 2, row::2] = view(photographs, number)[row::2]
    source = write_field_coded(tmp_path / "old.mkv", woven, upper_first=order == "tff")
    with av.open(str(source)) as container:
        assert np.array_equal([plane_of(frame, 0) for frame in container.decode(video=0)], woven)
    target = color(source, tmp_path / "new.mp4", loud)
    assert marks_of(source) == marks_of(target) == order[0] * COUNT
    for old, new in list(zip(*(read_frames(read_film(path)) for path in (source, target)), strict=True))[2:6]:
        for row in (0, 1):
            right = loud.colorize(np.repeat(old.pixels[row::2], 2, axis=0))[::2]
            away = np.abs(new.pixels[row::2].astype(int) - right).mean()
            assert away < 12 and away < np.abs(new.pixels[1 - row :: 2].astype(int) - right).mean()


def test_fields_that_come_late_are_refused_before_the_first_frame(photographs, loud, tmp_path):
    source = write_mixed(tmp_path, photographs, [("prog", LATE), ("tff", 5)])
    with pytest.raises(InputError, match="interlaced, which h265 can't be written as"):
        color(source, tmp_path / "new.mkv", loud, codec="h265")
    assert not loud.backend.seen and not list(tmp_path.glob("*new*"))
    color(source, tmp_path / "new.mkv", loud, codec="h265", deinterlace=True)
    assert marks_of(tmp_path / "new.mkv") == (LATE + 5) * "-"


def test_the_fields_of_a_picture_are_as_alike_as_pictures(photographs, tmp_path):
    """No comb of color where something moves: chroma of the two differs no more than that of neighboring pictures."""
    source = write_interlaced(tmp_path / "old.mpg", photographs, "tff")
    target = color(source, tmp_path / "new.mp4", Colorizer(working_size=128), steady=True)
    with av.open(str(target)) as container:
        chroma = [np.stack([plane_of(frame, k).astype(int) for k in (1, 2)]) for frame in container.decode(video=0)]
    fields = [np.abs(planes[:, 0::2] - planes[:, 1::2]).mean() for planes in chroma]
    pictures = [np.abs(after[:, 0::2] - before[:, 0::2]).mean() for before, after in pairwise(chroma)]
    assert np.mean(fields) <= np.mean(pictures) and np.mean(chroma[0].std(axis=(1, 2))) > 2


def test_a_film_of_fields_that_is_shown_turned_keeps_both(photographs, loud, tmp_path):
    """Fields are rows of the stored pictures, so it is colored as it is stored."""
    plain, source = write_interlaced(tmp_path / "plain.mp4", photographs, "tff", "libx264"), tmp_path / "old.mp4"
    with av.open(str(plain)) as one, av.open(str(source), "w") as two:
        copy = two.add_stream_from_template(one.streams.video[0])
        copy.set_display_rotation(90)
        for packet in one.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                two.mux(packet)
    target = color(source, tmp_path / "new.mp4", loud)
    assert read_film(target).matrix == read_film(source).matrix != ()
    with av.open(str(target)) as container:
        assert all(frame.interlaced_frame for frame in container.decode(video=0))
    right, found = (next(read_frames(read_film(path))).pixels for path in (source, target))
    assert np.abs(loud.colorize(np.repeat(right[::2], 2, axis=0))[::2].astype(int) - found[::2]).mean() < 8
