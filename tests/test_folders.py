"""Folders and ZIP archives as they are found on disks: what is a photograph, and what is left out."""

import os
import re
import socket
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from small_albums import colorize, files_in, posix_only, put

from photochrom import Photograph
from photochrom.album import run
from photochrom.coloring import Request
from photochrom.evaluation.protocols import PROTOCOLS, read_truths
from photochrom.folders import FOREIGN, LINKED, NO_SUFFIX, SPECIAL, describe, list_folder
from photochrom.photo.collections import look_through
from photochrom.planning import plan

OTHERS = (  # what other programs put beside photographs
    ".hidden.jpg", "._scan.jpg", ".thumbnails/normal/x.jpg", ".dtrash/files/gone.jpg", "@eaDir/a.jpg/THUMB_XL.jpg",
    "#recycle/x.jpg", "@Recycle/x.jpg", ".@__thumb/s800a.jpg", "$RECYCLE.BIN/S-1/x.jpg", "__MACOSX/sub/x.jpg",
    "System Volume Information/x.jpg", "Catalog Previews.lrdata/x.jpg", "_photochrom/x.jpg",
)  # fmt: skip


def names_of(folder: Path) -> list[str]:
    return [entry.name for entry in list_folder(folder).photographs]


# What is a photograph


def test_other_programs_files_are_left_out_and_counted(tmp_path):
    put(tmp_path, "a.jpg", "sub/B.JPEG", *OTHERS, "notes.txt", "sub/more.TXT", "layers.psd", "README", "x.some thing")
    listing = list_folder(tmp_path)
    assert [entry.name for entry in listing.photographs] == ["a.jpg", "sub/B.JPEG"]
    assert listing.left_out == Counter({".txt": 2, ".psd": 1, NO_SUFFIX: 2, FOREIGN: len(OTHERS)})
    assert describe(listing.left_out) == (
        "5 files of kinds that are not read (2 .txt, 2 without a suffix, 1 .psd); "
        "13 files or folders, hidden or another program's"
    )
    assert describe(Counter()) == ""


def test_what_is_left_out_is_said_once_and_not_wrong(tmp_path):
    put(tmp_path / "album", "a.jpg", "notes.txt", "sub/notes.txt")
    result = colorize(tmp_path / "album", "-o", tmp_path / "new")
    assert result.exit_code == 0, result.output
    names = ", ".join(str(tmp_path / "album" / name) for name in ("notes.txt", "sub/notes.txt"))
    assert result.output == f"photochrom: left out 2 files of kinds that are not read (2 .txt): {names}\n"
    nothing = colorize(tmp_path / "album" / "sub")
    assert nothing.exit_code == 2 and "2 .txt" not in nothing.output and "1 .txt" in nothing.output


@posix_only
def test_links(tmp_path):
    """To parents and to what is listed anyway: never followed. To folders elsewhere: followed, once."""
    put(tmp_path, "album/a.jpg", "album/sub/b.jpg", "elsewhere/c.jpg")
    for link, target in (
        ("self", "."), ("sub/up", ".."), ("sub/root", tmp_path), ("again", "sub"), ("out", tmp_path / "elsewhere"),
        ("out 2", tmp_path / "elsewhere"), ("elsewhere.lnk", "/nowhere/at/all"),
    ):  # fmt: skip
        (tmp_path / "album" / link).symlink_to(target)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "album")
    listing = list_folder(tmp_path / "album")
    assert [entry.name for entry in listing.photographs] == ["a.jpg", "out/c.jpg", "sub/b.jpg"]
    assert listing.left_out[LINKED] == 6 and len(listing.named) == 7 and {"self", "sub/up"} < set(listing.named)


@posix_only
def test_what_is_no_file_is_never_opened(tmp_path, monkeypatch):
    put(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        listing = list_folder(tmp_path)
        assert [entry.name for entry in listing.photographs] == ["a.jpg"] and listing.left_out[SPECIAL] == 2
        assert "is a device or socket" in colorize("socket.jpg").output


@posix_only
def test_links_to_nothing_and_files_that_vanish_are_failures(tmp_path, loud):
    put(tmp_path / "album", "a.jpg", "gone.jpg", "z.jpg")
    (tmp_path / "album" / "dead.jpg").symlink_to("/nowhere/at/all")
    planned = plan([tmp_path / "album"], tmp_path / "new")
    (tmp_path / "album" / "gone.jpg").unlink()
    outcomes = list(run(planned.tasks, loud, Request()))
    errors = {outcome.task.source.name: str(outcome.error) for outcome in outcomes if outcome.error}
    assert set(errors) == {"dead.jpg", "gone.jpg"} and all("no such file" in error for error in errors.values())
    assert files_in(tmp_path / "new") == {"a.jpg", "z.jpg"}


@pytest.fixture
def refusing(monkeypatch):
    """Folders named "locked" that can't be listed, also by root."""
    scan = os.scandir

    def refuse(path):
        if os.fspath(path).rstrip("/").endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)


