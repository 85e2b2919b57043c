"""The command line: every command; mistakes are in test_cli_mistakes.py."""

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image
from small_albums import files_in, run

import photochrom
from photochrom import cli
from photochrom.photo.decoding import read_photograph
from photochrom.settings import FORMATS, MAX_PIXELS, QUALITY, STRENGTH

README = Path(__file__).parents[1] / "README.md"


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


def test_outputs_above_their_folder(album, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (album / "sub" / "astronaut.tif").rename(album / "sub" / "one.tif")
    result = run("colorize", album / "sub", "-o", ".", "--working-size", 64)
    assert result.exit_code == 0 and (tmp_path / "one.tif").exists(), result.output


@pytest.mark.slow
def test_a_pipe_as_input(cat, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = [sys.executable, "-m", "photochrom", "colorize", str(pipe), "-o", str(tmp_path / "new.png")]
    with subprocess.Popen(words) as process:
        pipe.write_bytes(cat)
        assert process.wait(60) == 0
    assert (tmp_path / "new.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_to_standard_output(album, tmp_path):
    result = run("colorize", album / "cat.jpg", "--format", "png", "-o", "-")
    assert result.exit_code == 0 and not (album / "cat-color.jpg").exists()
    assert run("colorize", album / "cat.jpg", "-o", tmp_path / "cat.png").exit_code == 0
    assert result.stdout_bytes == (tmp_path / "cat.png").read_bytes()
    content = (album / "cat.jpg").read_bytes()
    assert run("colorize", "-", "--format", "png", "-o", "-", stdin=content).stdout_bytes == result.stdout_bytes
    assert files_in(tmp_path) == {f"album/{name}" for name in files_in(album)} | {"cat.png"}  # none is called -


def test_a_folder_may_be_called_like_a_photograph(album, tmp_path):
    (tmp_path / "both.jpg").mkdir()
    result = run("colorize", album / "cat.jpg", album / "cup.png", "-o", tmp_path / "both.jpg")
    assert result.exit_code == 0 and files_in(tmp_path / "both.jpg") == {"cat.jpg", "cup.png"}
