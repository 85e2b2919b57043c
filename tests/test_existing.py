"""Outputs that are there already: the same settings skip them, others replace them, and changed files are left."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import photochrom
from photochrom import Colorizer, Photograph, cli
from photochrom.album import Manner, run_task
from photochrom.coloring import Request
from photochrom.existing import Fate, Made, fate
from photochrom.inference import colorizer
from photochrom.inference.weights import load_model, read_bundled
from photochrom.photo.marked import read_marked
from photochrom.planning import plan
from photochrom.settings import FORMATS

GRAY = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))


def colorize(*words, size=32):
    return CliRunner().invoke(cli.main, ["colorize", "--working-size", str(size), *map(str, words)])


@pytest.fixture(autouse=True)
def _loaded_once(monkeypatch):
    monkeypatch.setattr(colorizer, "load_model", load_once)


load_once = cache(load_model)


@pytest.fixture
def old(tmp_path) -> Path:
    """A gray photograph, in a folder of its own."""
    path = tmp_path / "old.png"
    Photograph(GRAY).save(path)
    return path


def test_the_rule():
    made = Made("source", "default", "1", {"strength": 1})
    other = replace(made, settings={"strength": 2})

    def never():
        pytest.fail("looked at a file that needs no look")

    assert fate(made, made, never) is Fate.STAYS
    assert fate(made, other, lambda: True) is Fate.REPLACED
    assert fate(made, other, lambda: False) is fate(made, other, lambda: None) is Fate.CHANGED
    assert fate(made, replace(other, source="another"), never) is Fate.OTHER
    assert fate(replace(made, source=""), made, never) is Fate.STAYS  # an array's, say
    assert fate(None, made, never) is Fate.UNKNOWN and fate(None, made, never, says=False) is Fate.UNSAID
    newer = replace(made, model_sha256="2")
    assert fate(made, newer, lambda: True) is Fate.REPLACED and fate(made, newer, never, any_model=True) is Fate.STAYS
    assert fate(replace(made, model="mine.onnx"), newer, lambda: True, any_model=True) is Fate.REPLACED


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "bmp"])
def test_other_settings_replace_what_nobody_changed(tmp_path, old, format):
    target = tmp_path / f"new{FORMATS[format].suffixes[0]}"
    first = colorize(old, "-o", target)
    if "heic" in first.output:
        pytest.skip("needs pillow-heif")
    before, date = target.read_bytes(), target.stat().st_mtime_ns
    again = colorize(old, "-o", target)
    assert again.exit_code == 0 and "1 skipped" in again.output and target.stat().st_mtime_ns == date
    assert colorize(old, "-o", target, "--strength", 0.5).exit_code == 0 and target.read_bytes() != before
    assert read_marked(target).mark.strength == 0.5
    assert colorize(old, "-o", target).exit_code == 0 and target.read_bytes() == before  # and back


@pytest.mark.parametrize(
    "options",
    [
        ("--strength", 0.5), ("--seed", 7), ("--hint", "10,10,#2244aa"), ("--hint", "10,10,#2244aa,4"),
        ("--label", "AI"), ("--working-size", 64), ("--no-mark",), ("--hints", "{tmp}/hints.json"), ("--quality", 60),
        ("--warmth", 0.5), ("--side-by-side",), ("--crop-border",), ("--crop-border", "--hint", "10,10,#2244aa"),
    ],
)  # fmt: skip
def test_every_setting_takes_effect_once(tmp_path, options):
    source = tmp_path / "old.jpg"
    Photograph(GRAY).save(source)
    stroke = {"stroke": [[2, 2], [90, 60]], "color": "#405a30", "radius": 3}
    (tmp_path / "hints.json").write_text(json.dumps({"size": [96, 80], "hints": [stroke]}))
    options = [str(option).format(tmp=tmp_path) for option in options]
    target = tmp_path / "new.jpg"
    colorize(source, "-o", target)
    before = target.read_bytes()
    assert colorize(source, "-o", target, *options).exit_code == 0
    changed = target.read_bytes()
    assert changed != before
    again = colorize(source, "-o", target, *options)
    assert "1 skipped" in again.output and target.read_bytes() == changed


def test_a_print_on_a_desk(tmp_path, photographs):
    """Its color is judged without the desk, and its hints are found again where they are on the print."""
    desk = np.full((400, 500, 3), (150, 100, 60), np.uint8)
    desk[60:340, 80:420] = photographs["astronaut"][100:380, 100:440, 1, None]
    source, target = tmp_path / "desk.png", tmp_path / "new.png"
    Photograph(desk).save(source)
    options = (source, "-o", target, "--crop-border", "--hint", "200,200,#2244aa")
    assert colorize(*options).exit_code == 0
    mark = read_marked(target).mark
    assert mark.crop.count(",") == 3 and mark.hints[0].x < 200
    assert "1 skipped" in colorize(*options).output
    assert "1 skipped" not in colorize(*options, "--hint", "220,200,#aa4422").output
    assert len(read_marked(target).mark.hints) == 2


def test_lossless_formats_have_no_quality(old):
    colorize(old)
    assert "1 skipped" in colorize(old, "--quality", 60).output


def retouch(path: Path) -> None:
    """Another program's change of the pixels, which keeps the metadata."""
    with Image.open(path) as image:
        image.load()
        image.putpixel((0, 0), (255, 0, 0))
        image.save(path, xmp=image.info["xmp"], quality=95)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_what_somebody_changed_is_left_and_named(tmp_path, old, format):
    target = tmp_path / f"new{FORMATS[format].suffixes[0]}"
    colorize(old, "-o", target)
    retouch(target)
    changed = target.read_bytes()
    assert "1 skipped" in colorize(old, "-o", target).output  # the same settings have nothing to do
    told = colorize(old, "-o", target, "--strength", 0.5)
    assert told.exit_code == 1 and f"{target} was made with other settings and changed since" in told.output
    assert "--overwrite" in told.output and len(told.output.splitlines()) == 1 and target.read_bytes() == changed
    assert colorize(old, "-o", target, "--strength", 0.5, "--overwrite").exit_code == 0
    assert read_marked(target).mark.strength == 0.5


