"""The page in a real browser, with the network in it: a headless Chromium that may talk to this machine alone."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage import data

pytest.importorskip("onnx")

from browsing import (
    click_picture,
    difference,
    drag_picture,
    launched,
    needs_chromium,
    open_photographs,
    opened_page,
    packed,
    save,
    set_slider,
    started_chromium,
    wait_for_text,
)

from photochrom import Colorizer, cli
from photochrom.errors import InputError
from photochrom.inference.colorizer import noise_vector
from photochrom.photo.decoding import read_photograph
from photochrom.photo.metadata import xmp as xmp_tools
from photochrom.photo.metadata.marking import is_unchanged, read_mark
from photochrom.photo.metadata.record import Metadata
from photochrom.web.build import build, write_folder
from photochrom.web.files import page_files
from photochrom.web.runtime import SHA256, VERSION, cache_folder, read_runtime

WORKING_SIZE = 64  # what the page does is tested here, not how well the network colors
NEAR = 2  # of 255: how far the page's colors may be from the command line's
ENGINE = "In this browser"

pytestmark = [pytest.mark.xdist_group("page"), needs_chromium]
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """onnxruntime-web: what `photochrom web` has downloaded, or npm's."""
    if all((cache_folder() / name).exists() for name in SHA256):
        return read_runtime(None)
    return read_runtime(packed("onnxruntime-web", VERSION, tmp_path_factory.mktemp("npm")) / "dist")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, runtime):
    folder = tmp_path_factory.mktemp("web") / "page"
    write_folder(build("default", WORKING_SIZE, runtime), folder)
    return folder


@pytest.fixture(scope="module")
def address(folder):
    code = "import sys; from pathlib import Path; from photochrom.web.host import serve_folder; "
    code += "serve_folder(Path(sys.argv[1]), 0, lambda text: print(text, flush=True))"
    process = subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True)
    yield next(word for word in process.stdout.readline().split() if word.startswith("http"))
    process.terminate()
    process.wait(30)
    process.stdout.close()


@pytest.fixture(scope="module")
def chromium():
    with started_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(chromium, address):
    """One page for all tests, because the network takes seconds to start."""
    with opened_page(chromium, address, ENGINE) as page:
        yield page


@pytest.fixture
def cat(tmp_path, photographs):
    """A gray photograph whose name is Latin, as files of old scanners and new phones are."""
    path = tmp_path / "Größe d'été.png"
    Image.fromarray(photographs["chelsea"][..., 1]).save(path)
    return path


@pytest.fixture(autouse=True)
def no_photographs(request):
    """Close what a test opened."""
    yield
    if "page" in request.fixturenames:
        page = request.getfixturevalue("page")
        while page.locator("#strip li").count():
            page.locator("#strip li > :last-child").first.click()


@slow
def test_the_page_colors_as_the_command_line_does(page, cat, photographs, tmp_path):
    open_photographs(page, cat)
    saved = save(page, tmp_path)
    assert saved.name == "Größe d'été-color.png"
    expected = Colorizer(working_size=WORKING_SIZE).colorize(photographs["chelsea"][..., 1])
    assert difference(saved, expected) <= NEAR
    assert np.ptp(expected.astype(int), axis=2).mean() > 3
    told = CliRunner().invoke(cli.main, ["info", str(saved)]).output
    assert "unchanged" in told and "working size:        64" in told


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """Ten photographs as people have them: gray and in color, upright and lying, opaque and not, small and narrow."""
    folder = tmp_path_factory.mktemp("ten")
    turned = Image.Exif()
    turned[0x0112] = 6
    astronaut, cat, cup, man = (
        Image.fromarray(getattr(data, n)()) for n in ("astronaut", "chelsea", "coffee", "camera")
    )
    transparent = cat.convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize(cat.size).point(lambda value: 255 if value > 60 else 0))
    astronaut.convert("L").save(folder / "gray.jpg", quality=90)
    astronaut.save(folder / "color.jpg", quality=95, subsampling=0)
    cat.convert("L").save(folder / "turned.jpg", exif=turned)
    transparent.save(folder / "transparent.png")
    cup.crop((100, 80, 401, 261)).convert("L").save(folder / "crop.png")
    cup.convert("L").convert("P").save(folder / "palette.png")
    man.save(folder / "square.webp", lossless=True)
    man.crop((0, 200, 500, 240)).save(folder / "narrow.bmp")
    cat.crop((200, 100, 217, 123)).convert("L").save(folder / "small.png")
    man.point(lambda value: 255 if value > 100 else 0).convert("1").save(folder / "two tones.gif")
    return sorted(folder.iterdir())


