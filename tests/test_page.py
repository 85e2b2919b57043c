"""The page of `photochrom serve` in a real browser."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from browsing import (
    click_picture,
    drag_picture,
    findings_of,
    needs_chromium,
    open_photographs,
    opened_page,
    packed,
    picture_of,
    save,
    set_slider,
    size_of,
    started_chromium,
    wait_for_text,
    wait_until_idle,
)

from photochrom import Colorizer, Photograph
from photochrom.photo.decoding import decode_photograph, read_photograph
from photochrom.photo.hints import read_hints

WORKING_SIZE = "64"  # what the page does is tested here, not how well the network colors
ENGINE = "On the server"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page"), needs_chromium]


@pytest.fixture(scope="module")
def address():
    command = [sys.executable, "-m", "photochrom", "serve", "--port", "0", "--working-size", WORKING_SIZE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    assert process.wait(30) == 0
    process.stdout.close()


@pytest.fixture(scope="module")
def chromium():
    with started_chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium, address):
    with opened_page(chromium, address, ENGINE) as page:
        yield page


@pytest.fixture
def scan(tmp_path, photographs):
    """A scan that no browser shows: a 16-bit TIFF, with a name as people give."""
    path = tmp_path / "Größe d'été.tif"
    Photograph(photographs["chelsea"][..., 1].astype(np.uint16) * 257).save(path)
    return path


def repeated(page, folder, name):
    """What the command that the page shows makes, in a folder."""
    words = shlex.split(page.input_value("#command"))
    assert words[:2] == ["photochrom", "colorize"]
    subprocess.run([sys.executable, "-m", *words, "-o", folder / name], cwd=folder, check=True, capture_output=True)
    return read_photograph(folder / name).pixels


def assert_same(one, two):
    """Equal, but for the order in which other numbers of threads add: a small part of a step of 8 bits."""
    assert one.dtype == two.dtype == np.uint16 and one.shape == two.shape
    assert np.abs(one.astype(int) - two).max() <= 64


def test_from_a_scan_to_the_same_scan_in_color(page, scan, tmp_path):
    open_photographs(page, scan)
    assert np.ptp(picture_of(page), axis=2).mean() > 3  # colorful
    saved = save(page, tmp_path)
    assert saved.name == "Größe d'été-color.tif"
    colored = Colorizer(working_size=int(WORKING_SIZE)).colorize(read_photograph(scan).pixels)
    assert_same(read_photograph(saved).pixels, colored)
    assert_same(repeated(page, tmp_path, "again.tif"), colored)


def test_the_line_moves_by_mouse_and_keys(page, scan):
    open_photographs(page, scan)
    drag_picture(page, (0.5, 0.5), (0.2, 0.5))
    assert page.evaluate("() => window.photochrom.state.split") == pytest.approx(0.2, abs=0.02)
    page.press("#split", "ArrowRight")
    assert page.evaluate("() => window.photochrom.state.split") == pytest.approx(0.21, abs=0.02)


def test_zoom_shows_more_pixels(page, photographs, tmp_path):
    path = tmp_path / "large.png"
    Image.fromarray(photographs["coffee"]).resize((2400, 1600)).save(path)
    open_photographs(page, path)
    assert size_of(page) == [1280, 853]
    for _ in range(3):
        page.click("#in")
    assert size_of(page) == [2400, 1600]
    page.click("#fit")
    assert page.evaluate("() => window.photochrom.view.zoom") == 1


def test_another_coloring_and_undo(page, scan):
    open_photographs(page, scan)
    before = picture_of(page)
    page.locator("#samples button").nth(2).click()
    assert np.abs(before - picture_of(page)).mean() > 1
    assert "--seed 2" in page.input_value("#command")
    page.keyboard.press("Control+z")
    assert "--seed" not in page.input_value("#command") and np.array_equal(picture_of(page), before)
    page.keyboard.press("Control+Shift+z")
    assert "--seed 2" in page.input_value("#command")
    page.click("#more")
    page.wait_for_selector("#samples button:nth-child(12)")


def test_colors_of_things(page, scan, tmp_path):
    open_photographs(page, scan)
    page.click("[data-tool=point]")
    click_picture(page, 0.5, 0.5)
    wait_for_text(page, "#status", "give it a color")
    assert page.locator("#suggestions button").count() >= 2
    before = picture_of(page)
    page.click("#palette [aria-label=sky]")
    after = picture_of(page)
    assert (after - before)[140:160, 215:235, 2].mean() > 10
    click_picture(page, 0.5, 0.5)  # chooses it
    page.locator("#suggestions button").last.click()
    page.click("[data-tool=brush]")
    set_slider(page, "radius", 5)
    drag_picture(page, (0.1, 0.2), (0.3, 0.2), (0.3, 0.4))
    page.click("#palette [aria-label=leaf]")
    assert page.locator("#hints button").count() == 2
    saved = save(page, tmp_path)
    hints = read_hints(save(page, tmp_path, button="#hintsfile"))
    assert hints.size == (451, 300) and hints.hints[1].color == "#5b8c3a" and len(hints.hints[1].path) > 2
    assert hints.hints[1].radius == 15
    assert_same(repeated(page, tmp_path, "again.tif"), read_photograph(saved).pixels)
    page.click("#remove")
    assert page.locator("#hints button").count() == 1 and " --hint " in page.input_value("#command")


def test_a_color_is_moved(page, scan):
    open_photographs(page, scan)
    page.click("[data-tool=point]")
    click_picture(page, 0.5, 0.5)
    page.click("#palette [aria-label=brick]")
    drag_picture(page, (0.5, 0.5), (0.25, 0.75))
    wait_for_text(page, "#status", "The place at 113, 225 is #a0523d")


def test_strength_and_warmth(page, scan, tmp_path):
    open_photographs(page, scan)
    colored = picture_of(page)
    set_slider(page, "strength", 0)
    assert np.ptp(picture_of(page), axis=2).max() < 12
    page.click("#undo")
    assert np.abs(picture_of(page) - colored).mean() < 1
    set_slider(page, "warmth", 0.8)
    warm = picture_of(page)
    yellow = [picture[..., :2].mean() - picture[..., 2].mean() for picture in (colored, warm)]
    assert yellow[1] > yellow[0] + 3
    assert "--warmth 0.8" in page.input_value("#command")


def test_all_of_it_by_keys(page, scan):
    open_photographs(page, scan)
    page.focus("#canvas")
    for key in ("ArrowLeft", "Shift+ArrowUp", "Enter"):
        page.keyboard.press(key)
    wait_for_text(page, "#status", "The place at 216, 149 is chosen")
    page.locator("#suggestions button").first.press("Enter")
    wait_for_text(page, "#status", "The place at 216, 149 is #")
    page.focus("#canvas")
    page.keyboard.press("Delete")
    assert page.locator("#hints button").count() == 0
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("() => document.activeElement.id || document.activeElement.parentElement.id"))
    needed = {"add", "canvas", "split", "fit", "strength", "warmth", "samples", "palette", "any", "radius"}
    assert needed | {"format", "save", "all", "command", "undo"} <= reached


def test_a_refused_file_blocks_nothing(page, scan, tmp_path):
    page.click("#save")
    wait_for_text(page, "#status", "Open a photograph first")
    (tmp_path / "notes.jpg").write_text("not a photograph")
    page.set_input_files("#files", [tmp_path / "notes.jpg"])
    wait_for_text(page, "#status", "notes.jpg is not supported: unknown format")
    assert "/" not in page.text_content("#status") and "problem" in page.get_attribute("#status", "class")
    open_photographs(page, scan)
    page.click("#strip button[aria-label^='notes.jpg']")
    wait_for_text(page, "#status", "notes.jpg is not supported")


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_other_ways_in(page, photographs, way):
    content = io.BytesIO()
    Image.fromarray(photographs["coffee"][..., 1]).save(content, "png")
    page.evaluate(
        """([data, way]) => {
            const carrier = new DataTransfer();
            carrier.items.add(new File([new Uint8Array(data)], "cup.png", { type: "image/png" }));
            const facts = { clipboardData: carrier, dataTransfer: carrier, bubbles: true, cancelable: true };
            document.dispatchEvent(way === "paste" ? new ClipboardEvent("paste", facts) : new DragEvent("drop", facts));
        }""",
        [list(content.getvalue()), way],
    )
    wait_for_text(page, "#status", "cup.png, 600 × 400 pixels")


def test_many_photographs_with_a_broken_one(page, scan, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    other = tmp_path / "other" / scan.name
    other.parent.mkdir()
    shutil.copy(scan, other)
    open_photographs(page, scan, tmp_path / "broken.jpg", other)
    set_slider(page, "strength", 0.5)
    page.click("#same")
    zipped = save(page, tmp_path, button="#all")
    wait_for_text(page, "#status", "2 colored, 1 failed. broken.jpg")
    with zipfile.ZipFile(zipped) as file:
        assert file.testzip() is None
        assert file.namelist() == ["Größe d'été-color.tif", "Größe d'été-color-2.tif"]
        one, two = (decode_photograph(file.read(name)).pixels for name in file.namelist())
    assert_same(one, two)
    page.click("#strip button[aria-label^='Close']")
    assert page.locator("#strip li").count() == 2


SCREENS = [(1280, 900, "light"), (1280, 900, "dark"), (390, 800, "light"), (390, 800, "dark")]


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return packed("axe-core", "4.14.1", tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("width, height, scheme", SCREENS)
def test_axe_finds_nothing_serious(chromium, address, scan, axe, width, height, scheme):
    with opened_page(chromium, address, ENGINE, width, height, scheme, bypass_csp=True) as page:
        assert findings_of(page, axe) == []
        open_photographs(page, scan)
        page.press("#canvas", "Enter")
        page.click("#palette [aria-label=leaf]")
        for part in ("look", "hints", "save"):
            page.evaluate("part => { document.body.dataset.part = part }", part)
            assert findings_of(page, axe) == []


@pytest.mark.parametrize("width, height, scheme", [SCREENS[0], SCREENS[3]])
def test_all_controls_fit_the_screen(chromium, address, scan, width, height, scheme):
    with opened_page(chromium, address, ENGINE, width, height, scheme) as page:
        page.locator("#examples button").first.click()
        open_photographs(page, scan)
        page.press("#canvas", "Enter")
        page.click("#palette [aria-label=leaf]")
        wait_until_idle(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert page.evaluate("() => document.documentElement.scrollHeight") <= height
        for part in ("look", "hints", "save"):
            if page.is_visible("nav"):
                page.click(f"[data-show={part}]")
            for box in [each.bounding_box() for each in page.locator(f"#{part}-part button").all()]:
                assert box["x"] >= 0 and box["x"] + box["width"] <= width
                assert box["y"] >= 0 and box["y"] + box["height"] <= height
        background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) < 200) == (scheme == "dark")
        if folder := os.environ.get("PHOTOCHROM_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/page-{width}.png")


def test_with_a_token(chromium):
    command = [sys.executable, "-m", "photochrom", "serve", "--port", "0", "--token", "secret"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().split()[3].split("?")[0]
    try:
        with opened_page(chromium, f"{address}?token=secret", ENGINE) as page:
            page.locator("#examples button").first.click()
            page.wait_for_selector("#samples button:nth-child(2)")
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
