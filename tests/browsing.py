"""What tests of the page share: a headless Chromium, and what a person does in it."""

import json
import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update"
SLOWEST = 120_000  # milliseconds, on a busy machine
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")


@contextmanager
def started_chromium():
    """A browser."""
    with sync_api.sync_playwright() as playwright:
        browser = launched(playwright.chromium)
        yield browser
        browser.close()


def launched(browser_type, *more):
    """A browser with more flags; a process of its own."""
    return browser_type.launch(executable_path=CHROMIUM, args=[f"--{word}" for word in (*QUIET.split(), *more)])


@contextmanager
def opened_page(browser, address, engine, width=1280, height=900, scheme="light", **context):
    """A page at an address when its engine has started. At the end nothing may have been asked of another host."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **context)
    page = context.new_page()
    page.set_default_timeout(SLOWEST)
    asked, faults = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    wait_for_text(page, "#engine", engine)
    yield page
    host = address.split("?")[0]
    assert len(asked) > 10 and [url for url in asked if not url.startswith((host, "data:", "blob:"))] == []
    assert faults == []
    context.close()


def packed(name, version, folder) -> Path:
    """The folder of a package of npm; skips where there is no npm, or no registry."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on this machine, and so perhaps no registry")
    installed = Path(subprocess.run(["npm", "root", "-g"], capture_output=True, text=True).stdout.strip()) / name
    if installed.exists():
        return installed
    done = subprocess.run(["npm", "pack", f"{name}@{version}"], cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        pytest.skip(f"npm could not get {name}")
    with tarfile.open(folder / f"{name}-{version}.tgz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def findings_of(page, axe) -> list[str]:
    """What axe finds serious or critical."""
    page.add_script_tag(content=(axe / "axe.min.js").read_text())
    found = page.evaluate("() => axe.run().then(({ violations }) => violations)")
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {node['html']}" for each in serious for node in each["nodes"]]


def wait_for_text(page, selector, text):
    """Wait until an element has a text."""
    shown = "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)"
    try:
        page.wait_for_function(shown, arg=[selector, text])
    except sync_api.TimeoutError:
        pytest.fail(f"{text!r} did not come to {selector}, which has {page.text_content(selector)!r}")


def open_photographs(page, *paths):
    """Open photographs, and wait for the first one in color and in its other colorings."""
    page.set_input_files("#files", paths)
    name = json.dumps(f"{paths[0].name}: ready", ensure_ascii=False)
    page.wait_for_selector(f"#strip button[aria-label={name}]")
    page.click(f"#strip button[aria-label={name}]")
    page.wait_for_selector("#samples button:nth-child(6)")


def wait_until_idle(page):
    """Wait until the picture is as the controls say: its pixels stay as they are."""
    page.wait_for_function("() => !window.photochrom.previews.running && !window.photochrom.background.running")


def picture_of(page) -> np.ndarray:
    """What the page shows in color, (h, w, 3)."""
    wait_until_idle(page)
    code = """() => {
        const { after } = window.photochrom.state.photo;
        const context = new OffscreenCanvas(after.width, after.height).getContext("2d");
        context.drawImage(after, 0, 0);
        return [after.width, after.height, [...context.getImageData(0, 0, after.width, after.height).data]];
    }"""
    width, height, values = page.evaluate(code)
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3].astype(int)


def size_of(page):
    """Width and height of what the page shows in color."""
    wait_until_idle(page)
    return page.evaluate(
        "() => [window.photochrom.state.photo.after.width, window.photochrom.state.photo.after.height]"
    )


def click_picture(page, u, v):
    """Click the photograph at a place, given as fractions of its sides."""
    left, top, width, height = page.evaluate(PLACE)
    page.mouse.click(left + u * width, top + v * height)


def drag_picture(page, *places):
    """Drag from place to place of the photograph."""
    left, top, width, height = page.evaluate(PLACE)
    points = [(left + u * width, top + v * height) for u, v in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


PLACE = """() => {
    const { left, top } = document.querySelector("#canvas").getBoundingClientRect();
    const { view, state: { photo } } = window.photochrom;
    const [x, y, scale] = view.place;
    return [left + x, top + y, photo.width * scale, photo.height * scale];
}"""


def set_slider(page, name, value):
    """Move a slider by the keyboard, as a person without a mouse does."""
    page.locator(f"#{name}").evaluate("(slider, value) => { slider.value = value }", str(value))
    page.locator(f"#{name}").dispatch_event("input")


def save(page, folder, format="", button="#save"):
    """Save, and return the path of the file."""
    page.select_option("#format", format)
    with page.expect_download() as download:
        page.click(button)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def difference(path, expected) -> int:
    """The largest difference between a file and pixels, of 255 steps."""
    return int(np.abs(np.asarray(Image.open(path).convert("RGB")).astype(int) - expected).max())