@slow
def test_ten_photographs(page, ten, tmp_path):
    colorizer = Colorizer(working_size=WORKING_SIZE)
    page.set_input_files("#files", ten)
    for path in ten:
        page.locator(f"#strip button[aria-label^='{path.name}: ready']").click()
        wait_for_text(page, "#status", f"{path.name}, ")
        pixels = read_photograph(path).pixels.copy()
        saved = save(page, tmp_path, "png")
        found = np.asarray(Image.open(saved).convert("RGBA")).astype(int)
        hidden = found[..., 3] == 0
        assert hidden.any() == ("transparent" in path.name)
        pixels[hidden] = 0  # browsers have no colors under what is not seen
        expected = colorizer.colorize(pixels)
        assert np.abs(found[..., :3] - expected)[~hidden].max() <= NEAR, path.name
        assert ("--recolor" in page.input_value("#command")) == (path.stem in ("color", "transparent")), path.name


@slow
def test_all_decisions(page, cat, tmp_path):
    """The file that the page writes is, in colors and in its mark, that of the command that it shows."""
    open_photographs(page, cat)
    page.locator("#samples button").nth(3).click()
    set_slider(page, "strength", 1.3)
    set_slider(page, "warmth", -0.4)
    page.click("[data-tool=point]")
    click_picture(page, 0.6, 0.4)
    page.click("#palette [aria-label=brick]")
    page.click("[data-tool=brush]")
    drag_picture(page, (0.1, 0.2), (0.3, 0.2), (0.3, 0.5))
    page.click("#palette [aria-label=sky]")
    saved = save(page, tmp_path)
    save(page, tmp_path, button="#hintsfile")
    words = shlex.split(page.input_value("#command"))
    again = tmp_path / "again.png"
    subprocess.run([sys.executable, "-m", *words, "-o", again], cwd=cat.parent, check=True)
    assert difference(saved, np.asarray(Image.open(again)).astype(int)) <= NEAR
    ours, theirs = (read_photograph(path).metadata for path in (saved, again))
    mark, other = read_mark(Metadata(xmp=packet_of(saved))), read_mark(Metadata(xmp=packet_of(again)))
    assert mark == other and mark.settings_sha256 == other.settings_sha256
    assert ours.exif == theirs.exif


@slow
def test_metadata_of_a_jpeg_are_kept(page, tmp_path, photographs):
    path = tmp_path / "old.jpg"
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif.get_ifd(0x8769)[0x9003] = 8, "Leica", "1932:05:01 12:00:00"
    xmp = xmp_tools.parse(b"")
    xmp_tools.add(
        xmp, [xmp_tools.Property("dc", "title", "Großmutter", "alt"), xmp_tools.Property("tiff", "Orientation", "8")]
    )
    Image.fromarray(photographs["chelsea"][..., 1]).save(
        path, exif=exif, xmp=xmp_tools.pack(xmp), comment=b"from a box"
    )
    open_photographs(page, path)
    saved = save(page, tmp_path)
    wait_for_text(page, "#status", "Not kept: comments and texts.")
    kept = Image.open(saved)
    assert kept.size == (300, 451) and kept.getexif()[0x0112] == 1 and kept.getexif()[0x010F] == "Leica"
    assert kept.getexif().get_ifd(0x8769)[0x9003] == "1932:05:01 12:00:00"
    document = xmp_tools.parse(packet_of(saved))
    assert xmp_tools.value_of(document, "dc", "title") == "Großmutter"
    assert xmp_tools.find(document, "tiff", "Orientation") is None
    assert is_unchanged(saved.read_bytes())


@slow
def test_a_refused_file_blocks_nothing(page, cat, tmp_path):
    (tmp_path / "notes.jpg").write_text("not a photograph")
    page.set_input_files("#files", [tmp_path / "notes.jpg"])
    wait_for_text(page, "#status", "notes.jpg can't be read by this browser: it reads JPEG, PNG")
    open_photographs(page, cat)


