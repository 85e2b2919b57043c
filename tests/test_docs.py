"""The documentation: every code block does what it says, every link leads somewhere, the site builds."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module, util
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from photochrom import Colorizer, cli
from photochrom.inference.weights import read_bundled
from photochrom.photo.hints import parse_hint_file

ROOT = Path(__file__).parents[1]
DRAWN = "figures/"  # in docs/: its pictures exist only on the site, which draws them
SERVER = "http://127.0.0.1:7878"  # in examples; tests have one at another port
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
RUN = {"colorize", "info", "models", "doctor", "completion", "video", "archive"}  # the others take long, or never end
ELSEWHERE = {  # what these lines need is not here, and which test does the same
    "pip": "test_package.py and test_container.py install the wheel and extras, by night",
    "make": "CI runs make test; test_examples.py runs the demo",
    "apt": "needs root",
    "torchrun": "test_training.py starts torchrun",
    "ray": "test_archive.py has a cluster of several nodes",
    "other-tool": "stands for any",
}

pytestmark = pytest.mark.skipif(not (ROOT / "docs").exists(), reason="not in a source distribution")


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


def shell_lines() -> list[tuple[str, str]]:
    """Every line of a block without a language, once, with the page it stands on first."""
    found: dict[str, str] = {}
    for page in PAGES:
        for block in blocks(page, ""):
            for line in block.replace("\\\n", " ").splitlines():
                found.setdefault(re.sub(r"\s{2,}#.*$", "", line).strip(), page.name)
    return [(page, line) for line, page in found.items() if line]


@pytest.fixture(scope="module")
def desk(tmp_path_factory, photographs) -> Path:
    """A folder in which everything lies that the documentation's lines name."""
    av = pytest.importorskip("av")
    folder = tmp_path_factory.mktemp("a desk")
    gray = Image.fromarray(photographs["chelsea"]).convert("L")
    for name in (
        "old.jpg",
        "old.tif",
        "scan.tif",
        "album/one.jpg",
        "scans/one.png",
        "PHOTOS/one.jpg",
        "others/one.jpg",
        "val.zip/x",
        "more.zip/x",
    ):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        gray.save(path if path.suffix else path.with_suffix(".png"))
    for name in ("run", "A", "B", "gray", "colored", ".local/share/bash-completion/completions"):
        (folder / name).mkdir(parents=True)
    if util.find_spec("c2pa"):
        from cryptography.hazmat.primitives.asymmetric import ed25519
        from signer import make_files

        make_files(folder, ed25519.Ed25519PrivateKey.generate())
    (folder / "model.onnx").write_bytes(read_bundled("default"))
    (folder / "scan-hints.json").write_text(blocks(ROOT / "docs" / "usage.md", "json")[0])
    (folder / "film.json").write_text(json.dumps({"hints": [{"time": 0.1, "x": 20, "y": 20, "color": "#204080"}]}))
    for name in ("old.mp4", "old.mkv"):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for number in range(5):
                picture = np.ascontiguousarray(photographs["coffee"][:64, number : number + 96])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    return folder


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    programs = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder)}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, timeout=120)


def mark(line: str) -> list[pytest.MarkDecorator]:
    """Lines that take long or need what other tests share."""
    program, command, *_ = [*line.split(), ""]
    if program == "curl":
        return [pytest.mark.slow, pytest.mark.xdist_group("docs")]
    if program == "photochrom" and command == "archive":
        return [pytest.mark.slow, pytest.mark.xdist_group("ray")]
    return [pytest.mark.slow] if command == "video" and "--" in line else []


LINES = [pytest.param(page, line, marks=mark(line), id=f"{page}-{line[:40]}") for page, line in shell_lines()]


@pytest.mark.parametrize("page, line", LINES)
def test_command_lines(page, line, desk, request, monkeypatch):
    words = shlex.split(line, comments=False)
    while "=" in words[0]:  # what stands before a command is for its environment
        words.pop(0)
    if words[0] in ELSEWHERE:
        pytest.skip(f"not run: {ELSEWHERE[words[0]]}")
    if words[0] == "curl":
        assert_curl_works(line, desk, request)
        return
    assert words[0] == "photochrom", f"{page}: no test knows what {words[0]} is"
    is_near = not {"--from", "--watch"} & {*words} and "s3:" not in line
    if words[1] in RUN and is_near:
        for made in desk.glob("new.*"):
            made.unlink()
        monkeypatch.setenv("HOME", str(desk))
        monkeypatch.chdir(desk)
        if "old-color.jpg" in words[2:] and not Path("old-color.jpg").exists():  # which an earlier line makes
            assert_line_works("photochrom colorize old.jpg", desk)
        assert_line_works(line, desk)
    else:
        arguments = [word.removesuffix("...") for word in words[2:]]
        monkeypatch.chdir(desk)
        cli.main.commands[words[1]].make_context(words[1], arguments)  # raises for what the command doesn't know


def assert_line_works(line: str, desk: Path) -> None:
    """In this process, which has everything imported, unless the line needs a shell or starts a Ray cluster.

    Ray Data can't go from one cluster to another in a process.
    """
    if re.search(r"[<>|&;*?$~]", line) or not line.startswith("photochrom ") or " archive " in line:
        result = shell(line, desk)
        assert result.returncode == 0, result.stderr.decode()
    else:
        done = CliRunner().invoke(cli.main, shlex.split(line)[1:])
        assert done.exit_code == 0, done.output


