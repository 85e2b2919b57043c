"""From file to file, the rules for files of folders, and what is checked before the network runs."""

import hashlib
import os
import re
import stat
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import photochrom
from photochrom.album import run_task
from photochrom.coloring import Look, Output, Request, color
from photochrom.disk import replacing
from photochrom.errors import InputError, OutputError, reason_of
from photochrom.folders import Entry, Listing, is_photograph
from photochrom.inference.colorizer import Colorizer
from photochrom.inference.weights import bundled_digest, load_model, read_bundled
from photochrom.photo.collections import decode_squares, find_photographs
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.hints import Hint, HintFile
from photochrom.photo.photograph import Photograph
from photochrom.planning import plan
from photochrom.settings import FORMATS, MAX_SEED

GRAY = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


def test_variants_share_one_decoding(loud):
    request = Request(Look(1.5, 7), Output("tiff"))
    colored = list(color(Photograph(GRAY).encode("png"), "x", request, loud, variants=(0, 2)))
    assert [one.format for one in colored] == ["tiff", "tiff"]
    pixels = [decode_photograph(one.content).pixels for one in colored]
    for number, one in zip((0, 2), pixels, strict=True):
        assert np.array_equal(one, loud.colorize(GRAY, strength=1.5, seed=7 + number))
    assert not np.array_equal(pixels[0], pixels[1])


def test_variants_of_the_largest_seed_have_other_seeds():
    assert [Look(seed=MAX_SEED).variant(number).seed for number in range(3)] == [MAX_SEED, 0, 1]


def test_hints_of_a_file_scale_and_others_do_not():
    look = Look(hints=(Hint(5, 6, "#ff0000"),), hint_file=HintFile((Hint(10, 10, "#00ff00"),), (128, 96)))
    assert [(h.x, h.y) for h in look.hints_for(GRAY)] == [(5, 6), (5, 5)]


@pytest.mark.parametrize("strength", [-0.1, 10.5, float("nan")])
def test_a_wrong_strength_is_refused_before_the_network_runs(loud, strength):
    for call in (
        lambda: loud.colorize(GRAY, strength=strength),
        lambda: loud.colorize_batch([GRAY], strength=strength),
    ):
        with pytest.raises(InputError, match="the strength is 0 to 10"):
            call()
    with pytest.raises(InputError, match="the strength is 0 to 10"):
        Look(strength)
    with pytest.raises(InputError, match="a seed is a whole number from 0"):
        loud.colorize(GRAY, seed=-1)
    assert loud.backend.seen == []


def test_a_photograph_is_not_saved_under_a_foreign_suffix(tmp_path):
    with pytest.raises(OutputError, match=r"\.gif'?: choose one of .*\.avif"):
        Photograph(GRAY).save(tmp_path / "x.gif")
    assert list(tmp_path.iterdir()) == []


# Which files of a folder are photographs

OTHERS = (
    "._scan.jpg",
    ".hidden.png",
    ".thumbnails/scan.jpg",
    "__MACOSX/scan.jpg",
    "@eaDir/scan.jpg/SM.jpg",
    "notes.txt",
)


def test_albums_archives_and_training_have_one_rule(tmp_path):
    content = Photograph(GRAY).encode("jpeg")
    for name in ("scan.jpg", "box/Scan 2.JPEG", *OTHERS):
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as file:
        for path in (tmp_path / "scans").rglob("*.*"):
            if path.is_file():
                file.write(path, path.relative_to(tmp_path / "scans"))
    photographs = {"scan.jpg", "box/Scan 2.JPEG"}
    planned = plan([tmp_path / "scans"], tmp_path / "out")
    assert {task.source.relative_to(tmp_path / "scans").as_posix() for task in planned.tasks} == photographs
    for source in (tmp_path / "scans", tmp_path / "scans.zip"):
        assert {member.name for member in find_photographs([source])} == photographs
    pytest.importorskip("ray")
    from photochrom.archive.run import plan as plan_archive
    from photochrom.archive.stores import open_store
    from photochrom.archive.worker import Work

    work = Work(str(tmp_path / "scans"), str(tmp_path / "color"), Request(), "default", "digest", 256)
    missing, _ = plan_archive(work, open_store(work.source), open_store(work.destination), retry=False)
    assert {job.entry.name for job in missing} == photographs


@pytest.mark.parametrize("name", OTHERS)
def test_other_programs_files_are_no_photographs(name):
    assert not is_photograph(name) and is_photograph("scan.jpg") and is_photograph("box/scan.TIF")


@pytest.mark.parametrize(
    "name", ["scan.jpg", "box/.x.jpg", "box\\.x.jpg", "__MACOSX\\x.jpg", "notes.txt", "README", *OTHERS]
)
def test_a_name_is_judged_as_in_a_listing(name):
    listing = Listing()
    listing.add(Entry(name))
    assert is_photograph(name) == bool(listing.photographs)


def test_a_zip_archive_of_windows_is_judged_by_its_folders(tmp_path):
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as file:
        for name in ("box\\scan.jpg", "box\\.x.jpg", "__MACOSX\\x.jpg"):
            file.writestr(name, b"")
    assert [member.name for member in find_photographs([tmp_path / "scans.zip"])] == ["box\\scan.jpg"]


# Files written whole


