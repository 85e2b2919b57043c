"""The same result from anywhere: odd paths, a home that can't be written, no terminal, LANG=C, not root."""

import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from photochrom import colorize

BARE = {"PATH": os.environ["PATH"]}
PLACES = {
    "LANG=C": BARE | {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no home": BARE | {"HOME": "/nonexistent"},
    "a home that can't be written": BARE | {"HOME": "/proc"},
    "a home with spaces": BARE | {"HOME": "/tmp/my home"},
}


@pytest.fixture
def scan(tmp_path, photographs):
    folder = tmp_path / "Großmutters Fotos (1931), фото"
    folder.mkdir()
    path = folder / "Tür & Tor – №1.jpg"
    Image.fromarray(photographs["chelsea"]).convert("L").save(path)
    return path


@pytest.fixture(scope="module")
def reference(tmp_path_factory, photographs) -> bytes:
    """What Python makes of the same scan, here."""
    path = tmp_path_factory.mktemp("here") / "scan.jpg"
    Image.fromarray(photographs["chelsea"]).convert("L").save(path)
    colorize(path).save(path.with_name("reference.jpg"))
    return path.with_name("reference.jpg").read_bytes()


def color(scan, reference, environment, *before):
    output = scan.with_name("новый цвет.jpg")
    command = [*before, sys.executable, "-m", "photochrom", "colorize", scan, "-o", output]
    result = subprocess.run(
        command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, start_new_session=True, cwd="/"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert output.read_bytes() == reference


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.slow
def test_the_same_picture_and_nothing_said(place, scan, reference):
    color(scan, reference, PLACES[place])


def test_mistakes_under_lang_c(scan):
    """A name that can't be printed does not hide what is wrong."""
    missing = scan.with_name("нет.jpg")
    command = [sys.executable, "-m", "photochrom", "colorize", missing]
    result = subprocess.run(command, env=PLACES["LANG=C"], capture_output=True)
    assert result.returncode == 2 and b"does not exist" in result.stderr and b"Traceback" not in result.stderr


def test_without_root(scan, reference):
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-U", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    color(scan, reference, BARE, "unshare", "-U")


def test_a_damaged_file_is_one_line_and_the_libraries_say_nothing(tmp_path, photographs):
    path = tmp_path / "old.tif"
    Image.fromarray(photographs["chelsea"]).save(path, compression="tiff_lzw")
    content = path.read_bytes()
    for number, damaged in enumerate((content[:-200], content[:3000])):
        path.write_bytes(damaged)
        command = [sys.executable, "-m", "photochrom", "colorize", path, "-o", tmp_path / f"{number}.png"]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1, result.stderr
