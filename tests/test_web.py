"""The page in a real browser, with the network in it: a headless Chromium that may talk to this machine alone."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

pytest.importorskip("onnx")

from browsing import (
    difference,
    needs_chromium,
    open_photographs,
    opened_page,
    save,
    started_chromium,
)

from photochrom import Colorizer, cli
from photochrom.errors import InputError
from photochrom.inference.colorizer import noise_vector
from photochrom.web.build import build, write_folder
from photochrom.web.runtime import SHA256, read_runtime

WORKING_SIZE = 64  # what the page does is tested here, not how well the network colors
NEAR = 2  # of 255: how far the page's colors may be from the command line's
ENGINE = "In this browser"

pytestmark = [pytest.mark.xdist_group("page"), needs_chromium]
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def runtime():
    """onnxruntime-web: npm's global one, or what `photochrom web` has downloaded or downloads now."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on this machine, and so perhaps no registry")
    modules = Path(subprocess.run(["npm", "root", "-g"], capture_output=True, text=True).stdout.strip())
    folder = modules / "onnxruntime-web" / "dist"
    try:
        return read_runtime(folder if folder.exists() else None, tell=lambda text: None)
    except InputError as error:
        return pytest.skip(str(error))


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


def test_files_are_for_any_host(folder):
    setup = json.loads((folder / "setup.json").read_text())
    assert {path: (folder / path).stat().st_size for path in setup["files"]} == setup["files"]
    kept = json.loads((folder / "sw.js").read_text().split("FILES = ")[1].split(";")[0])
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {*kept, "sw.js"} == there | {"./"}
    assert np.array_equal(np.float32(setup["noise"][6]), noise_vector(7, 8))


def test_a_folder_without_the_runtime_is_named(tmp_path):
    with pytest.raises(InputError, match=r"onnxruntime-web 1\.30\.0.*dist"):
        read_runtime(tmp_path)
    for name in SHA256:
        (tmp_path / name).write_bytes(b"something else")
    done = CliRunner().invoke(cli.main, ["web", str(tmp_path / "page"), "--runtime", str(tmp_path)])
    assert done.exit_code == 2 and "name the folder dist" in done.output and not (tmp_path / "page").exists()
