"""What the darkroom's page does, without the page: decisions, undo, the session store, albums."""

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
from photochrom.coloring import Look
from photochrom.darkroom import store as store_module
from photochrom.darkroom.album import color_album, unused_name
from photochrom.darkroom.drawing import with_marks
from photochrom.darkroom.page import as_hex, recipe, told
from photochrom.darkroom.session import SEEDS, open_session
from photochrom.darkroom.store import SessionStore
from photochrom.errors import InputError
from photochrom.photo.color import luminance_of
from photochrom.photo.decoding import read_photograph
from photochrom.photo.hints import format_hint_file
from photochrom.photo.photograph import Photograph
from photochrom.service.service import Service
from photochrom.settings import Limits


@pytest.fixture(scope="module")
def service(colorizer):
    service = Service(colorizer, Limits())
    yield service
    service.close()


@pytest.fixture(scope="module")
def session(service, tmp_path_factory, photographs):
    path = tmp_path_factory.mktemp("session") / "cat.png"
    large = np.kron(photographs["chelsea"][..., 1], np.ones((4, 4), np.uint8))
    Photograph(large).save(path)
    return open_session(path, service)


def test_a_large_photograph_has_a_small_preview(session):
    assert session.size == (1804, 1200) and max(session.preview.shape) == 1280
    assert len(session.samples) == len(SEEDS) and not session.can_undo


def test_a_preview_looks_like_the_saved_picture(session, service, colorizer, photographs):
    small = colorizer.colorize(photographs["chelsea"][..., 1]).astype(float)
    rows = np.linspace(0, session.preview.shape[0] - 1, 300).astype(int)
    columns = np.linspace(0, session.preview.shape[1] - 1, 451).astype(int)
    assert np.abs(session.picture(service)[rows][:, columns] - small).mean() < 4


def test_places_go_to_the_preview_and_back(session):
    x, y = session.from_preview(*session.to_preview((700.0, 300.0)))
    assert abs(x - 700) < 2 and abs(y - 300) < 2


@pytest.mark.slow
def test_a_color_spreads_and_can_be_undone(session, service):
    pointed = session.point_at((900.0, 600.0))
    blue = pointed.with_color("#2040c0", service)
    assert blue.chosen == 0 and np.abs(blue.picture(service) - session.picture(service)).mean() > 1
    red = blue.with_color("#c02020", service)
    assert [hint.color for hint in red.look.hints] == ["#c02020"]
    back = red.undone(service)
    assert back.look == blue.look and np.array_equal(back.picture(service), blue.picture(service))
    assert back.redone(service).look == red.look
    assert np.array_equal(back.undone(service).picture(service), session.picture(service))
    assert np.abs(luminance_of(red.picture(service)) - luminance_of(session.preview)).mean() < 0.2


def test_a_new_decision_forgets_what_was_undone(session, service):
    picked = session.with_seed(3, service).undone(service)
    assert picked.can_redo
    assert not picked.with_strength(1.5).can_redo


def test_hints_are_found_moved_and_removed(session, service):
    one = session.point_at((900.0, 600.0)).with_color("#2040c0", service)
    two = one.point_at((200.0, 200.0)).with_color("#20c040", service)
    near_first = two.point_at((910.0, 590.0))
    assert near_first.chosen == 0
    moved = near_first.with_hint_moved((1000.0, 700.0), service)
    assert (moved.look.hints[0].x, moved.look.hints[0].y) == (1000.0, 700.0) and moved.chosen == 0
    left = moved.without_hint(service)
    assert [hint.color for hint in left.look.hints] == ["#20c040"] and left.chosen is None


def test_a_sweep_of_the_slider_is_one_decision(session):
    swept = session.with_strength(1.1).with_strength(1.2).with_strength(1.3)
    assert swept.look.strength == 1.3 and swept.position == 1
    later = session.with_strength(1.1)
    object.__setattr__(later, "decided", time.monotonic() - 10)
    assert later.with_strength(1.5).position == 2


def test_strength_needs_no_network(session, service, monkeypatch):
    monkeypatch.setattr(service.batcher, "predict_one", lambda *_: pytest.fail("ran the network"))
    assert np.ptp(session.with_strength(0).picture(service), axis=2).max() <= 1


