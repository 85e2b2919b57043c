"""The darkroom's page in a real browser: a headless Chromium that may talk to this machine alone."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
sync_api = pytest.importorskip("playwright.sync_api")

from photochrom import Colorizer, Photograph
from photochrom.photo.decoding import decode_photograph, read_photograph
from photochrom.photo.hints import read_hints

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update"
SLOWEST = 60_000  # milliseconds, on a busy machine
WORKING_SIZE = "64"  # what the page does is tested here, not how well the network colors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("page"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium"),
]


@pytest.fixture(scope="module")
def address():
    command = [sys.executable, "-m", "photochrom", "serve", "--port", "0", "--working-size", WORKING_SIZE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    assert process.wait(30) == 0


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{word}" for word in QUIET.split()])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    yield from open_page(chromium, address, width=1280, scheme="light")


@pytest.fixture
def phone(chromium, address):
    yield from open_page(chromium, address, width=390, scheme="dark")


def open_page(chromium, address, width, scheme):
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(SLOWEST)
    asked, faults = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#photograph input[type=file]", state="attached")
    yield page
    outside = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert len(asked) > 20 and outside == [] and faults == []
    page.close()


@pytest.fixture
def scan(tmp_path, photographs):
    """A scan that no browser shows: a 16-bit TIFF."""
    path = tmp_path / "cat.tif"
    Photograph(photographs["chelsea"][..., 1].astype(np.uint16) * 257).save(path)
    return path


def open_photograph(page, path):
    page.set_input_files("#photograph input[type=file]", path)
    page.wait_for_selector("#slider img")
    wait_for_text(page, "#status", path.name)


def wait_for_text(page, selector, text, timeout=SLOWEST):
    shown = "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)"
    page.wait_for_function(shown, arg=[selector, text], timeout=timeout)


def repeat_until(page, act, selector, text):
    """Act until a text is there: what is still being drawn loses a key."""
    for _ in range(SLOWEST // 3000):
        act()
        with suppress(sync_api.TimeoutError):
            wait_for_text(page, selector, text, timeout=3000)
            return
    found = page.locator(selector).all_inner_texts()
    pytest.fail(f"{text!r} did not come to {selector}, which shows {found}; #status: {page.inner_text('#status')!r}")


def picture_of(page, selector) -> np.ndarray:
    source = page.locator(f"{selector} img").last.get_attribute("src")
    return np.asarray(Image.open(io.BytesIO(page.request.get(source).body())).convert("RGB")).astype(int)


def change(page, selector, act) -> tuple[np.ndarray, np.ndarray]:
    """The picture before and after doing something that changes it."""
    source, before = page.locator(f"{selector} img").last.get_attribute("src"), picture_of(page, selector)
    act()
    page.wait_for_function(
        "([s, old]) => [...document.querySelectorAll(s + ' img')].at(-1).src !== old", arg=[selector, source]
    )
    return before, picture_of(page, selector)


def set_slider(page, name, value):
    field = page.locator(f"#{name} input[type=number]")
    field.fill(str(value))
    field.press("Tab")


def save(page):
    with page.expect_download() as download:
        page.click("#save")
    return download.value


def test_from_a_scan_to_the_same_scan_in_color(page, scan):
    open_photograph(page, scan)
    assert np.ptp(picture_of(page, "#slider"), axis=2).mean() > 3  # colorful
    saved = save(page)
    assert saved.suggested_filename == "cat-color.tif"
    colored = Colorizer(working_size=int(WORKING_SIZE)).colorize(read_photograph(scan).pixels)
    assert np.array_equal(read_photograph(saved.path()).pixels, colored)


def test_the_slider_moves_by_mouse(page, scan):
    open_photograph(page, scan)
    box = page.locator("#slider img").last.bounding_box()
    handle = page.locator("#slider .inner, #slider [role=slider]").first
    position = handle.bounding_box()["x"]
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 5, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert handle.bounding_box()["x"] < position - 50


def test_another_coloring(page, scan):
    open_photograph(page, scan)
    before, after = change(page, "#slider", lambda: page.locator("#colorings button").nth(2).click())
    assert np.abs(before - after).mean() > 1
    assert "--seed 2" in page.input_value("#recipe textarea")
    page.keyboard.press("Control+z")
    wait_for_text(page, "#redo", "Redo")
    page.wait_for_function("() => !document.querySelector('#recipe textarea').value.includes('--seed')")


def test_two_hints_and_their_file(page, scan, tmp_path):
    open_photograph(page, scan)
    page.get_by_role("tab", name="Choose colors").click()
    box = page.wait_for_selector("#canvas img").bounding_box()
    page.click("#canvas img", position={"x": box["width"] / 2, "y": box["height"] / 2})
    page.wait_for_selector("#suggestions button")
    change(page, "#canvas", lambda: page.locator("#suggestions button").nth(1).click())
    wait_for_text(page, "#hints", "#")
    change(page, "#canvas", lambda: page.click("#canvas img", position={"x": box["width"] / 4, "y": 60}))
    page.click("#picker button")
    page.locator("#picker input[type=text]").fill("#2040c0")
    page.keyboard.press("Tab")
    before, after = change(page, "#canvas", lambda: page.click("#apply"))
    row, column = 60 * before.shape[0] / box["height"], before.shape[1] / 4
    near = np.s_[int(row) - 30 : int(row) - 15, int(column) - 8 : int(column) + 8]
    assert (after[near][..., 2] - before[near][..., 2]).mean() > 10  # blue has spread
    assert page.locator("#hints input").count() == 2
    saved = save(page)
    with page.expect_download() as download:
        page.locator("#saved a[download]").nth(1).click()
    assert download.value.suggested_filename == "cat-hints.json"
    hints = read_hints(download.value.path())
    assert hints.size == (451, 300) and hints.hints[1].color == "#2040c0"
    command = [sys.executable, "-m", "photochrom", "colorize", scan, "-o", tmp_path / "again.tif"]
    command += ["--working-size", WORKING_SIZE]
    subprocess.run([*command, "--hints", download.value.path()], check=True)
    assert np.array_equal(read_photograph(tmp_path / "again.tif").pixels, read_photograph(saved.path()).pixels)
    change(page, "#canvas", lambda: page.click("#remove"))
    assert page.locator("#hints input").count() == 1


def test_strength_acts_at_once_and_needs_no_mouse(page, scan):
    open_photograph(page, scan)
    _, gray = change(page, "#slider", lambda: set_slider(page, "strength", 0))
    assert np.ptp(gray, axis=2).max() < 12
    before, after = change(page, "#slider", lambda: page.click("#undo"))
    assert np.ptp(after, axis=2).mean() > np.ptp(before, axis=2).mean() + 3


def test_warmth_acts_at_once_and_stands_in_the_recipe(page, scan):
    open_photograph(page, scan)
    before, after = change(page, "#slider", lambda: set_slider(page, "warmth", 0.8))
    yellow = [picture[..., :2].mean() - picture[..., 2].mean() for picture in (before, after)]
    assert yellow[1] > yellow[0] + 3
    assert "--warmth 0.8" in page.locator("#recipe textarea").input_value()


def test_a_place_by_the_keyboard(page, scan):
    open_photograph(page, scan)
    page.get_by_role("tab", name="Choose colors").press("Enter")
    page.get_by_role("button", name="Choose a place without a mouse").press("Enter")

    def choose_the_place():
        page.fill("#x input", "200")
        page.fill("#y input", "150")
        page.locator("#point").press("Enter")

    repeat_until(page, choose_the_place, "#status", "at 200, 150 is chosen")
    suggestion = page.locator("#suggestions button").first
    repeat_until(page, lambda: suggestion.press("Enter"), "#hints", "at 200, 150")
    wait_for_text(page, "#status", "at 200, 150 is #")


def test_everything_is_reached_by_tab(page, scan):
    open_photograph(page, scan)
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached |= set(
            page.evaluate(
                "() => { const ids = []; for (let e = document.activeElement; e; "
                "e = e.parentElement) if (e.id) ids.push(e.id); return ids }"
            )
        )
    assert {"photograph", "examples", "strength", "warmth", "colorings", "format", "save", "recipe"} <= reached


def test_what_can_not_be_done_is_said_on_the_page(page, tmp_path):
    (tmp_path / "notes.jpg").write_text("not a photograph")
    page.set_input_files("#photograph input[type=file]", tmp_path / "notes.jpg")
    wait_for_text(page, "#status", "notes.jpg is not supported: unknown format")
    assert page.locator("#status [role=status].problem").count() == 1
    page.click("#save")
    wait_for_text(page, "#status", "Open a photograph first")


def test_pasting(page, photographs, tmp_path):
    Image.fromarray(photographs["coffee"][..., 1]).save(tmp_path / "cup.png")
    data = list((tmp_path / "cup.png").read_bytes())
    page.evaluate(
        """(data) => {
            const carrier = new DataTransfer();
            carrier.items.add(new File([new Uint8Array(data)], "cup.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: carrier, bubbles: true }));
        }""",
        data,
    )
    wait_for_text(page, "#status", "cup.png, 600 × 400")


def test_many_photographs_with_a_broken_one(page, scan, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    shutil.copy(scan, tmp_path / "second.tif")
    page.get_by_role("tab", name="Many photographs").click()
    page.set_input_files("#album input[type=file]", [scan, tmp_path / "broken.jpg", tmp_path / "second.tif"])
    wait_for_text(page, "#album", "second")
    page.click("#color-all")
    wait_for_text(page, "#album-status", "3 of 3 done: 2 colored, 1 failed")
    wait_for_text(page, "#album-status", "broken.jpg")
    with page.expect_download() as download:
        page.locator("#zip a[download]").click()
    with zipfile.ZipFile(download.value.path()) as file:
        assert file.namelist() == ["cat-color.tif", "second-color.tif"]
        assert decode_photograph(file.read("cat-color.tif")).pixels.dtype == np.uint16


def test_a_phone_in_the_dark(phone):
    phone.locator("#examples button").first.click()
    phone.wait_for_selector("#slider img")
    assert phone.evaluate("() => document.documentElement.scrollWidth") <= 390
    background = phone.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert sum(json.loads(background.replace("rgb(", "[").replace(")", "]"))) < 200
    if folder := os.environ.get("PHOTOCHROM_SCREENSHOTS"):
        phone.screenshot(path=f"{folder}/phone.png", full_page=True)
