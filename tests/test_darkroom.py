"""What the darkroom's page does, without the page: decisions, undo, the shelf, albums."""

import shlex
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("gradio")

from photochrom import cli
from photochrom.darkroom import shelf as shelf_module
from photochrom.darkroom.album import color_album, unused_name
from photochrom.darkroom.drawing import with_marks
from photochrom.darkroom.page import as_hex, recipe, told
from photochrom.darkroom.shelf import Shelf
from photochrom.darkroom.sitting import SEEDS, open_sitting
from photochrom.errors import InputError
from photochrom.photo.color import luminance_of
from photochrom.photo.files import Photograph, read_photograph
from photochrom.photo.hints import format_hint_file
from photochrom.server.limits import Limits
from photochrom.server.studio import Studio


@pytest.fixture(scope="module")
def studio(colorizer):
    studio = Studio(colorizer, Limits())
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def sitting(studio, tmp_path_factory, photographs):
    path = tmp_path_factory.mktemp("sitting") / "cat.png"
    large = np.kron(photographs["chelsea"][..., 1], np.ones((4, 4), np.uint8))
    Photograph(large).save(path)
    return open_sitting(path, studio)


def test_a_large_photograph_has_a_small_preview(sitting):
    assert sitting.size == (1804, 1200) and max(sitting.preview.shape) == 1280
    assert len(sitting.samples) == len(SEEDS) and not sitting.can_undo


def test_a_preview_looks_like_the_saved_picture(sitting, studio, colorizer, photographs):
    small = colorizer.colorize(photographs["chelsea"][..., 1]).astype(float)
    rows = np.linspace(0, sitting.preview.shape[0] - 1, 300).astype(int)
    columns = np.linspace(0, sitting.preview.shape[1] - 1, 451).astype(int)
    assert np.abs(sitting.picture(studio)[rows][:, columns] - small).mean() < 4


def test_places_go_to_the_preview_and_back(sitting):
    x, y = sitting.from_preview(*sitting.to_preview((700.0, 300.0)))
    assert abs(x - 700) < 2 and abs(y - 300) < 2


def test_a_color_spreads_and_can_be_undone(sitting, studio):
    pointed = sitting.point_at((900.0, 600.0))
    blue = pointed.with_color("#2040c0", studio)
    assert blue.chosen == 0 and np.abs(blue.picture(studio) - sitting.picture(studio)).mean() > 1
    red = blue.with_color("#c02020", studio)
    assert [hint.color for hint in red.edit.hints] == ["#c02020"]
    back = red.undone(studio)
    assert back.edit == blue.edit and np.array_equal(back.picture(studio), blue.picture(studio))
    assert back.redone(studio).edit == red.edit
    assert np.array_equal(back.undone(studio).picture(studio), sitting.picture(studio))
    assert np.abs(luminance_of(red.picture(studio)) - luminance_of(sitting.preview)).mean() < 0.2


def test_a_new_decision_forgets_what_was_undone(sitting, studio):
    picked = sitting.with_seed(3, studio).undone(studio)
    assert picked.can_redo
    assert not picked.with_strength(1.5).can_redo


def test_hints_are_found_moved_and_removed(sitting, studio):
    one = sitting.point_at((900.0, 600.0)).with_color("#2040c0", studio)
    two = one.point_at((200.0, 200.0)).with_color("#20c040", studio)
    near_first = two.point_at((910.0, 590.0))
    assert near_first.chosen == 0
    moved = near_first.with_hint_moved((1000.0, 700.0), studio)
    assert (moved.edit.hints[0].x, moved.edit.hints[0].y) == (1000.0, 700.0) and moved.chosen == 0
    left = moved.without_hint(studio)
    assert [hint.color for hint in left.edit.hints] == ["#20c040"] and left.chosen is None


def test_a_sweep_of_the_slider_is_one_decision(sitting):
    swept = sitting.with_strength(1.1).with_strength(1.2).with_strength(1.3)
    assert swept.edit.strength == 1.3 and swept.position == 1
    later = sitting.with_strength(1.1)
    object.__setattr__(later, "decided", time.monotonic() - 10)
    assert later.with_strength(1.5).position == 2


def test_strength_needs_no_network(sitting, studio, monkeypatch):
    monkeypatch.setattr(studio.batcher, "predict", lambda *_: pytest.fail("ran the network"))
    assert np.ptp(sitting.with_strength(0).picture(studio), axis=2).max() <= 1


