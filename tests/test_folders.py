"""Folders as they are found on disks: what is a photograph, odd names, names of outputs, stops."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from waiting import wait_until

from photochrom import Photograph, cli, planning
from photochrom.album import Manner, run, run_task
from photochrom.coloring import Request
from photochrom.disk import UNFINISHED
from photochrom.errors import InputError, one_line
from photochrom.evaluation.protocols import PROTOCOLS, read_truths
from photochrom.folders import FOREIGN, LINKED, NO_SUFFIX, SPECIAL, describe, list_folder
from photochrom.names import from_text, to_text
from photochrom.photo.collections import look_through
from photochrom.planning import plan
from photochrom.stopping import SIGNALS, stoppable

GRAY = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))
JPEG = Photograph(GRAY).encode("jpeg")
OTHERS = (  # what other programs put beside photographs
    ".hidden.jpg", "._scan.jpg", ".thumbnails/normal/x.jpg", ".dtrash/files/gone.jpg", "@eaDir/a.jpg/THUMB_XL.jpg",
    "#recycle/x.jpg", "@Recycle/x.jpg", ".@__thumb/s800a.jpg", "$RECYCLE.BIN/S-1/x.jpg", "__MACOSX/sub/x.jpg",
    "System Volume Information/x.jpg", "Catalog Previews.lrdata/x.jpg", "_photochrom/x.jpg",
)  # fmt: skip
posix_only = pytest.mark.skipif(os.name != "posix", reason="names and files as POSIX has them")


def put(folder: Path, *names: str, content: bytes = JPEG) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def names_of(folder: Path) -> list[str]:
    return [entry.name for entry in list_folder(folder).photographs]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def colorize(*words):
    return CliRunner().invoke(cli.main, ["colorize", "--working-size", "64", *map(str, words)])


def photochrom(*words, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "photochrom", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


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


@pytest.mark.parametrize("bytes_lost", [1, 500])
def test_an_archive_that_was_cut_off_is_called_incomplete(tmp_path, bytes_lost):
    """It was called neither a folder nor an archive."""
    path = zip_with(tmp_path / "x.zip", lambda *_: None)
    path.write_bytes(path.read_bytes()[:-bytes_lost])
    with pytest.raises(InputError, match="is damaged or incomplete: its end is missing"):
        look_through([path])
    path.write_bytes(b"text")
    with pytest.raises(InputError, match="neither a folder nor a ZIP archive"):
        look_through([path])


def test_a_rotten_member_is_named_where_photographs_are_read(tmp_path, capsys):
    truths = read_truths([zip_with(tmp_path / "x.zip", rot)], PROTOCOLS["default"])
    assert len(truths) == 3
    assert capsys.readouterr().err == f"photochrom: {tmp_path}/x.zip: photos/2.png can't be read\n"
    torch_photographs = pytest.importorskip("photochrom.training.photographs")
    found, left_out = torch_photographs.load_photographs([tmp_path / "x.zip"], 40, 0.0, tmp_path / "cache")
    assert len(found) == 3 and left_out == 1 and "photos/2.png can't be read" in capsys.readouterr().err


# Names


ODD = ["new\nline.jpg", "tab\t.jpg", "back\\slash.jpg", "looks\\n.jpg", "looks\\xdf.jpg", "two\\\\.jpg", "é😀 .jpg",
       "stra\udcdfe.jpg", "\x1b[31mred.jpg", "both\\\udce9\n.jpg", "trailing \\"]  # fmt: skip


def test_names_become_text_and_names_again():
    texts = [to_text(name) for name in ODD]
    assert [from_text(text) for text in texts] == ODD and len(set(texts)) == len(ODD)
    for text in texts:
        assert text.encode() and len(text.splitlines()) == 1 and text.isprintable()
    assert to_text("ordinary name é.jpg") == "ordinary name é.jpg" and to_text("back\\slash.jpg") == "back\\slash.jpg"
    assert to_text("stra\udcdfe.jpg") == "stra\\xdfe.jpg" and to_text("new\nline.jpg") == "new\\nline.jpg"


@posix_only
def test_names_of_any_bytes_are_colored_and_named_in_one_line(tmp_path):
    names = [name for name in ODD if name.endswith(".jpg")]
    put(tmp_path / "album", *names)
    put(tmp_path / "album", "broken\n\udcdf.jpg", content=b"nothing")
    result = photochrom("colorize", tmp_path / "album", "-o", tmp_path / "new", "--record", tmp_path / "r.jsonl")
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    assert sorted(os.listdir(tmp_path / "new")) == sorted(names)
    assert len(result.stderr.splitlines()) == 2 and "broken\\n\\xdf.jpg is not" in result.stderr
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()]
    recorded = {from_text(line["source"]) for line in lines}
    assert recorded == {str(tmp_path / "album" / name) for name in [*names, "broken\n\udcdf.jpg"]}
    missing = photochrom("colorize", "new\nline.jpg", tmp_path / "album" / "none\n.jpg")
    assert missing.returncode == 2 and missing.stderr.count("\n") == 1


def test_messages_are_one_line():
    assert one_line("a\nb\r\x1b\u2028\udcff") == "a\\nb\\r\\x1b\\u2028\\xff" and one_line("é ü\\n") == "é ü\\n"


def test_a_name_that_gets_too_long_fails_alone_and_keeps_its_length_with_out(tmp_path):
    long = "n" * 251 + ".jpg"
    put(tmp_path / "album", "a.jpg", long)
    result = colorize(tmp_path / "album")
    assert result.exit_code == 1 and "file name too long: name a folder with -o" in result.output
    assert (tmp_path / "album" / "a-color.jpg").exists()
    assert colorize(tmp_path / "album", "-o", tmp_path / "new").exit_code == 0
    assert files_in(tmp_path / "new") == {"a.jpg", long}


# Names of outputs


def test_photographs_of_one_name_get_color_versions_of_two(tmp_path):
    put(tmp_path / "album", "scan.tif", "scan.jpg", "a.gif", "a.png", "one.gif", "b.tif", "b.png", "sub/scan.tif")

    def outputs(**options):
        tasks = plan([tmp_path / "album"], tmp_path / "new", **options).tasks
        return {str(t.source.relative_to(tmp_path / "album")): t.outputs[0].name for t in tasks}

    assert outputs() == {
        "scan.tif": "scan.tif", "scan.jpg": "scan.jpg", "a.gif": "a.gif.png", "a.png": "a.png", "one.gif": "one.png",
        "b.tif": "b.tif", "b.png": "b.png", "sub/scan.tif": "scan.tif",
    }  # fmt: skip
    assert outputs(format="jpeg") == {
        "scan.tif": "scan.tif.jpg", "scan.jpg": "scan.jpg", "a.gif": "a.gif.jpg", "a.png": "a.png.jpg",
        "one.gif": "one.jpg", "b.tif": "b.tif.jpg", "b.png": "b.png.jpg", "sub/scan.tif": "scan.jpg",
    }  # fmt: skip
    assert outputs(format="jpeg", variants=2)["scan.tif"] == "scan.tif-1.jpg"


def test_beside_their_inputs_too_and_a_second_run_knows_them(tmp_path):
    put(tmp_path, "scan.jpg")
    Photograph(GRAY).save(tmp_path / "scan.tif")
    for _ in range(2):
        result = colorize(tmp_path, "--format", "jpeg")
        assert result.exit_code == 0, result.output
        assert files_in(tmp_path) == {"scan.jpg", "scan.tif", "scan-color.jpg", "scan.tif-color.jpg"}
    assert "2 skipped" in result.output
    named = colorize(*sorted(tmp_path.iterdir()), "--format", "jpeg")  # as a shell writes out *
    assert named.exit_code == 0 and "2 skipped" in named.output and len(files_in(tmp_path)) == 4


def test_the_same_names_in_two_folders_lose_only_the_second(tmp_path):
    put(tmp_path, "one/a.jpg", "two/a.jpg", "two/b.jpg")
    result = colorize(tmp_path / "one", tmp_path / "two", "-o", tmp_path / "new")
    assert result.exit_code == 1 and "both be written to" in result.output and "another -o" in result.output
    assert files_in(tmp_path / "new") == {"a.jpg", "b.jpg"}
    twice = colorize(tmp_path / "one" / "a.jpg", tmp_path / "one" / ".." / "one" / "a.jpg", "-o", tmp_path / "other")
    assert twice.exit_code == 0 and files_in(tmp_path / "other") == {"a.jpg"}


def test_a_missing_input_does_not_stop_the_others(tmp_path):
    put(tmp_path, "a.jpg")
    result = colorize(tmp_path / "none.jpg", tmp_path / "a.jpg", "-o", tmp_path / "new")
    assert result.exit_code == 1 and "none.jpg does not exist" in result.output
    assert files_in(tmp_path / "new") == {"a.jpg"}


@pytest.mark.parametrize("name", ["IMG.JPG", "Scan.TIF", "x.Jpeg"])
def test_a_second_run_knows_the_color_version_of_a_name_in_capitals(tmp_path, name):
    put(tmp_path, name)
    (task,) = plan([tmp_path]).tasks
    put(tmp_path, task.outputs[0].name)
    planned = plan([tmp_path])
    assert (planned.tasks, planned.failures) == ([task], [])
    assert plan(sorted(tmp_path.iterdir())).tasks == [task]  # as with *


def test_color_versions_never_replace_photographs(tmp_path):
    put(tmp_path, "a.jpg", "b.png")
    with pytest.raises(InputError, match=r"overwrite the photograph .*a\.jpg"):
        plan([tmp_path / "a.jpg", tmp_path / "b.png"], tmp_path)


# One odd file, full disks


def test_an_error_that_nobody_foresaw_is_one_photographs_failure(tmp_path, loud, monkeypatch):
    put(tmp_path / "album", "a.jpg", "b.jpg", "c.jpg")
    predict = loud.predict_one
    calls = iter(range(3))

    def odd(*arguments, **options):
        if next(calls) == 1:
            raise UnicodeDecodeError("ascii", b"\xe9", 0, 1, "ordinal not in range(128)")
        return predict(*arguments, **options)

    monkeypatch.setattr(loud, "predict_one", odd)
    outcomes = list(run(plan([tmp_path / "album"], tmp_path / "new").tasks, loud, Request()))
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, False]
    assert isinstance(outcomes[1].error, InputError) and "b.jpg" in str(outcomes[1].error)
    assert files_in(tmp_path / "new") == {"a.jpg", "c.jpg"}


def test_a_full_disk_ends_the_run_instead_of_failing_file_by_file(tmp_path, loud, monkeypatch):
    put(tmp_path / "album", *(f"{number}.jpg" for number in range(9)))
    replace_file = os.replace
    calls = iter(range(9))

    def full(*arguments):
        if next(calls) >= 3:
            raise OSError(28, "No space left on device")
        replace_file(*arguments)

    monkeypatch.setattr(os, "replace", full)
    outcomes = list(run(plan([tmp_path / "album"], tmp_path / "new").tasks, loud, Request()))
    assert len(outcomes) == 4 and outcomes[-1].is_last and "no space left" in str(outcomes[-1].error)
    assert files_in(tmp_path / "new") == {"0.jpg", "1.jpg", "2.jpg"}


def test_disks_that_keep_no_permissions_and_no_dates(tmp_path, loud, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    for name in ("chmod", "fchmod", "utime", "chown"):
        monkeypatch.setattr(os, name, refuse)
    put(tmp_path, "a.jpg")
    (task,) = plan([tmp_path / "a.jpg"]).tasks
    assert run_task(task, loud, Request(), Manner(keep_date=True)).error is None
    assert files_in(tmp_path) == {"a.jpg", "a-color.jpg"}


# Sidecars and dates


def test_sidecars_go_along_under_the_outputs_names(tmp_path):
    put(tmp_path / "album", "a.jpg", "b.png", "sub/c.jpg", content=JPEG)
    put(tmp_path / "album", "a.xmp", "a.jpg.xmp", "b.png.XMP", "sub/c.xmp", "lonely.xmp", content=b"<x:xmpmeta/>")
    out = tmp_path / "new"
    assert "5 .xmp" in colorize(tmp_path / "album", "-o", tmp_path / "none").output
    assert files_in(tmp_path / "none") == {"a.jpg", "b.png", "sub/c.jpg"}
    result = colorize(tmp_path / "album", "-o", out, "--sidecars", "--format", "webp")
    assert result.exit_code == 0 and "1 .xmp" in result.output
    assert files_in(out) == {
        "a.webp", "a.xmp", "a.webp.xmp", "b.webp", "b.webp.XMP", "sub/c.webp", "sub/c.xmp",
    }  # fmt: skip
    (out / "a.xmp").write_bytes(b"mine")
    (out / "sub" / "c.xmp").unlink()
    colorize(tmp_path / "album", "-o", out, "--sidecars", "--format", "webp")  # also of what is skipped
    assert (out / "a.xmp").read_bytes() == b"mine" and (out / "sub" / "c.xmp").read_bytes() == b"<x:xmpmeta/>"
    beside = colorize(tmp_path / "album" / "a.jpg", "--sidecars", "--variants", "2")
    assert beside.exit_code == 0
    assert {"a-color-1.xmp", "a-color-2.jpg.xmp"} <= {path.name for path in (tmp_path / "album").iterdir()}


def test_the_sources_date_can_be_kept(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg")
    put(tmp_path, "a.xmp", content=b"x")
    for name, seconds in (("a.jpg", 10**9), ("a.xmp", 10**8)):
        os.utime(tmp_path / name, (seconds, seconds))
    assert colorize(tmp_path / "a.jpg", "-o", tmp_path / "kept", "--keep-date", "--sidecars").exit_code == 0
    assert (tmp_path / "kept" / "a.jpg").stat().st_mtime == 10**9
    assert (tmp_path / "kept" / "a.xmp").stat().st_mtime == 10**8
    assert colorize(tmp_path / "a.jpg", "-o", tmp_path / "new").exit_code == 0
    assert (tmp_path / "new" / "a.jpg").stat().st_mtime > 1.5 * 10**9


# Stops


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("number, again", [
    (signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, False), (signal.SIGINT, True),
])  # fmt: skip
def test_a_stopped_run_leaves_nothing_unfinished(tmp_path, photographs, number, again):
    large = np.tile(photographs["astronaut"][..., 1], (4, 4))
    for name in range(12):  # so many that it isn't done before the signal comes
        Photograph(large).save(tmp_path / "album" / f"{name}.png") if name else put(tmp_path / "album", "start.jpg")
    out = tmp_path / "new"
    command = [sys.executable, "-m", "photochrom", "colorize", tmp_path / "album", "-o", out, "--jobs", "2"]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: out.exists() or process.poll() is not None, "the first output is written", 120)
    wait_until(
        lambda: any(path.name.startswith(UNFINISHED) for path in out.iterdir()) or process.poll() is not None,
        "another is being written", 120,
    )  # fmt: skip
    process.send_signal(number)
    if again and process.poll() is None:
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in said and said in ("photochrom: stopped\n", "")
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    for path in out.iterdir():
        assert (
            stat.S_ISREG(path.stat().st_mode)
            and photochrom("colorize", path, "-o", tmp_path / "x", "--recolor").returncode == 0
        )


@posix_only
def test_an_ignored_signal_stays_ignored():
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from photochrom.stopping import stoppable\n"
        "with stoppable(): signal.raise_signal(signal.SIGHUP)\n"
        "print('went on')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "went on\n"


@posix_only
def test_signals_belong_to_others_again_afterwards():
    before = [signal.getsignal(number) for number in SIGNALS]
    with stoppable():
        assert all(signal.getsignal(number) not in before for number in SIGNALS[:2])
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_disk_that_ignores_case_has_one_place_for_two_names(tmp_path, monkeypatch):
    put(tmp_path / "one", "a.jpg")
    put(tmp_path / "two", "A.jpg")
    inputs = [tmp_path / "one" / "a.jpg", tmp_path / "two" / "A.jpg"]
    assert len(plan(inputs, tmp_path / "new").tasks) == 2  # this disk keeps them apart
    monkeypatch.setattr(planning, "_ignores_case", lambda folder: True)
    planned = plan(inputs, tmp_path / "new")
    assert [task.source for task in planned.tasks] == inputs[:1]
    assert "would both be written to" in str(planned.failures[0].error)


def test_whether_a_disk_ignores_case_is_seen_by_names_that_are_there(tmp_path, monkeypatch):
    put(tmp_path, "photo.jpg")
    assert not planning._ignores_case(str(tmp_path / "not there yet"))
    monkeypatch.setattr(os.path, "samefile", lambda one, other: one.casefold() == other.casefold())
    assert planning._ignores_case(str(tmp_path / "not there yet"))
