"""The command line: every command, and every mistake in one line."""

import io
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import photochrom
from photochrom import cli
from photochrom.photo.decoding import read_photograph
from photochrom.settings import FORMATS, MAX_PIXELS, QUALITY, STRENGTH

README = Path(__file__).parents[1] / "README.md"


def run(*arguments, stdin=None):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments], input=stdin)


@pytest.fixture
def album(tmp_path, photographs) -> Path:
    """A folder with photographs in three formats, one below another folder, and one that is damaged."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(photographs["chelsea"]).convert("L").save(folder / "cat.jpg")
    Image.fromarray(photographs["coffee"]).convert("L").save(folder / "cup.png")
    Image.fromarray(photographs["astronaut"]).convert("L").resize((128, 128)).save(folder / "sub" / "astronaut.tif")
    (folder / "notes.txt").write_text("not a photograph")
    return folder


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux does")
def test_matrices_are_multiplied_by_one_thread():
    """NumPy's library starts its threads when it is imported: by then the command line has said that one is enough."""
    code = (
        "import os, photochrom.cli as cli; cli.main(['models'], standalone_mode=False); "
        "import numpy; print(len(os.listdir('/proc/self/task')))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert output.stdout.splitlines()[-1] == "1"


def files_in(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_colorize_beside_the_input(album):
    result = run("colorize", album / "cat.jpg")
    assert result.exit_code == 0 and result.output == ""  # silent in a pipe
    colored = read_photograph(album / "cat-color.jpg")
    assert colored.format == "jpeg" and colored.pixels.shape == (300, 451, 3)
    assert colored.pixels.std(axis=2).mean() > 3


def test_colorize_a_folder_keeps_its_structure(album, tmp_path):
    result = run("colorize", album, "-o", tmp_path / "color", "--jobs", 2)
    assert result.exit_code == 0
    assert files_in(tmp_path / "color") == {"cat.jpg", "cup.png", "sub/astronaut.tif"}


@pytest.mark.slow
def test_second_run_skips_what_exists_and_colors_nothing_twice(album):
    assert run("colorize", album).exit_code == 0
    first = {name: (album / name).stat().st_mtime_ns for name in files_in(album)}
    assert {"cat-color.jpg", "cup-color.png", "sub/astronaut-color.tif"} <= set(first)
    again = run("colorize", album)
    assert again.exit_code == 0 and "3 skipped" in again.output
    assert {name: (album / name).stat().st_mtime_ns for name in files_in(album)} == first
    run("colorize", album, "--overwrite")
    assert (album / "cat-color.jpg").stat().st_mtime_ns > first["cat-color.jpg"]


def test_output_folder_inside_the_input_folder(album):
    for _ in range(2):
        assert run("colorize", album, "-o", album / "color").exit_code == 0
    assert files_in(album / "color") == {"cat.jpg", "cup.png", "sub/astronaut.tif"}


def test_a_failed_file_does_not_stop_the_rest(album, tmp_path):
    (album / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    result = run("colorize", album, "-o", tmp_path / "color")
    assert result.exit_code == 1
    assert "broken.jpg is damaged" in result.output and "3 colored" in result.output and "1 failed" in result.output
    assert files_in(tmp_path / "color") == {"cat.jpg", "cup.png", "sub/astronaut.tif"}


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


def test_variants_are_numbered_and_differ(album, tmp_path):
    assert run("colorize", album / "cat.jpg", "-o", tmp_path / "v" / "cat.png", "--variants", 3).exit_code == 0
    assert files_in(tmp_path / "v") == {"cat-1.png", "cat-2.png", "cat-3.png"}
    pictures = [read_photograph(tmp_path / "v" / f"cat-{n}.png").pixels.astype(int) for n in (1, 2, 3)]
    assert np.abs(pictures[0] - pictures[1]).mean() > 0.5 and np.abs(pictures[1] - pictures[2]).mean() > 0.5


def test_format_and_quality(album, tmp_path):
    for quality in (30, 95):
        result = run(
            "colorize", album / "cup.png", "-o", tmp_path / f"q{quality}", "--format", "jpeg", "--quality", quality
        )
        assert result.exit_code == 0
    small, large = (tmp_path / f"q{q}" / "cup.jpg" for q in (30, 95))
    assert small.stat().st_size < large.stat().st_size


def test_hints_from_options_and_file(album, tmp_path):
    (tmp_path / "hints.json").write_text(
        json.dumps({"size": [902, 600], "hints": [{"x": 400, "y": 300, "color": "#2060c0"}]})
    )
    run("colorize", album / "cat.jpg", "-o", tmp_path / "file.png", "--hints", tmp_path / "hints.json")
    run("colorize", album / "cat.jpg", "-o", tmp_path / "option.png", "--hint", "200,150,#2060c0")
    run("colorize", album / "cat.jpg", "-o", tmp_path / "plain.png")
    file, option, plain = (read_photograph(tmp_path / f"{n}.png").pixels for n in ("file", "option", "plain"))
    assert np.array_equal(file, option) and not np.array_equal(file, plain)


def test_standard_input_to_standard_output(album):
    done = subprocess.run(
        [sys.executable, "-m", "photochrom", "colorize", "-"],
        input=(album / "cat.jpg").read_bytes(),
        capture_output=True,
        check=True,
    )
    picture = Image.open(io.BytesIO(done.stdout))
    assert picture.format == "JPEG" and picture.size == (451, 300) and picture.mode == "RGB"
    broken = subprocess.run([sys.executable, "-m", "photochrom", "colorize", "-"], input=b"x", capture_output=True)
    assert broken.returncode == 2 and broken.stdout == b"" and b"Traceback" not in broken.stderr


def test_16_bit_tiff_stays_16_bit(tmp_path, photographs):
    import tifffile

    gray = (photographs["astronaut"][..., 1].astype(np.uint16) << 8) + np.arange(512, dtype=np.uint16) % 251
    tifffile.imwrite(tmp_path / "deep.tif", gray)
    assert run("colorize", tmp_path / "deep.tif").exit_code == 0
    colored = tifffile.imread(tmp_path / "deep-color.tif")
    assert colored.dtype == np.uint16 and colored.shape == (512, 512, 3)
    assert len(np.unique(colored & 0xFF)) > 200  # no 8-bit step in between


def test_python_in_two_lines(album):
    photochrom.colorize(album / "cat.jpg").save(album / "new.jpg")
    run("colorize", album / "cat.jpg")
    assert (album / "new.jpg").read_bytes() == (album / "cat-color.jpg").read_bytes()


def test_help_answers_at_once():
    """CPU time, not time by the clock: another program's load is not ours. Without coverage, which takes time too."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    seconds = []
    for _ in range(5):
        began = cpu_seconds_of_children()
        subprocess.run([sys.executable, "-m", "photochrom", "--help"], check=True, capture_output=True, env=environment)
        seconds.append(cpu_seconds_of_children() - began)
    assert min(seconds) < 0.3


def cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_imports_nothing_heavy():
    code = "import sys, photochrom.cli; sys.exit(bool({'numpy', 'onnxruntime', 'pyvips', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("command", sorted(cli.main.commands))
def test_every_command_has_help_and_stands_in_the_readme(command):
    result = run(command, "--help")
    assert result.exit_code == 0 and len(result.output.splitlines()) > 5
    assert all(option.help for option in cli.main.commands[command].params if isinstance(option, click.Option))
    assert f"photochrom {command}" in README.read_text()


@pytest.mark.parametrize("command", ["colorize", "archive"])
def test_defaults_and_choices_stand_in_the_settings_alone(command):
    options: dict[str | None, Any] = {option.name: option for option in cli.main.commands[command].params}
    assert tuple(options["format_name"].type.choices) == tuple(FORMATS)
    assert options["quality"].default == QUALITY.default and options["strength"].default == STRENGTH.default
    assert options["max_pixels"].default * 1e6 == MAX_PIXELS


def test_models():
    result = run("models")
    assert result.exit_code == 0 and "default" in result.output


@pytest.mark.slow
def test_train_and_export_from_the_command_line(training_folder, tmp_path):
    pytest.importorskip("torch")
    small = ["generator.encoder=lite0", "generator.decoder_channels=[16,16,16]", "photograph_size=64", "log_every=1"]
    changes = [part for change in small for part in ("--set", change)]
    result = run("train", training_folder, "--out", tmp_path / "run", "--steps", 2, "--batch-size", 2, *changes)
    assert result.exit_code == 0, result.output
    again = run("train", training_folder, "--out", tmp_path / "run")
    assert again.exit_code == 2 and "--resume" in again.output
    result = run("export", tmp_path / "run", tmp_path / "model.onnx")
    assert result.exit_code == 0 and "MB" in result.output, result.output
    source = next(training_folder.glob("*.jpg"))
    for model in (tmp_path / "model.onnx", tmp_path / "run"):
        result = run("colorize", source, "-o", tmp_path / f"{model.name}.png", "--model", model, "--recolor")
        assert result.exit_code == 0, result.output
    result = run("export", tmp_path / "run", tmp_path / "pipeline.onnx", "--pipeline", "--strong-gain", 1.2)
    assert result.exit_code == 0 and "at most" in result.output, result.output
    one, two = (read_photograph(tmp_path / f"{name}.png").pixels.astype(int) for name in ("model.onnx", "run"))
    assert np.abs(one - two).mean() < 0.5


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


def test_nothing_is_reported_and_nothing_left_behind(album, tmp_path):
    """ONNX Runtime would report to its maker, and keep an identifier and a session file for that."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "photochrom", "colorize", album / "cat.jpg", "-o", tmp_path / "new.jpg"]
    subprocess.run(command, check=True, env=environment)
    assert list(home.rglob("*")) == list(temporary.rglob("*")) == []


def test_doctor_tells_what_a_bug_report_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    result = run("doctor")
    assert result.exit_code == 0, result.output
    for word in (photochrom.__version__, "libvips:", "onnxruntime 1.", "extra train:", "coloring:", "works"):
        assert word in result.output
    assert "WRONG" not in result.output and str(tmp_path) not in result.output and list(tmp_path.iterdir()) == []


def test_doctor_finds_what_is_wrong(monkeypatch):
    from photochrom.errors import WeightsError
    from photochrom.inference import weights

    def damaged(name):
        raise WeightsError("the bundled model was altered")

    monkeypatch.setattr(weights, "read_bundled", damaged)
    result = run("doctor")
    assert result.exit_code == 1 and result.output.count("WRONG") == 2 and "was altered" in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    result = run("completion", shell)
    assert result.exit_code == 0 and "_PHOTOCHROM_COMPLETE" in result.output


def test_bash_completes_commands_and_choices():
    environment = {**os.environ, "_PHOTOCHROM_COMPLETE": "bash_complete"}
    command = [sys.executable, "-c", "from photochrom.cli import main; main(prog_name='photochrom')"]
    for words, expected in (("photochrom col", "colorize"), ("photochrom colorize --format p", "png")):
        environment |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        completed = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert f"plain,{expected}" in completed.stdout


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


def test_outputs_above_their_folder(album, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (album / "sub" / "astronaut.tif").rename(album / "sub" / "one.tif")
    result = run("colorize", album / "sub", "-o", ".", "--working-size", 64)
    assert result.exit_code == 0 and (tmp_path / "one.tif").exists(), result.output


def test_one_name_that_is_too_long_stops_no_album(album):
    (album / ("n" * 250 + ".jpg")).write_bytes((album / "cat.jpg").read_bytes())
    result = run("colorize", album, "--working-size", 64)
    assert result.exit_code == 1 and "name too long" in result.output and (album / "cat-color.jpg").exists()


def test_a_folder_under_the_outputs_name_is_no_output(album, tmp_path):
    (tmp_path / "out" / "cat.jpg").mkdir(parents=True)
    result = run("colorize", album / "cat.jpg", "-o", tmp_path / "out")
    assert result.exit_code == 2 and "is a directory" in result.output


@pytest.mark.slow
def test_a_pipe_as_input(cat, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = [sys.executable, "-m", "photochrom", "colorize", str(pipe), "-o", str(tmp_path / "new.png")]
    with subprocess.Popen(words) as process:
        pipe.write_bytes(cat)
        assert process.wait(60) == 0
    assert (tmp_path / "new.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
@pytest.mark.slow
def test_closed_standard_streams_are_one_line(closed, cat, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(cat)
    line = f"{sys.executable} -m photochrom colorize - {'<cat.jpg' if closed == '>&-' else ''} {closed}"
    result = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.strip() == "photochrom: standard input or standard output is closed"


def test_a_file_to_standard_output(album, tmp_path):
    result = run("colorize", album / "cat.jpg", "--format", "png", "-o", "-")
    assert result.exit_code == 0 and not (album / "cat-color.jpg").exists()
    assert run("colorize", album / "cat.jpg", "-o", tmp_path / "cat.png").exit_code == 0
    assert result.stdout_bytes == (tmp_path / "cat.png").read_bytes()
    content = (album / "cat.jpg").read_bytes()
    assert run("colorize", "-", "--format", "png", "-o", "-", stdin=content).stdout_bytes == result.stdout_bytes
    assert files_in(tmp_path) == {f"album/{name}" for name in files_in(album)} | {"cat.png"}  # none is called -


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


def test_a_folder_may_be_called_like_a_photograph(album, tmp_path):
    (tmp_path / "both.jpg").mkdir()
    result = run("colorize", album / "cat.jpg", album / "cup.png", "-o", tmp_path / "both.jpg")
    assert result.exit_code == 0 and files_in(tmp_path / "both.jpg") == {"cat.jpg", "cup.png"}


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