def test_new_files_have_the_systems_permissions(tmp_path):
    code = (
        "import os, sys, pathlib; os.umask(0o027); from photochrom.disk import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as file: file.write(b'x')"
    )
    path = tmp_path / "x.jpg"
    subprocess.run([sys.executable, "-c", code, path], check=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_is_not_finished_leaves_the_old_one(tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(b"old")

    def write_half():
        with replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"x.jpg": b"old"}


def test_importing_changes_nothing_of_the_process():
    code = (
        "import os; before = os.umask(0o077); os.umask(0o077); os.environ['ORT_DISABLE_TELEMETRY'] = '0';"
        "import photochrom, photochrom.photo.photograph, photochrom.inference.weights;"
        "assert os.umask(0) == 0o077 and os.environ['ORT_DISABLE_TELEMETRY'] == '0'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "error, reason",
    [
        (OSError(28, "No space left on device"), "no space left on device"),
        (OSError(5, "I/O error"), "I/O error"),
        (ValueError("Too short.\nMore about it"), "too short"),
        (ValueError(), "ValueError"),
    ],
)
def test_reasons_are_the_ends_of_sentences(error, reason):
    assert reason_of(error) == reason


# Models are known by their content


def test_a_models_digest_is_its_files(tmp_path):
    content = read_bundled("default")
    digest = hashlib.sha256(content).hexdigest()
    assert load_model("default", 1).info.digest == bundled_digest("default") == digest
    (tmp_path / "other.onnx").write_bytes(content)
    assert load_model(str(tmp_path / "other.onnx"), 1).info.digest == digest


def test_a_models_file_is_hashed_once(monkeypatch, tmp_path):
    (tmp_path / "other.onnx").write_bytes(read_bundled("default"))
    hashed = []
    real = hashlib.sha256

    class Counting:
        def __init__(self, data=b""):
            self.inner = real()
            self.update(data)

        def update(self, data):
            hashed.append(len(data))
            self.inner.update(data)

        def hexdigest(self):
            return self.inner.hexdigest()

    monkeypatch.setattr(hashlib, "sha256", Counting)
    for name in ("default", str(tmp_path / "other.onnx")):
        hashed.clear()
        load_model(name, 1)
        assert sum(hashed) == os.path.getsize(tmp_path / "other.onnx")


def test_formats_stand_once():
    from photochrom.photo.encoding import OPTIONS

    assert set(OPTIONS) | {"bmp", "heic"} == set(FORMATS)
    for name in FORMATS:
        assert decode_photograph(Photograph(GRAY).encode(name)).format == name


def test_a_colorizer_and_a_service_are_both_predictors(loud):
    from photochrom.service.service import Service
    from photochrom.settings import Limits

    service = Service(loud, Limits())
    content, request = Photograph(GRAY).encode("png"), Request(Look(seed=3))
    assert list(color(content, "x", request, service.batcher)) == list(color(content, "x", request, loud))
    service.close()
    assert isinstance(loud, Colorizer)


@pytest.mark.parametrize("options", [{"format": "jpg"}, {"quality": 500}, {"quality": -1}])
def test_wrong_ways_to_write_are_one_line(tmp_path, options):
    with pytest.raises(InputError, match=r"choose one of jpeg, png|the quality is 1 to 100"):
        Photograph(GRAY).save(tmp_path / "x.jpg", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_a_format_cannot_hold_is_said_with_the_files_name(loud):
    wide = Photograph(np.zeros((170, 16_400), np.uint8)).encode("png")
    with pytest.raises(InputError, match=r"wide\.png can't be written as WebP: .*at most 16383.*choose another"):
        list(color(wide, "wide.png", Request(output=Output("webp")), loud))


@pytest.mark.parametrize("name, start", [("new.png", b"\x89PNG"), ("new.tif", b"II*\0"), ("new.webp", b"RIFF")])
@pytest.mark.parametrize("variants", [1, 2])
def test_the_outputs_suffix_decides_its_format(loud, tmp_path, name, start, variants):
    source = tmp_path / "old.jpg"
    source.write_bytes(Photograph(GRAY).encode("jpeg"))
    (task,) = plan([source], tmp_path / name, variants=variants).tasks
    assert run_task(task, loud, Request()).error is None
    assert [path.read_bytes()[: len(start)] for path in task.outputs] == [start] * variants


# ZIP archives of photographs


def rewritten(path, change):
    """A ZIP archive of two photographs whose directory is changed in every member."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
            file.writestr(f"{number}.png", Photograph(pixels).encode("png"))
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def directory_entries(content):
    return [match.start() for match in re.finditer(b"PK\x01\x02", bytes(content))]


def set_password_flag(content):
    for entry in directory_entries(content):
        content[entry + 8] |= 1


def set_deflate64(content):
    for entry in directory_entries(content):
        content[entry + 10] = 9


@pytest.mark.parametrize(
    "change, words",
    [
        (set_password_flag, "protected by a password"),
        (set_deflate64, "pack it with Deflate"),
        (lambda content: content.__delitem__(slice(-200, None)), "damaged or incomplete: its end is missing"),
    ],
)
def test_archives_that_cannot_be_unpacked_are_one_line(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        list(decode_squares(find_photographs([rewritten(tmp_path / "x.zip", change)]), 32))


def test_one_rotten_member_of_an_archive_stops_nobody(tmp_path):
    def rot(content):
        for place in range(60, 120):
            content[place] ^= 0x77

    squares = list(decode_squares(find_photographs([rewritten(tmp_path / "x.zip", rot)]), 32))
    assert squares[0] is None and squares[1] is not None


def test_what_is_no_photograph_is_refused_in_one_line():
    for pixels in (np.zeros(30, np.uint8), [[1, 2], [3, 4]], None):
        with pytest.raises(InputError, match="array"):
            photochrom.colorize(Photograph(pixels))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot read"):
        photochrom.colorize("a\0.jpg")
