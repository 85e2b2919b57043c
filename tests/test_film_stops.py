"""Films whose run was stopped go on, and films that are there already are skipped, colored again or left."""

import subprocess
import sys
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from small_films import HEIGHT, SMALL, WIDTH, color, frames_of, read_all, run, small_frames, write_film

from photochrom import cli
from photochrom.coloring import Look
from photochrom.disk import unfinished
from photochrom.errors import OutputError
from photochrom.photo.hints import Hint
from photochrom.video import assembly, colorize
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.encoding import Encoding
from photochrom.video.film import read_film
from photochrom.video.tracking import FilmHint

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("count", "shape", "size"),
    [
        pytest.param(40, (48, 64), 64, id="small"),
        pytest.param(110, (HEIGHT, WIDTH), 256, marks=pytest.mark.nightly, id="full size"),
    ],
)
def test_a_killed_run_goes_on_and_ends_the_same(count, shape, size, photographs, tmp_path, monkeypatch):
    pictures = [picture[: shape[0], : shape[1]] for picture in frames_of(photographs, count=count, cut=count - 10)]
    source = write_film(tmp_path / "long.mp4", pictures, sound=False)
    # x264 never encodes twice the same
    arguments = [str(source), "--codec", "ffv1", "--working-size", str(size)]
    code = (
        f"import sys; from photochrom.video import colorize; colorize.SEGMENT_FRAMES = {count // 5};"
        "from photochrom.cli import main; main(sys.argv[1:])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, "video", *arguments, str(tmp_path / "stopped.mkv")])
    parts, ends = tmp_path / ".stopped.mkv.parts", time.monotonic() + 600
    while len(list(parts.glob("[0-9]*.json"))) < 2:
        assert time.monotonic() < ends and process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*.segment")}
    assert 2 <= len(kept) < 6 and not (tmp_path / "stopped.mkv").exists()
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", count // 5)
    whole, assemble = run(*arguments, tmp_path / "whole.mkv"), colorize.assemble

    def assemble_kept(film, segments, *rest):
        assert [(each.path, each.path.stat().st_mtime_ns) for each in segments[:2]] == sorted(kept.items())[:2]
        assemble(film, segments, *rest)

    monkeypatch.setattr(colorize, "assemble", assemble_kept)
    result = run(*arguments, tmp_path / "stopped.mkv")
    assert (whole.exit_code, result.exit_code) == (0, 0), result.output
    assert not parts.exists()
    one, other = read_all(tmp_path / "whole.mkv"), read_all(tmp_path / "stopped.mkv")
    assert len(one) == len(other) == count and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def stopped_run(film, target, colorizer, frames=1, **options):
    """Color some frames in segments of one, and stop."""
    progress = colorize_film(read_film(film), target, colorizer, FilmOptions(**options))
    for _ in range(frames):
        done = next(progress).done
    progress.close()
    assert target.with_name(f".{target.name}.parts").exists()
    return done


def test_other_settings_begin_anew(film, loud, tmp_path):
    stopped_run(film, tmp_path / "new.mp4", loud)
    assert color(film, tmp_path / "new.mp4", loud, look=Look(0.0))[-1].done == 30
    assert np.ptp(read_all(tmp_path / "new.mp4")[0].astype(int), axis=2).mean() < 3


@pytest.mark.parametrize("what", ["nothing", "model", "working size", "hints", "version", "encoder", "source"])
def test_what_decides_the_output_begins_anew(what, photographs, loud, tmp_path, monkeypatch):
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", 2)
    source = write_film(tmp_path / "old.mp4", [p[:48, :64] for p in frames_of(photographs, 5)], sound=False)
    stopped_run(source, tmp_path / "new.mp4", loud, frames=3)
    options = {}
    if what == "model":  # known by its content, not by its name
        loud.backend.info = replace(loud.backend.info, digest="another")
    elif what == "working size":
        loud.working_size = 64
    elif what == "hints":
        options = {"hints": (FilmHint(0, Hint(20, 20, "#ff0000")),)}
    elif what == "version":
        monkeypatch.setattr(colorize.photochrom, "__version__", "99")
    elif what == "encoder":
        monkeypatch.setattr(colorize.av, "__version__", "99")
    elif what == "source":
        source.touch()
    assert stopped_run(source, tmp_path / "new.mp4", loud, **options) == (3 if what == "nothing" else 1)


def test_a_record_that_was_never_finished_costs_nothing(photographs, loud, tmp_path, monkeypatch):
    """A run that is killed while it writes a record leaves a hidden file; what is finished still counts."""
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", 2)
    source = write_film(tmp_path / "old.mp4", [p[:48, :64] for p in frames_of(photographs, 7)], sound=False)
    stopped_run(source, tmp_path / "new.mp4", loud, frames=5)
    unfinished(tmp_path / ".new.mp4.parts" / "000002.json").write_bytes(b"")
    assert stopped_run(source, tmp_path / "new.mp4", loud) == 5


@pytest.mark.parametrize("name", ["plan", "000001.json", "000001.npz"])
@pytest.mark.parametrize("content", [b"", b"\xe9", b"[1]"])
def test_damaged_notes_are_done_again(name, content, photographs, loud, tmp_path, monkeypatch):
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", 2)
    source = write_film(tmp_path / "old.mp4", [p[:48, :64] for p in frames_of(photographs, 7)], sound=False)
    stopped_run(source, tmp_path / "new.mp4", loud, frames=6, encoding=Encoding(crf=8))
    (tmp_path / ".new.mp4.parts" / name).write_bytes(content)
    first = color(source, tmp_path / "new.mp4", loud)[0].done
    assert first == (1 if name == "plan" else 3) and len(read_all(tmp_path / "new.mp4")) == 7


def test_a_film_is_not_written_over_itself_or_another(film, tmp_path):
    assert run(film, film, "--overwrite").exit_code == 2
    (tmp_path / "there.mp4").write_bytes(b"x")
    told = run(film, tmp_path / "there.mp4")
    assert told.exit_code == 1 and "doesn't say how it was made" in told.output and "--overwrite" in told.output
    assert (tmp_path / "there.mp4").read_bytes() == b"x"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_other_settings_color_a_film_again_that_nobody_has_changed(suffix, film, tmp_path):
    target = tmp_path / f"new{suffix}"
    options = (film, target, "--working-size", "32", "--to", "0.4")
    assert run(*options).exit_code == 0
    first = target.read_bytes()
    again = run(*options)
    assert again.exit_code == 0 and "skipped" in again.output and target.read_bytes() == first
    assert run(*options, "--crf", "16").exit_code == 0 and target.read_bytes() == first  # the default, by its number
    for change in (("--strength", "0.5"), ("--crf", "30"), ("--flicker",)):
        before = target.read_bytes()
        assert run(*options, *change).exit_code == 0 and target.read_bytes() != before
    assert "since then:" in info(target) and "unchanged" in info(target)
    changed = target.read_bytes().replace(b"A cup and", b"My cup &.", 1)  # its title
    target.write_bytes(changed)
    assert "another program has written to the file" in info(target)
    told = run(*options)
    assert told.exit_code == 1 and "changed since" in told.output and target.read_bytes() == changed
    assert run(*options, "--no-mark", "--overwrite").exit_code == 0
    kept = run(*options, "--no-mark", "--strength", "2")
    assert kept.exit_code == 0 and "skipped" in kept.output


def info(path):
    return CliRunner().invoke(cli.main, ["info", str(path)]).output


def test_the_digest_in_a_matroska_film_fits_its_checksum(film, tmp_path):
    target = tmp_path / "new.mkv"
    assert run(film, target, *SMALL).exit_code == 0
    content = target.read_bytes()
    tags = content.rindex(b"\x12\x54\xc3\x67")  # the element's name, then its length in two bytes (RFC 9559)
    length = int.from_bytes(content[tags + 4 : tags + 6], "big") & 0x3FFF
    element = content[tags + 6 : tags + 6 + length]
    assert b"film SHA-256" in element and element[:2] == b"\xbf\x84"  # it begins with a CRC-32 of the rest
    assert element[2:6] == zlib.crc32(element[6:]).to_bytes(4, "little")


# Films that are put together


def test_a_film_stopped_while_it_is_put_together_goes_on_there(photographs, loud, tmp_path, monkeypatch):
    source = write_film(tmp_path / "old.mp4", small_frames(photographs, 24))
    assemble = colorize.assemble

    def stopped(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(colorize, "assemble", stopped)
    with pytest.raises(OutputError, match="no space"):
        color(source, tmp_path / "new.mp4", loud)
    monkeypatch.setattr(colorize, "assemble", assemble)
    predicted = len(loud.backend.seen)
    assert color(source, tmp_path / "new.mp4", loud) == []
    assert len(loud.backend.seen) == predicted and len(read_all(tmp_path / "new.mp4")) == 24


def test_a_full_disk_at_the_end_costs_nothing(photographs, loud, tmp_path, monkeypatch):
    """No file may become as large as the output; the segments are smaller."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", 4)
    source = write_film(tmp_path / "old.mp4", small_frames(photographs, 24))
    color(source, tmp_path / "whole.mp4", loud, steady=False)
    limit, before = (tmp_path / "whole.mp4").stat().st_size * 3 // 4, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*new\.mp4: file too large"):
            color(source, tmp_path / "new.mp4", loud, steady=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "new.mp4").exists() and not list(tmp_path.glob(".photochrom-*"))
    predicted = len(loud.backend.seen)
    assert color(source, tmp_path / "new.mp4", loud, steady=False) == []
    assert len(loud.backend.seen) == predicted and len(read_all(tmp_path / "new.mp4")) == 24


def test_an_error_of_the_output_never_blames_the_source(photographs, loud, tmp_path, monkeypatch):
    source = write_film(tmp_path / "old.mp4", small_frames(photographs, 4))

    def refused(*_):
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr(assembly, "_video_packets", refused)
    with pytest.raises(OutputError, match=r"cannot write .*new\.mp4"):
        color(source, tmp_path / "new.mp4", loud)