def test_files_without_a_mark_and_of_other_photographs_are_left(tmp_path, old):
    target = tmp_path / "old-color.png"
    Photograph(GRAY).save(target)
    foreign = target.read_bytes()
    told = colorize(old)
    assert told.exit_code == 1 and "doesn't say how it was made" in told.output and target.read_bytes() == foreign
    assert colorize(old, "--overwrite").exit_code == 0
    (tmp_path / "else").mkdir()
    Photograph(GRAY[:, ::-1]).save(tmp_path / "else" / "old.png")
    told = colorize(tmp_path / "else" / "old.png", "-o", target)
    assert told.exit_code == 1 and "was made of another file" in told.output
    target.write_bytes(target.read_bytes().replace(b"Strength>1", b"Strength>x"))
    assert "doesn't say how it was made" in colorize(old, "--strength", 2).output  # a mark that can't be read


def test_only_some_variants_are_made_again(tmp_path, old):
    colorize(old, "--variants", 3)
    paths = [tmp_path / f"old-color-{number}.png" for number in (1, 2, 3)]
    paths[1].unlink()
    Photograph(GRAY).save(paths[2])
    told = colorize(old, "--variants", 3)
    assert told.exit_code == 1 and f"{paths[2]} is there" in told.output and read_marked(paths[1]).mark.seed == 1
    assert read_marked(paths[0]).mark.seed is None


def test_a_newer_default_model_replaces_nothing_but_a_named_one_does(tmp_path, old, loud):
    """`loud` stands for another version of the bundled model: as it, its name is "default"."""
    target = tmp_path / "old-color.png"
    (task,) = plan([old]).tasks
    request = Request()
    bundled = Colorizer(working_size=32)
    loud.working_size = 32
    loud.backend.info = replace(bundled.model_info, size_multiple=32, digest="0" * 64, noise_channels=4)
    assert run_task(task, bundled, request).written
    before = target.read_bytes()
    assert run_task(task, loud, request, Manner(any_model=True)).skipped and target.read_bytes() == before
    assert run_task(task, loud, request).written and target.read_bytes() != before
    (tmp_path / "mine.onnx").write_bytes(read_bundled("default"))
    assert "1 skipped" in colorize(old).output  # the command without --model
    assert colorize(old, "--model", "default").output == "" and target.read_bytes() == before
    assert "1 skipped" in colorize(old, "--model", tmp_path / "mine.onnx").output  # the same file under another name


def test_a_record_knows_what_holds_no_mark(tmp_path, old):
    target, record = tmp_path / "new.bmp", ("--record", tmp_path / "run.jsonl")
    colorize(old, "-o", target, *record)
    before = target.read_bytes()
    again = colorize(old, "-o", target, *record)
    assert again.exit_code == 0 and "1 skipped" in again.output
    assert colorize(old, "-o", target, *record, "--strength", 0.5).exit_code == 0 and target.read_bytes() != before
    told = colorize(old, "-o", target, "--strength", 2)  # without it, nothing is known
    assert told.exit_code == 0 and "can't say how they were made" in told.output and "--record" in told.output
    changed = target.read_bytes()
    target.write_bytes(changed + b"\0")
    told = colorize(old, "-o", target, *record)
    assert told.exit_code == 1 and "changed since" in told.output and target.read_bytes() == changed + b"\0"


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_records_are_read_back(tmp_path, kind):
    source = tmp_path / "new\nline.png"
    Photograph(GRAY).save(source)
    options = ("-o", tmp_path / "out", "--no-mark", "--record", tmp_path / f"r.{kind}", "--hint", "3,3,#112233")
    colorize(source, *options)
    assert "1 skipped" in colorize(source, *options).output
    assert "skipped" not in colorize(source, *options, "--seed", 3).output
    lines = (tmp_path / f"r.{kind}").read_text()
    (tmp_path / f"r.{kind}").write_text(lines + ('{"time": 1}\n' if kind == "jsonl" else "1,colored\n"))
    assert colorize(source, *options).exit_code == 2