@slow
def test_24_megapixels(page, photographs, tmp_path):
    path = tmp_path / "large.jpg"
    Image.fromarray(photographs["coffee"][..., 1]).resize((6000, 4000), Image.Resampling.BICUBIC).save(path)
    open_photographs(page, path)
    saved = save(page, tmp_path, "png")
    expected = Colorizer(working_size=WORKING_SIZE).colorize(read_photograph(path).pixels)
    assert difference(saved, expected) <= NEAR


@slow
def test_without_a_network(chromium, address, cat, tmp_path):
    with opened_page(chromium, address, ENGINE) as page:
        page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
        page.context.set_offline(True)
        page.reload()
        wait_for_text(page, "#engine", ENGINE)
        open_photographs(page, cat)
        assert save(page, tmp_path).stat().st_size > 10_000
        manifest = page.evaluate("async () => (await fetch('manifest.webmanifest')).json()")
        assert manifest["display"] == "standalone" and manifest["icons"]


@slow
def test_a_host_without_the_two_headers(chromium, folder):
    """One thread at first; after the first visit the service worker sends the headers."""
    code = "import http.server, functools, sys; handler = functools.partial(http.server.SimpleHTTPRequestHandler, "
    code += "directory=sys.argv[1]); server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler); "
    code += "print(server.server_address[1], flush=True); server.serve_forever()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        host = f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        with opened_page(chromium, host, "WebAssembly, 1 thread") as page:
            assert not page.evaluate("() => crossOriginIsolated")
            page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
            page.reload()
            wait_for_text(page, "#engine", ENGINE)
            assert page.evaluate("() => crossOriginIsolated")
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@slow
def test_no_webassembly_is_one_sentence(chromium, address):
    browser = launched(chromium.browser_type, "js-flags=--jitless")
    page = browser.new_page()
    page.goto(address)
    wait_for_text(page, "#status", "this browser can't color photographs: WebAssembly is missing")
    browser.close()


@slow
def test_too_little_memory_is_one_sentence(page, chromium, address, cat, tmp_path):
    """A browser that gives no large canvas, as telephones do."""
    Image.new("L", (3000, 2000), 90).save(tmp_path / "large.png")
    with opened_page(chromium, address, ENGINE, service_workers="block") as small:
        short = "const get = OffscreenCanvas.prototype.getContext;\n"
        short += "const most = function (...all) { return this.width > 2600 ? null : get.apply(this, all); };\n"
        short += "OffscreenCanvas.prototype.getContext = most;\n"
        small.route(
            "**/worker.js", lambda route: route.fulfill(response=(got := route.fetch()), body=short + got.text())
        )
        small.reload()
        wait_for_text(small, "#engine", ENGINE)
        open_photographs(small, tmp_path / "large.png", cat)
        small.click("#save")
        wait_for_text(small, "#status", "there is not enough memory for large.png: close other tabs")
        small.click("#strip button[aria-label^='Größe']")
        assert save(small, tmp_path).stat().st_size > 10_000


def packet_of(path) -> bytes:
    """The XMP of a file, as bytes."""
    content = path.read_bytes()
    return content[content.index(b"<?xpacket begin") : content.index(b'<?xpacket end="w"?>') + 19]


def test_files_are_for_any_host(folder):
    setup = json.loads((folder / "setup.json").read_text())
    assert {path: (folder / path).stat().st_size for path in setup["files"]} == setup["files"]
    kept = json.loads((folder / "sw.js").read_text().split("FILES = ")[1].split(";")[0])
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {*kept, "sw.js"} == there | {"./"}
    assert np.array_equal(np.float32(setup["noise"][6]), noise_vector(7, 8))


def test_the_page_is_small():
    """A page that one person can read, without a framework."""
    code = [
        line
        for name, content in page_files().items()
        if name.endswith((".js", ".html", ".css"))
        for line in map(str.strip, content.decode().splitlines())
        if line and not line.startswith(("//", "/**", "* ", "*/"))
    ]
    assert len(code) <= 1200 and max(map(len, code)) <= 140


def test_a_folder_without_the_runtime_is_named(tmp_path):
    with pytest.raises(InputError, match=r"onnxruntime-web 1\.30\.0.*dist"):
        read_runtime(tmp_path)
    for name in SHA256:
        (tmp_path / name).write_bytes(b"something else")
    done = CliRunner().invoke(cli.main, ["web", str(tmp_path / "page"), "--runtime", str(tmp_path)])
    assert done.exit_code == 2 and "name the folder dist" in done.output and not (tmp_path / "page").exists()
