"""Where an evaluation writes: never over what it compares, and not among its photographs."""

import os
import zipfile

import pytest
from click.testing import CliRunner
from PIL import Image

from photochrom import cli
from photochrom.evaluation.protocols import PROTOCOLS, Protocol

pytest.importorskip("torch")

SIDE = 64


def run(*arguments):
    return CliRunner().invoke(cli.main, ["evaluate", *map(str, arguments)])


@pytest.fixture
def place(tmp_path, photographs, monkeypatch):
    """The current folder: an album with photographs that have names of a report's, a link to it, and an archive."""
    picture = Image.fromarray(photographs["astronaut"]).resize((SIDE, SIDE))
    for name in ("album/one.png", "album/sheet.jpg", "album/strips/0.jpg", "album/strips/sheet.jpg", "gray/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / name)
    for folder in ("linked", "packed"):
        (tmp_path / folder).mkdir()
    (tmp_path / "linked" / "one.png").symlink_to(tmp_path / "album" / "one.png")
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.write(tmp_path / "album" / "one.png", "one.png")
    os.link(tmp_path / "one.zip", tmp_path / "packed" / "one.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PROTOCOLS, "default", Protocol("small", side=SIDE))
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["album", "--inputs", "album"], "--inputs album lies in album, among the photographs"),
        (["album", "--inputs", "album/new"], "--inputs album/new lies in album, among the photographs"),
        (["linked", "--inputs", "album"], "--inputs would replace linked/one.png, which is compared"),
        (["one.zip", "--inputs", "packed"], "--inputs would replace one.zip, which is compared"),
        (["album/strips", "--inputs", "gray", "--outputs", "other=gray"], "--inputs would replace gray/0.png"),
        (["album", "--inputs", "one.zip"], "--inputs one.zip is a file"),
        (["album", "--out", "one.zip"], "--out one.zip is a file"),
        (["album", "--out", "album"], "--out album holds the photographs"),
        (["album", "--out", "album/strips"], "--out would replace album/strips/sheet.jpg, which is compared"),
        (["album/strips", "--out", "album"], "--out would replace album/strips/0.jpg, which is compared"),
    ],
)
def test_nothing_that_is_compared_is_replaced(arguments, message, place):
    """Gray squares took the place of the photographs, and an overview that of sheet.jpg."""
    before = contents(place)
    result = run(*arguments)
    assert result.exit_code == 2 and message in result.output and len(result.output.splitlines()) == 1, result.output
    assert contents(place) == before


def test_a_report_is_no_photograph_of_the_next(place):
    """The second evaluation counted the strips and the overview of the first one."""
    for _ in range(2):
        result = run("album", "--out", "album/report", "--inputs", "new")
        assert result.exit_code == 0 and result.output.startswith("4 photographs"), result.output
    assert (place / "album" / "report" / "strips" / "0.jpg").exists()
    assert len(list((place / "new").iterdir())) == 4


def test_what_another_tool_colored_is_no_photograph(place):
    """Pictures that stood below the photographs were themselves compared with what the tool had made of them."""
    assert run("album", "--inputs", "asked").exit_code == 0
    (place / "asked").rename(place / "album" / "theirs")
    result = run("album", "--outputs", "other=album/theirs")
    assert result.exit_code == 0 and result.output.startswith("4 photographs"), result.output