def test_folders_that_cannot_be_read_are_named_and_the_rest_is_done(tmp_path, refusing):
    put(tmp_path / "album", "a.jpg", "locked/b.jpg", "sub/locked/c.jpg", "z/d.jpg")
    result = colorize(tmp_path / "album", "-o", tmp_path / "new")
    assert result.exit_code == 1 and files_in(tmp_path / "new") == {"a.jpg", "z/d.jpg"}
    lines = [line for line in result.output.splitlines() if "cannot read the folder" in line]
    assert len(lines) == 2 and "album/locked: permission denied" in lines[0] and "2 failed" in result.output
    alone = colorize(tmp_path / "album" / "locked")
    assert alone.exit_code == 2 and "cannot read the folder" in alone.output
    found = look_through([tmp_path / "album"])  # as train and evaluate do
    assert len(found.members) == 2 and len(found.problems) == 2


@posix_only
def test_permissions_of_a_user_who_is_not_root(tmp_path):
    put(tmp_path / "album", "a.jpg", "locked/b.jpg", "unread.jpg")
    command = [sys.executable, "-m", "photochrom", "colorize", "--working-size", "64"]
    words = [*command, str(tmp_path / "album"), "-o", str(tmp_path / "new")]
    if os.geteuid() == 0:
        words = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *words]
        for path in (*tmp_path.parents[:3], tmp_path):  # with several processes, there is one more
            path.chmod(path.stat().st_mode | 0o011)
        tmp_path.chmod(0o777)
    (tmp_path / "album" / "locked").chmod(0)
    (tmp_path / "album" / "unread.jpg").chmod(0)
    try:
        result = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"HOME": str(tmp_path)})
    except FileNotFoundError:
        pytest.skip("no setpriv here")
    finally:
        (tmp_path / "album" / "locked").chmod(0o755)
    if "Permission" in result.stderr and "python" in result.stderr:
        pytest.skip("another user can't run this Python")
    assert result.returncode == 1 and "locked: permission denied" in result.stderr, result.stderr
    assert "unread.jpg: permission denied" in result.stderr and files_in(tmp_path / "new") == {"a.jpg"}


def test_folders_deeper_than_paths_may_be(tmp_path):
    put(tmp_path, "a.jpg")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    listing = list_folder(tmp_path)
    assert [entry.name for entry in listing.photographs] == ["a.jpg"] and len(listing.unreadable) == 1
    assert "too long" in str(listing.unreadable[0])


def test_many_files_are_listed_quickly(tmp_path):
    for number in range(5000):
        (tmp_path / f"{number}.jpg").touch()
    began = os.times()
    assert len(plan([tmp_path], tmp_path / "new").tasks) == 5000
    assert os.times().user - began.user < 3


# ZIP archives


def zip_with(path: Path, change, count: int = 4) -> Path:
    """A ZIP archive whose third member is changed: in its content, or in its entry in the directory."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(count):
            pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
            file.writestr(f"photos/{number}.png", Photograph(pixels).encode("png"))
        file.writestr("photos/notes.txt", "text")
        file.writestr("photos/", "")
        offset = file.getinfo("photos/2.png").header_offset
    content = bytearray(path.read_bytes())
    entries = [match.start() for match in re.finditer(b"PK\x01\x02", bytes(content))]
    change(content, offset, entries[2])
    path.write_bytes(content)
    return path


def lock(content, _, entry):
    content[entry + 8] |= 1


def pack_strangely(content, _, entry):
    content[entry + 10] = 9  # Deflate64


def rot(content, offset, _):
    for place in range(offset + 60, offset + 120):
        content[place] ^= 0x77


@pytest.mark.parametrize("change, words", [(lock, "password"), (pack_strangely, "Deflate")])
def test_members_that_cannot_be_unpacked_are_named_and_the_rest_is_taken(tmp_path, change, words):
    found = look_through([zip_with(tmp_path / "x.zip", change)])
    assert [member.name for member in found.members] == ["photos/0.png", "photos/1.png", "photos/3.png"]
    (problem,) = found.problems
    assert "x.zip: photos/2.png" in problem and words in problem and found.left_out == Counter({".txt": 1})


def test_a_rotten_member_is_named_where_photographs_are_read(tmp_path, capsys):
    truths = read_truths([zip_with(tmp_path / "x.zip", rot)], PROTOCOLS["default"])
    assert len(truths) == 3
    assert capsys.readouterr().err == f"photochrom: {tmp_path}/x.zip: photos/2.png can't be read\n"
    torch_photographs = pytest.importorskip("photochrom.training.photographs")
    found, left_out = torch_photographs.load_photographs([tmp_path / "x.zip"], 40, 0.0, tmp_path / "cache")
    assert len(found) == 3 and left_out == 1 and "photos/2.png can't be read" in capsys.readouterr().err