def assert_curl_works(line, desk, request):
    if shutil.which("curl") is None or "//server" in line:
        pytest.skip("no curl, or no such server")
    address = request.getfixturevalue("address")
    result = shell(line.replace("curl", "curl --fail").replace(SERVER, address.rstrip("/")), desk)
    assert result.returncode == 0, result.stderr.decode()
    assert (desk / shlex.split(line)[-1]).stat().st_size > 1000


@pytest.fixture(scope="module")
def address():
    pytest.importorskip("fastapi")
    command = [sys.executable, "-m", "photochrom", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    assert process.wait(30) == 0


GROUPS = {"archive.md": "ray", "serving.md": "docs"}  # what their Python shares with other tests
PYTHON_PAGES = [
    pytest.param(page, id=page.name, marks=pytest.mark.xdist_group(GROUPS[page.name]) if page.name in GROUPS else ())
    for page in PAGES
    if blocks(page, "python") and page.name != "vapoursynth.md"  # test_vapoursynth.py runs its blocks
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_python_blocks(page, desk, monkeypatch, photographs, request):
    """The blocks of a page run one after another, as a reader would."""
    monkeypatch.chdir(desk)
    if page.name == "archive.md":
        monkeypatch.chdir(finished_archive(desk, request.getfixturevalue("ray_address")))
    gray = photographs["coffee"][..., 1]
    if page.name == "pipeline.md":
        assert_line_works("photochrom export default pipeline.onnx --pipeline", desk)
    given = {"gray": gray, "colorizer": Colorizer()}
    for block in blocks(page, "python"):
        code = at_address(block, request)
        exec(compile(code, page.name, "exec"), given)
    if "rgb" in given:
        assert given["rgb"].ndim == 3


def at_address(code: str, request) -> str:
    """The same code for a server of the tests, if it asks one."""
    if SERVER not in code:
        return code
    return code.replace(SERVER, request.getfixturevalue("address").rstrip("/"))


@pytest.mark.slow
@pytest.mark.xdist_group("docs")
def test_the_client_in_javascript(desk, request):
    node = shutil.which("node")
    if node is None or int(subprocess.check_output([node, "--version"], text=True)[1:].split(".")[0]) < 20:
        pytest.skip("no Node 20")
    (block,) = blocks(ROOT / "docs" / "serving.md", "javascript")
    (desk / "new.jpg").unlink(missing_ok=True)
    (desk / "client.mjs").write_text(at_address(block, request))
    done = subprocess.run([node, "client.mjs"], cwd=desk, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert Image.open(desk / "new.jpg").mode == "RGB"
    (desk / "client.mjs").write_text(at_address(block.replace("strength: 1.2", "strenght: 1.2"), request))
    refused = subprocess.run([node, "client.mjs"], cwd=desk, capture_output=True, text=True, timeout=120)
    assert refused.returncode != 0 and "did you mean strength?" in refused.stderr


def finished_archive(desk: Path, address: str) -> Path:
    folder = desk / "finished"
    folder.mkdir(exist_ok=True)
    arguments = [str(desk / "scans"), str(folder / "color"), "--address", address, "--working-size", "64"]
    result = CliRunner().invoke(cli.main, ["archive", *arguments])
    assert result.exit_code == 0, result.output
    return folder


def test_hint_files_in_the_documentation(tmp_path, desk):
    parse_hint_file(blocks(ROOT / "docs" / "usage.md", "json")[0], "usage.md")
    tracking = pytest.importorskip("photochrom.video.tracking")
    from photochrom.video.film import read_film

    (tmp_path / "film.json").write_text(blocks(ROOT / "docs" / "films.md", "json")[0])
    (hint,) = tracking.read_film_hints(tmp_path / "film.json", read_film(desk / "old.mp4").size)
    assert hint.hint.x == pytest.approx(610 * 96 / 1440)


@pytest.mark.parametrize(
    "page", [*PAGES, *ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md")], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    """In the repository; on the site, which has docs/ and the root in one folder, its hooks rewrite them."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        drawn = page.parent.name == "docs" and target.startswith(DRAWN)
        assert target.startswith("http") or drawn or (page.parent / target).exists(), target


def test_what_contributors_shall_change_is_there():
    """Every name that CONTRIBUTING says is in a module."""
    named = re.findall(r"`(\w+)` in\s+`([\w/]+)\.py`", (ROOT / "CONTRIBUTING.md").read_text())
    assert {"FORMATS", "recognize", "SINGLE", "OPTIONS", "READERS", "PARTS", "SIGNABLE"} <= {name for name, _ in named}
    for name, module in named:
        assert hasattr(import_module(f"photochrom.{module.replace('/', '.')}"), name), f"{name} in {module}.py"


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    assert (tmp_path / "figures" / "gallery.jpg").stat().st_size > 10_000
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'(?:src|<link[^>]+rel="(?:stylesheet|preload)"[^>]+href)="(https?://[^"]+)', page.read_text()
        )
        assert loaded == [], f"{page.name} loads from elsewhere"