def test_photographs_in_color_are_named_and_left(tmp_path, old, rgb):
    cup = tmp_path / "cup.jpg"
    Photograph(rgb).save(cup)
    told = colorize(cup)
    assert told.exit_code == 1 and f"{cup} is in color already" in told.output and "--recolor" in told.output
    assert not (tmp_path / "cup-color.jpg").exists()
    told = colorize(tmp_path, "-o", tmp_path / "new")
    assert told.exit_code == 0 and "cup.jpg is in color already" in told.output
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["old.png"]
    assert colorize(cup, "--recolor").output == "" and read_marked(tmp_path / "cup-color.jpg").mark
    piped = CliRunner().invoke(cli.main, ["colorize", "-"], input=cup.read_bytes())
    assert piped.exit_code == 2 and "standard input is in color already" in piped.output
    assert photochrom.colorize(cup, working_size=32).pixels.shape == rgb.shape  # Python colors what it is given


def test_a_dry_run_tells_of_hints_that_a_photograph_cannot_have(tmp_path, old):
    """Those outside, and more than 1,000 of a file and an option together."""
    (tmp_path / "hints.json").write_text(json.dumps({"hints": [{"x": 1, "y": 1, "color": "#2244aa"}] * 1000}))
    for options, words in (
        (("--hint", "5000,5,#ff0000"), f"the hint at 5000,5 is outside {old}, "),
        (("--hints", tmp_path / "hints.json", "--hint", "1,1,#ff0000"), "more than the limit of 1000"),
    ):
        dry, real = colorize(old, *options, "--dry-run"), colorize(old, *options)
        assert dry.exit_code == real.exit_code == 2 and words in dry.output and words in real.output


def test_a_dry_run_lists_and_writes_nothing(tmp_path, old, rgb):
    Photograph(rgb).save(tmp_path / "cup.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    before = sorted(tmp_path.iterdir())
    options = ("-o", tmp_path / "new", "--record", tmp_path / "run.csv")
    told = colorize(tmp_path, *options, "--dry-run")
    assert told.exit_code == 1 and f"{old} -> {tmp_path / 'new' / 'old.png'}\n" in told.stdout
    assert "cup.jpg is in color" in told.stderr and "bad.jpg is not" in told.stderr and told.stdout.count("\n") == 1
    assert "1 would be colored, 0 skipped because their outputs exist, 1 left as they are, 1 failed" in told.stderr
    assert sorted(tmp_path.iterdir()) == before
    colorize(old)
    assert colorize(old, "--dry-run").stdout == ""
    assert colorize(old, "--dry-run", "--seed", 2).stdout == f"{old} -> {tmp_path / 'old-color.png'}\n"


def test_quiet_names_only_troubles(tmp_path, old, rgb):
    (tmp_path / "notes.txt").write_text("x")
    assert colorize(tmp_path, "-o", tmp_path / "new", "--quiet").output == ""
    assert colorize(tmp_path, "-o", tmp_path / "new", "-q").output == ""  # nor what is skipped
    Photograph(rgb).save(tmp_path / "cup.jpg")
    told = colorize(tmp_path, "-o", tmp_path / "new", "-q")
    assert len(told.output.splitlines()) == 1 and "cup.jpg is in color already" in told.output


def test_what_is_left_out_is_named_once(tmp_path, old):
    for number in range(14):
        (tmp_path / f"{number:02}.txt").write_text("x")
    told = colorize(tmp_path, "-o", tmp_path / "new").output
    assert told.count("00.txt") == told.count("11.txt") == 1 and "12.txt" not in told and told.endswith(", 2 more\n")


# On a terminal


def on_a_terminal(*words: object) -> str:
    """What a command tells a terminal, without the progress bar."""
    import pty

    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "photochrom", *map(str, words)]
    process = subprocess.Popen(command, stderr=theirs)
    os.close(theirs)
    told = b""
    with suppress(OSError):  # the other end is closed
        while True:
            told += os.read(mine, 4096)
    assert process.wait() == 0, told
    os.close(mine)
    lines = re.sub(r"\x1b\[\S*?[a-zA-Z]", "", told.decode()).replace("\r", "\n").splitlines()
    return "\n".join(line for line in lines if line and not line.startswith("Coloring"))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")
def test_success_says_what_it_did(tmp_path, old):
    target = tmp_path / "old-color.png"
    assert on_a_terminal("colorize", old) == str(target)
    assert on_a_terminal("colorize", old, "--overwrite", "--quiet") == ""
    assert "1 skipped" in on_a_terminal("colorize", old)
    album = tmp_path / "album"
    album.mkdir()
    for number in range(11):
        shutil.copy(old, album / f"{number}.png")
    few = on_a_terminal("colorize", album / "1.png", album / "2.png", "-o", tmp_path / "few")
    assert few.splitlines()[:2] == [str(tmp_path / "few" / "1.png"), str(tmp_path / "few" / "2.png")]
    many = on_a_terminal("colorize", album, "-o", tmp_path / "many")
    assert many == "11 colored, 0 skipped because their outputs exist, 0 failed"
