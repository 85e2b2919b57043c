"""What tests share: real photographs from scikit-image, and a model that isn't the point."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

# As the command line has it, whose outputs are compared to the last of 16 bits; before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch's: networks here are small, and other tests run beside this one
os.environ.setdefault("RAY_worker_niceness", "0")  # with Ray's own 15 they wait for everybody else on a busy machine

import numpy as np
import pytest
from PIL import Image
from skimage import data

from photochrom.inference.colorizer import Colorizer
from photochrom.inference.model import ModelInfo
from photochrom.photo.photograph import Photograph

ROOT = Path(__file__).parents[1]
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee")


def pytest_configure() -> None:
    """One thread for each ONNX Runtime session of a pytest-xdist worker: idle threads spin and take others' time."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    import onnxruntime  # after photochrom, which tells it not to report to its maker

    make_session = onnxruntime.InferenceSession

    def make_small_session(model, options=None, **rest):
        options = options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return make_session(model, options, **rest)

    onnxruntime.InferenceSession = make_small_session


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write a test's group behind its name, from where pytest-xdist reads it.

    pytest-xdist 3.8 does so itself, but where pytest 9.2 no longer looks: without this the groups would say nothing.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or not config.getvalue("loadgroup"):
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is None or "@" in item.nodeid.rpartition("]")[2]:
            continue
        identifier = item._id  # type: ignore[attr-defined,unused-ignore]
        item._id = type(identifier).parse(f"{item.nodeid}@{mark.args[0]}")  # type: ignore[attr-defined,unused-ignore]
        assert item.nodeid.endswith(f"@{mark.args[0]}")


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Real color photographs, uint8 (H, W, 3)."""
    return {name: getattr(data, name)() for name in PHOTOGRAPHS}


@pytest.fixture(scope="session")
def rgb(photographs) -> np.ndarray:
    """A small piece of a color photograph, uint8 (120, 160, 3)."""
    return np.ascontiguousarray(photographs["chelsea"][:120, :160])


@pytest.fixture(scope="session")
def gray(rgb) -> np.ndarray:
    """The same without color, uint8 (120, 160)."""
    return np.ascontiguousarray(rgb[..., 1])


@pytest.fixture(scope="session")
def cat(photographs) -> bytes:
    """A black-and-white JPEG of 451 x 300 pixels."""
    return Photograph(photographs["chelsea"][..., 1]).encode("jpeg")


@pytest.fixture
def album(tmp_path, photographs) -> Path:
    """A folder with photographs in three formats, one below another folder, and one that is damaged."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(photographs["chelsea"]).convert("L").save(folder / "cat.jpg")
    Image.fromarray(photographs["coffee"]).convert("L").save(folder / "cup.png")
    Image.fromarray(photographs["astronaut"]).convert("L").resize((128, 128)).save(folder / "sub" / "astronaut.tif")
    (folder / "notes.txt").write_text("not a photograph")
    return folder


@pytest.fixture(scope="session")
def colorizer() -> Colorizer:
    """The Colorizer with the bundled weights."""
    return Colorizer()


class LoudBackend:
    """A fake model with strong colors everywhere: warm where it is light, cold where it is dark."""

    info = ModelInfo("fake", 32, 4, {})

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def predict(self, luminance, hints, noise):
        self.seen.append(luminance.shape)
        assert luminance.shape[2] % 32 == 0 and luminance.shape[3] % 32 == 0
        assert luminance.dtype == hints.dtype == noise.dtype == np.float32
        small = luminance[:, :, ::4, ::4]
        warm = np.where(small > 50, 60, -60) + 10 * noise.sum(axis=1)[:, None, None, None]
        return np.concatenate([warm, warm / 2], axis=1).astype(np.float32)


@pytest.fixture
def loud() -> Colorizer:
    return Colorizer(LoudBackend())


class HeldBackend:
    """A fake model that counts its calls and waits until the test lets it answer."""

    def __init__(self, inner):
        self.inner, self.info = inner, inner.info
        self.open, self.asked = threading.Event(), 0

    def predict(self, *planes):
        self.asked += 1
        assert self.open.wait(20)
        return self.inner.predict(*planes)


@pytest.fixture
def held(loud):
    loud.backend = HeldBackend(loud.backend)
    yield loud
    loud.backend.open.set()


@pytest.fixture(scope="session")
def training_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve small color photographs, cut from scikit-image's."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("photographs")
    for name in PHOTOGRAPHS:
        picture = Image.fromarray(getattr(data, name)())
        for number in range(4):
            left, top = 60 * number, 20 * number
            picture.crop((left, top, left + 200, top + 180)).save(folder / f"{name}-{number}.jpg")
    return folder


@pytest.fixture(scope="session")
def film(photographs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gray film of a cup and then a cat, with sound."""
    pytest.importorskip("av")
    from small_films import frames_of, write_film

    return write_film(tmp_path_factory.mktemp("film") / "old.mp4", frames_of(photographs))


@pytest.fixture(scope="session")
def colored(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The film in color, for tests that only look at it."""
    from small_films import SMALL, run

    target = tmp_path_factory.mktemp("colored") / "new.mp4"
    result = run(film, target, *SMALL)
    assert result.exit_code == 0, result.output
    return target


@pytest.fixture(scope="session")
def trained(training_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one small training, for all tests that only need a finished one."""
    pytest.importorskip("torch")
    from small_trainings import small_config, small_sheets

    from photochrom.training.loop import train

    run = tmp_path_factory.mktemp("runs") / "run"
    with small_sheets():
        train([training_folder], run, small_config(), precision="32-true")
    return run


@pytest.fixture(scope="session")
def scans(photographs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small scans in two folders, as many as small_archives.COUNT says."""
    from small_archives import COUNT

    folder = tmp_path_factory.mktemp("scans")
    (folder / "box 2").mkdir()
    gray = photographs["astronaut"][..., 1]
    for number in range(COUNT):
        left, top = 40 * (number % 8), 60 * (number // 8)
        name = f"scan-{number:02}.{'png' if number % 2 else 'jpg'}"
        Photograph(gray[top : top + 160, left : left + 200]).save(
            folder / "box 2" / name if number > 18 else folder / name
        )
    return folder


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """A Ray cluster for the tests of one pytest-xdist worker: starting one takes longer than coloring a small archive.

    Tests that use it carry the mark xdist_group("ray"), so that only one is started. It says that it has four CPUs
    because two runs with a worker each share it, and the engine needs room for its own tasks.
    """
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4})
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    (path,) = folder.glob("*.whl")
    return path
