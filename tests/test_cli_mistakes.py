"""Mistakes at the command line: each is one line that says what to do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_albums import files_in, run


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n"])
def test_one_bad_file_is_one_line_and_status_2(tmp_path, content):
    (tmp_path / "old.jpg").write_bytes(content)
    result = run("colorize", tmp_path / "old.jpg")
    assert result.exit_code == 2 and result.output.count("\n") == 1 and "old.jpg" in result.output
    assert files_in(tmp_path) == {"old.jpg"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["none.jpg"], "does not exist"),
        (["{album}/cat.jpg", "-o", "{album}/cat.jpg"], "overwrite"),
        (["{album}/cat.jpg", "-o", "{album}/cat.xyz"], ".jpg, .png"),
        (["{album}/cat.jpg", "--hint", "5,5,red"], "#rrggbb"),
        (["{album}/cat.jpg", "--hint", "5000,5,#ff0000"], "outside"),
        (["{album}/cat.jpg", "--hints", "none.json"], "none.json"),
        (["{album}/cat.jpg", "--model", "nonesuch"], "default"),
        (["{album}/cat.jpg", "--model", ""], "the model's name is empty"),
        (["{album}/cat.jpg", "--strength", "-3"], "0<=x<=10"),
        (["{album}/cat.jpg", "--seed", "9" * 4300], "0<=x<=9007199254740991"),
        (["{album}/empty"], "no photographs"),
    ],
)
def test_mistakes(album, arguments, message):
    (album / "empty").mkdir()
    before = files_in(album)
    result = run("colorize", *[a.format(album=album) for a in arguments])
    assert result.exit_code == 2 and message in result.output and "Traceback" not in result.output
    assert files_in(album) == before


def test_output_that_cannot_be_written(album, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = run("colorize", album / "cat.jpg", "-o", tmp_path / "file" / "out.jpg")
    assert result.exit_code == 2 and "cannot" in result.output
    assert (tmp_path / "file").read_text() == "in the way"
    assert files_in(album) == {"cat.jpg", "cup.png", "notes.txt", "sub/astronaut.tif"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["{photographs}", "--out", "{out}", "--preset", "nope"], "default, pix2pix"),
        (["{photographs}", "--out", "{out}", "--set", "nonsense=1"], "nonsense"),
        (["{photographs}", "--out", "{out}", "--steps", "9", "--minutes", "9"], "give one of them"),
        (["{photographs}", "--out", "{out}", "--set", "minutes=-1"], "at least 0"),
        (["--out", "{out}"], "photographs to train on"),
        (["{photographs}", "--out", "{out}", "--resume"], "nothing was saved"),
    ],
)
def test_train_mistakes(training_folder, tmp_path, arguments, message):
    pytest.importorskip("torch")
    result = run("train", *[a.format(photographs=training_folder, out=tmp_path / "run") for a in arguments])
    assert result.exit_code == 2 and message in result.output and "Traceback" not in result.output


@pytest.mark.parametrize("words", [["{long}"], ["{album}/cat.jpg", "-o", "{long}.png"]])
def test_names_that_the_system_refuses_are_one_line(album, words):
    result = run("colorize", *(word.format(album=album, long="x" * 300) for word in words))
    assert result.exit_code == 2 and len(result.output.splitlines()) == 1 and "name too long" in result.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.slow
def test_standard_output_on_a_full_disk_is_one_line(cat):
    with open("/dev/full", "wb") as full:
        words = [sys.executable, "-m", "photochrom", "colorize", "-"]
        result = subprocess.run(words, input=cat, stdout=full, stderr=subprocess.PIPE)
    assert (
        result.returncode == 2
        and result.stderr.decode().strip() == "photochrom: standard output: no space left on device"
    )


@pytest.mark.parametrize(
    "words, message",
    [
        (["colorize", ""], "the name is empty"),
        (["colorize", "{album}/cat.jpg", "-o", ""], "the name is empty"),
        (["archive", "", "new"], "the name is empty"),
        (["colorize", "{album}/cat.jpg", "--max-pixels", "nan"], "not a finite number"),
        (["colorize", "{album}/cat.jpg", "--max-pixels", "inf"], "in the range|not a finite number"),
        (["serve", "--max-body", "nan"], "not a finite number"),
        (["serve", "--token", "t\u00f6k\u00e9n"], "ASCII"),
        (["colorize", "{album}/cat.jpg", "-o", "{album}/x.png", "--format", "webp"], "not the name of a WebP file"),
    ],
)
def test_values_that_mean_nothing_are_refused(album, words, message):
    result = run(*(word.format(album=album) for word in words))
    assert result.exit_code == 2 and re.search(message, result.output), result.output
    assert "Traceback" not in result.output


def test_one_name_that_is_too_long_stops_no_album(album):
    (album / ("n" * 250 + ".jpg")).write_bytes((album / "cat.jpg").read_bytes())
    result = run("colorize", album, "--working-size", 64)
    assert result.exit_code == 1 and "name too long" in result.output and (album / "cat-color.jpg").exists()


def test_a_folder_under_the_outputs_name_is_no_output(album, tmp_path):
    (tmp_path / "out" / "cat.jpg").mkdir(parents=True)
    result = run("colorize", album / "cat.jpg", "-o", tmp_path / "out")
    assert result.exit_code == 2 and "is a directory" in result.output


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
@pytest.mark.slow
def test_closed_standard_streams_are_one_line(closed, cat, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(cat)
    line = f"{sys.executable} -m photochrom colorize - {'<cat.jpg' if closed == '>&-' else ''} {closed}"
    result = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.strip() == "photochrom: standard input or standard output is closed"


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["cat.jpg", "cup.png", "-o", "-"], "hold one photograph"),
        (["-", "cup.png"], "hold one photograph"),
        (["sub", "-o", "-"], "sub is a folder, not a photograph"),
        (["-", "-o", "new.jpg"], "leave out -o, or write - > new.jpg"),
        (["cat.jpg", "-o", "-", "--variants", "2"], "standard output holds one picture"),
        (["cat.jpg", "cup.png", "-o", "both.jpg"], "both.jpg is the name of one photograph, but there are 2 inputs"),
        (["sub", "-o", "both.JPG"], "both.JPG is the name of one photograph, but sub is a folder"),
        (["cat.jpg", "-o", "new.jpg", "--format", "png"], "new.jpg is not the name of a PNG file: leave out --format"),
        (["cat.jpg", "cup.png", "-o", "new.jpg", "--format", "png"], "new.jpg is the name of one photograph"),
    ],
)
def test_outputs_that_can_not_be_meant(album, monkeypatch, arguments, said):
    monkeypatch.chdir(album)
    before = files_in(album)
    result = run("colorize", *arguments, stdin=b"")
    assert result.exit_code == 2 and said in result.output and result.output.count("\n") == 1
    assert files_in(album) == before


def test_an_unforeseen_error_at_standard_input_is_one_line(cat, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("odd")

    monkeypatch.setattr("photochrom.coloring.color", fail)
    result = run("colorize", "-", stdin=cat)
    assert result.exit_code == 2
    assert (
        result.stderr
        == "photochrom: standard input can't be colored because of a fault of this program (odd): please report it\n"
    )


def test_a_missing_extra_is_named_before_anything_is_looked_through(album, monkeypatch):
    (album / "notes.txt").write_text("not a photograph")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("evaluate", album)
    assert result.exit_code == 2
    assert result.stderr == (
        "photochrom: photochrom evaluate needs an extra that is not installed: pip install 'photochrom[evaluate]'\n"
    )