def test_suggestions_differ_and_begin_with_what_is_there(sitting, studio):
    place = (900.0, 600.0)
    colors = sitting.colors_at(place)
    assert 2 <= len(colors) <= len(SEEDS) and len(set(colors)) == len(colors)
    x, y = (int(value) for value in sitting.to_preview(place))
    here = [int(colors[0][i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(sitting.picture(studio)[y, x].astype(int) - here).max() < 40


def test_marks_show_where_the_hints_are(sitting, studio):
    hinted = sitting.point_at((900.0, 600.0)).with_color("#2040c0", studio)
    picture = hinted.picture(studio)
    changed = np.argwhere((with_marks(picture, hinted) != picture).any(axis=2))
    x, y = hinted.to_preview((900.0, 600.0))
    assert len(changed) > 100 and np.abs(changed.mean(axis=0) - (y, x)).max() < 2


def test_the_recipe_makes_the_same_picture(sitting, studio, colorizer, tmp_path, monkeypatch):
    """Run as it stands, beside the photograph and the hints' file, it makes the picture that was decided."""
    decided = sitting.with_seed(2, studio).with_strength(1.25).point_at((900.0, 600.0)).with_color("#2040c0", studio)
    line = recipe(decided)
    assert line == "photochrom colorize cat.png --seed 2 --strength 1.25 --hints cat-hints.json"
    shutil.copy(sitting.source, tmp_path / "cat.png")
    (tmp_path / "cat-hints.json").write_text(format_hint_file(decided.edit.hints, *sitting.size), "utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.main, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    gray, hints = read_photograph(sitting.source).pixels, decided.edit.hints
    expected = colorizer.colorize(gray, seed=2, strength=1.25, hints=hints)
    assert np.array_equal(read_photograph(tmp_path / "cat-color.png").pixels, expected)


def test_the_shelf_puts_the_longest_untouched_away(tmp_path, sitting, monkeypatch):
    monkeypatch.setattr(shelf_module, "CAPACITY", 2)
    shelf = Shelf(tmp_path, keep=100)
    (first, folder), (second, _) = shelf.take(), shelf.take()
    shelf.seat(first, sitting)
    shelf.seat(second, sitting)
    shelf.change(first, lambda s: s)
    shelf.take()
    assert folder.exists() and shelf.change(first, lambda s: s) is sitting
    with pytest.raises(InputError, match="open it again"):
        shelf.change(second, lambda s: s)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_kept_too_long_goes(tmp_path):
    shelf = Shelf(tmp_path, keep=0)
    _, old = shelf.take()
    time.sleep(0.01)
    _, new = shelf.take()
    assert not old.exists() and new.exists()


def test_what_is_in_use_stays(tmp_path, monkeypatch):
    shelf = Shelf(tmp_path, keep=1000)
    clock = iter(range(0, 100_000, 600))  # six hundred seconds pass between two looks at it
    monkeypatch.setattr("photochrom.darkroom.shelf.time.monotonic", lambda: next(clock))
    name, folder = shelf.take()
    for _ in range(4):
        shelf.touch(name)
    shelf.take()
    assert folder.exists()


def test_an_album_names_what_failed(studio, tmp_path, photographs):
    sources = [tmp_path / "a" / "cat.jpg", tmp_path / "b" / "cat.jpg", tmp_path / "a" / "broken.jpg"]
    for source in sources:
        source.parent.mkdir(exist_ok=True)
        Photograph(photographs["chelsea"][..., 1]).save(source)
    sources[2].write_bytes(sources[0].read_bytes()[:3000])
    folder = tmp_path / "out"
    folder.mkdir()
    *steps, end = color_album(studio, sources, folder, strength=1)
    assert [step.done for step in steps] == [1, 2, 3] and all(step.archive is None for step in steps)
    ((name, why),) = end.failures
    assert name == "broken.jpg" and "damaged" in why
    assert end.archive is not None
    with zipfile.ZipFile(end.archive) as file:
        assert file.namelist() == ["cat-color.jpg", "cat-color-2.jpg"] and file.testzip() is None


def test_an_album_of_failures_has_no_archive(studio, tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"x")
    *_, end = color_album(studio, [tmp_path / "x.jpg"], tmp_path, strength=1)
    assert end.archive is None and len(end.failures) == 1


def test_unused_names():
    taken: set[str] = set()
    assert [unused_name("a.jpg", taken) for _ in range(3)] == ["a.jpg", "a-2.jpg", "a-3.jpg"]


def test_messages_are_escaped():
    assert "<script>" not in told("<script>", ["<script>"]) and 'role="status"' in told("x")


@pytest.mark.parametrize("value", ["#2040c0", "rgb(32, 64, 192)", "rgba(32.2, 64, 192, 1)"])
def test_picked_colors(value):
    assert as_hex(value) == "#2040c0"


def test_examples_come_with_the_package():
    import photochrom.darkroom

    assert len(list((Path(photochrom.darkroom.__file__).parent / "examples").glob("*.jpg"))) == 4