def test_warmth_needs_no_network_and_is_a_decision_of_its_own(session, service, monkeypatch):
    monkeypatch.setattr(service.batcher, "predict_one", lambda *_: pytest.fail("ran the network"))
    warmer = session.with_strength(1.2).with_warmth(0.2).with_warmth(0.5)
    assert warmer.position == 2 and warmer.look == Look(1.2, warmth=0.5)
    reds, blues = (warmer.picture(service)[..., i].mean() for i in (0, 2))
    plain = session.with_strength(1.2).picture(service)
    assert reds > plain[..., 0].mean() + 2 and blues < plain[..., 2].mean() - 5


def test_suggestions_differ_and_begin_with_what_is_there(session, service):
    place = (900.0, 600.0)
    colors = session.colors_at(place)
    assert 2 <= len(colors) <= len(SEEDS) and len(set(colors)) == len(colors)
    x, y = (int(value) for value in session.to_preview(place))
    here = [int(colors[0][i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(session.picture(service)[y, x].astype(int) - here).max() < 40


def test_marks_show_where_the_hints_are(session, service):
    hinted = session.point_at((900.0, 600.0)).with_color("#2040c0", service)
    picture = hinted.picture(service)
    changed = np.argwhere((with_marks(picture, hinted) != picture).any(axis=2))
    x, y = hinted.to_preview((900.0, 600.0))
    assert len(changed) > 100 and np.abs(changed.mean(axis=0) - (y, x)).max() < 2


@pytest.mark.slow
def test_the_recipe_makes_the_same_picture(session, service, colorizer, tmp_path, monkeypatch):
    """Run as it stands, beside the photograph and the hints' file, it makes the picture that was decided."""
    decided = (
        session.with_seed(2, service)
        .with_strength(1.25)
        .with_warmth(-0.3)
        .point_at((900.0, 600.0))
        .with_color("#2040c0", service)
    )
    line = recipe(decided)
    assert line == "photochrom colorize cat.png --seed 2 --strength 1.25 --warmth -0.3 --hints cat-hints.json"
    shutil.copy(session.source, tmp_path / "cat.png")
    (tmp_path / "cat-hints.json").write_text(format_hint_file(decided.look.hints, *session.size), "utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.main, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    gray, hints = read_photograph(session.source).pixels, decided.look.hints
    expected = colorizer.colorize(gray, seed=2, strength=1.25, warmth=-0.3, hints=hints)
    assert np.array_equal(read_photograph(tmp_path / "cat-color.png").pixels, expected)


def test_the_store_removes_the_longest_untouched(tmp_path, session, monkeypatch):
    monkeypatch.setattr(store_module, "CAPACITY", 2)
    store = SessionStore(tmp_path, keep=100)
    (first, folder), (second, _) = store.create(), store.create()
    store.put(first, session)
    store.put(second, session)
    store.change(first, lambda s: s)
    store.create()
    assert folder.exists() and store.change(first, lambda s: s) is session
    with pytest.raises(InputError, match="open it again"):
        store.change(second, lambda s: s)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_kept_too_long_goes(tmp_path):
    store = SessionStore(tmp_path, keep=0)
    _, old = store.create()
    time.sleep(0.01)
    _, new = store.create()
    assert not old.exists() and new.exists()


def test_what_is_in_use_stays(tmp_path, monkeypatch):
    store = SessionStore(tmp_path, keep=1000)
    clock = iter(range(0, 100_000, 600))  # six hundred seconds pass between two looks at it
    monkeypatch.setattr("photochrom.darkroom.store.time.monotonic", lambda: next(clock))
    name, folder = store.create()
    for _ in range(4):
        store.touch(name)
    store.create()
    assert folder.exists()


def test_an_album_names_what_failed(service, tmp_path, photographs):
    sources = [tmp_path / "a" / "cat.jpg", tmp_path / "b" / "cat.jpg", tmp_path / "a" / "broken.jpg"]
    for source in sources:
        source.parent.mkdir(exist_ok=True)
        Photograph(photographs["chelsea"][..., 1]).save(source)
    sources[2].write_bytes(sources[0].read_bytes()[:3000])
    folder = tmp_path / "out"
    folder.mkdir()
    *steps, end = color_album(service, sources, folder, Look())
    assert [step.done for step in steps] == [1, 2, 3] and all(step.archive is None for step in steps)
    ((name, why),) = end.failures
    assert name == "broken.jpg" and "damaged" in why
    assert end.archive is not None
    with zipfile.ZipFile(end.archive) as file:
        assert file.namelist() == ["cat-color.jpg", "cat-color-2.jpg"] and file.testzip() is None


def test_an_album_of_failures_has_no_archive(service, tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"x")
    *_, end = color_album(service, [tmp_path / "x.jpg"], tmp_path, Look())
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
