"""`photochrom in-place`, and what starts photochrom from other programs' menus."""

import configparser
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import photochrom
from photochrom import cli

DESKTOP = Path(__file__).parents[1] / "integrations" / "open-with" / "photochrom.desktop"
SMALL = ["--working-size", "64"]


def in_place(*arguments):
    return CliRunner().invoke(cli.main, ["in-place", *map(str, arguments), *SMALL])


@pytest.fixture
def old(tmp_path, gray):
    """A black-and-white photograph, with a description."""
    path = tmp_path / "old.jpg"
    exif = Image.Exif()
    exif[0x010E] = "Grandmother's cat"
    Image.fromarray(gray).save(path, exif=exif, quality=95)
    return path


@pytest.mark.parametrize("name", ["old.jpg", "old.tif", "old.png"])
def test_a_file_becomes_its_color_version(tmp_path, gray, name):
    path, beside = tmp_path / name, tmp_path / f"new{Path(name).suffix}"
    Image.fromarray(gray.astype(np.uint16) * 257 if name != "old.jpg" else gray).save(path)
    made = CliRunner().invoke(cli.main, ["colorize", str(path), "-o", str(beside), "--strength", "1.5", *SMALL])
    assert made.exit_code == 0, made.output
    result = in_place(path, "--strength", 1.5)
    assert (result.exit_code, result.output) == (0, "")
    assert path.read_bytes() == beside.read_bytes()
    assert sorted(tmp_path.iterdir()) == sorted([path, beside])


def test_metadata_and_the_mark(old):
    assert in_place(old).exit_code == 0
    with Image.open(old) as made:
        assert made.getexif()[0x010E] == "Grandmother's cat"
    told = CliRunner().invoke(cli.main, ["info", str(old)]).output
    assert "made by:" in told and "unchanged" in told


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_stay(old):
    old.chmod(0o600)
    assert in_place(old).exit_code == 0 and stat.S_IMODE(old.stat().st_mode) == 0o600
    new = old.with_name("new.jpg")
    for look in ((), ("--strength", "2")):
        made = CliRunner().invoke(cli.main, ["colorize", str(old), "-o", str(new), "--recolor", *look, *SMALL])
        assert made.exit_code == 0, made.output
        if look:
            assert stat.S_IMODE(new.stat().st_mode) == 0o640
        new.chmod(0o640)


def test_what_is_in_color_is_left(old):
    assert in_place(old, "--strength", 3).exit_code == 0
    colored = old.read_bytes()
    again = in_place(old)
    assert again.exit_code == 2 and "is in color already" in again.output and old.read_bytes() == colored
    assert in_place(old, "--recolor", "--seed", 4).exit_code == 0 and old.read_bytes() != colored


@pytest.mark.parametrize(
    "name, content, told",
    [
        ("gone.jpg", None, "no such file"),
        ("empty.jpg", b"", "is empty"),
        ("cut.jpg", "half", "cut.jpg"),
        ("old.gif", "whole", "photochrom writes no .gif"),
        ("old", "whole", "photochrom writes no files without a suffix"),
        ("old.tif", "whole", "in spite of its name, it is in another format (jpeg)"),
    ],
)
def test_what_fails_stays_as_it_was(old, tmp_path, name, content, told):
    folder = tmp_path / "album"
    folder.mkdir()
    whole = old.read_bytes()
    kept = {"half": whole[: len(whole) // 2], "whole": whole}.get(content, content)
    path = folder / name
    if kept is not None:
        path.write_bytes(kept)
    result = in_place(path)
    assert result.exit_code == 2 and told in result.output and len(result.output.splitlines()) == 1
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == ({} if kept is None else {name: kept})


def test_some_of_many(old, tmp_path):
    other = shutil.copy(old, tmp_path / "other.jpg")
    result = in_place(old, tmp_path / "gone.jpg", other)
    assert result.exit_code == 1 and len(result.output.splitlines()) == 1
    assert old.read_bytes() == other.read_bytes() and photochrom.read_photograph(old).pixels.ndim == 3


def test_a_folder_is_no_file(tmp_path):
    folder = tmp_path / "album.jpg"
    folder.mkdir()
    result = in_place(folder)
    assert result.exit_code == 2 and "is a folder, not a photograph" in result.output


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_stays_a_link(old, tmp_path):
    link = tmp_path / "link.jpg"
    link.symlink_to(old)
    before = old.read_bytes()
    assert in_place(link).exit_code == 0
    assert link.is_symlink() and old.read_bytes() != before


def test_a_full_disk_loses_nothing(old, monkeypatch):
    before = old.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    result = in_place(old)
    assert result.exit_code == 2 and "no space left" in result.output
    assert old.read_bytes() == before and list(old.parent.iterdir()) == [old]


def test_the_program_for_other_programs(old, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["photochrom-in-place", str(old.with_name("gone.jpg"))])
    with pytest.raises(SystemExit) as end:
        cli.external_editor()
    assert end.value.code == 2 and "cannot read" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not DESKTOP.exists() or os.name != "posix", reason="for desktops of Linux")
def test_the_desktop_file(old, tmp_path):
    """What its Exec line means by the desktop entry specification colors a photograph with an odd name."""
    entry = configparser.ConfigParser(interpolation=None)
    entry.optionxform = str  # type: ignore[assignment,method-assign]
    entry.read(DESKTOP)
    content = entry["Desktop Entry"]
    assert {"Type", "Name", "Exec", "MimeType"} <= set(content) and content["MimeType"].endswith(";")
    line = content["Exec"].replace("\\\\", "\\")  # of the file's format; the quoting is that of Exec
    words = [
        re.sub(r"\\(.)", r"\1", quoted) or plain for quoted, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    ]
    assert words.pop() == "%F"
    odd = old.rename(tmp_path / 'it\'s a $(date) "photograph".jpg')
    environment = with_command(tmp_path)
    done = subprocess.run([*words, odd], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert odd.with_name(odd.stem + "-color.jpg").exists()
    failed = subprocess.run([*words, old], env=environment, input="\n", capture_output=True, text=True, check=False)
    assert failed.stderr.startswith("photochrom: ") and "old.jpg does not exist" in failed.stderr


@pytest.mark.slow
@pytest.mark.skipif(not DESKTOP.exists() or os.name != "posix", reason="for shells of Linux and macOS")
def test_the_script_for_digikam(old, tmp_path):
    """As digiKam runs it: with names in quotes, for an output that may be there already."""
    (script,) = re.findall(r"```text\n(.*)\n```", (DESKTOP.parents[2] / "docs" / "open-with.md").read_text())
    odd, new = old.rename(tmp_path / "it's old.jpg"), tmp_path / ".digikam-batch-1.jpg"
    new.write_bytes(b"")
    line = script.replace("$INPUT", f'"{odd}"').replace("$OUTPUT", f'"{new}"')
    environment = with_command(tmp_path)
    done = subprocess.run(["/bin/sh", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert photochrom.read_photograph(new).pixels.ndim == 3
    odd.unlink()
    failed = subprocess.run(["/bin/sh", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert failed.returncode == 2


def with_command(folder: Path) -> dict[str, str]:
    """An environment in which the command photochrom is this one, whatever is installed."""
    commands = folder / "bin"
    commands.mkdir()
    source = shlex.quote(str(Path(photochrom.__file__).parents[1]))
    program = commands / "photochrom"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={source} exec {shlex.quote(sys.executable)} -m photochrom "$@"\n')
    program.chmod(0o755)
    return os.environ | {"PATH": f"{commands}:{os.environ['PATH']}"}
