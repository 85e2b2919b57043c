"""The pipeline as an ONNX file: the same colors as the Colorizer's, by standard operators alone."""

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

onnx = pytest.importorskip("onnx", reason="needs the extra pipeline")
import onnxruntime

from photochrom import Colorizer, Hint, cli
from photochrom.errors import InputError, WeightsError
from photochrom.inference.colorizer import noise_vector
from photochrom.inference.onnx_backend import OnnxBackend
from photochrom.inference.onnx_file import METADATA_KEY, PIPELINE_KEY, checked_digest, seal
from photochrom.inference.weights import bundled_digest, read_bundled
from photochrom.pipeline.builder import Graph, concat
from photochrom.pipeline.export import export_pipeline
from photochrom.pipeline.guiding import STRIP_PIXELS

DOCS = Path(__file__).parents[1] / "docs" / "pipeline.md"
SIZE = 64  # pixels: the working size of most tests


def open_session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run_pipeline(session, photograph, **inputs) -> np.ndarray:
    (colors,) = session.run(["colors"], {"photograph": np.ascontiguousarray(photograph), **inputs})
    return colors


def assert_same_colors(colors, expected, steps=1) -> None:
    """Within 1/255, and 0.1/255 on average."""
    assert colors.shape == expected.shape and colors.dtype == np.uint8
    difference = np.abs(colors.astype(int) - expected)
    assert difference.max() <= steps and difference.mean() <= 0.1


def table_of(*hints: Hint) -> np.ndarray:
    rows = []
    for index, hint in enumerate(hints, 1):
        number = -index if hint.filled else index if hint.path else 0
        rows += [[x, y, *bytes.fromhex(hint.color[1:]), hint.radius or 0, number] for x, y in hint.points]
    return np.array(rows, np.float32)


def as_float32(hint: Hint) -> Hint:
    """The hint with the places that a table of float32 can hold."""
    (x, y), *path = np.array(hint.points, np.float32).tolist()
    return replace(hint, x=x, y=y, path=tuple(map(tuple, path)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """pipeline.onnx and its parts, of the bundled model at a small working size."""
    path = tmp_path_factory.mktemp("pipeline")
    arguments = ["export", "default", str(path / "pipeline.onnx"), "--pipeline", "--working-size", str(SIZE)]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0 and "at most" in result.output, result.output
    return path


@pytest.fixture(scope="module")
def session(folder):
    return open_session(folder / "pipeline.onnx")


@pytest.fixture(scope="module")
def parts(folder):
    return [open_session(folder / f"pipeline-{part}.onnx") for part in ("predict", "join")]


@pytest.fixture(scope="module")
def small() -> Colorizer:
    return Colorizer(working_size=SIZE, threads=1)


def pieces(pictures) -> dict[str, np.ndarray]:
    astronaut, cat, cup = pictures["astronaut"], pictures["chelsea"], pictures["coffee"]
    return {
        "whole": cat,
        "odd": cat[7:138, 30:107],
        "portrait": cup[:, 40:163],
        "very wide": cup[200:209],
        "very high": cup[:, 200:209],
        "a row": cup[100:101],
        "a column": cup[:, 100:101],
        "a pixel": cat[5:6, 7:8],
        "tiny": astronaut[200:203, 200:204],
        "as large as the network's": astronaut[:64, :64],
        "above a megapixel": np.tile(astronaut, (2, 3, 1))[:901, :1203],
        "gray": np.repeat(cat[..., 1:2], 3, axis=2),
        "faded": (cat // 4 + 90).astype(np.uint8),
        "specks": np.where(np.random.default_rng(0).random((*cup.shape[:2], 1)) < 0.001, 255, cup).astype(np.uint8),
        "grainy": np.clip(cat + np.random.default_rng(0).normal(0, 60, (*cat.shape[:2], 1)), 0, 255).astype(np.uint8),
        "black": np.zeros((50, 60, 3), np.uint8),
        "white": np.full((50, 60, 3), 255, np.uint8),
        "primaries": np.eye(3, dtype=np.uint8)[np.arange(90 * 90).reshape(90, 90) // 30 % 3] * 255,
    }


@pytest.mark.parametrize(
    "name", pieces(dict.fromkeys(("astronaut", "chelsea", "coffee"), np.zeros((600, 600, 3), int)))
)
def test_same_colors_as_the_colorizer(session, small, photographs, name):
    picture = np.ascontiguousarray(pieces(photographs)[name])
    # One of its 10,800 numbers is of a color at the edge of sRGB whose share is a tie: docs/pipeline.md.
    steps = 2 if name == "very high" else 1
    assert_same_colors(run_pipeline(session, picture), small.colorize(picture), steps)


@pytest.mark.slow
def test_same_colors_at_the_usual_working_size(colorizer, photographs, tmp_path):
    export_pipeline(read_bundled("default"), "default", tmp_path / "pipeline.onnx")
    usual = open_session(tmp_path / "pipeline.onnx")
    for picture in photographs.values():
        assert_same_colors(run_pipeline(usual, picture), colorizer.colorize(picture))


@pytest.mark.parametrize(
    "seed, strength, warmth", [(None, 0, 0), (None, 0.5, 1), (3, 1, -1), (7, 1.4, 0.25), (None, 1, -0.4)]
)
def test_noise_strength_and_warmth(session, small, photographs, seed, strength, warmth):
    picture = photographs["coffee"]
    noise = noise_vector(seed, small.model_info.noise_channels)
    balance = {name: np.array([value], np.float32) for name, value in (("strength", strength), ("warmth", warmth))}
    colors = run_pipeline(session, picture, noise=noise, **balance)
    assert_same_colors(colors, small.colorize(picture, seed=seed, strength=strength, warmth=warmth))


HINTS_ARE = ["one", "three", "a disc", "discs and a point", "corners", "two at one place", "a stroke"]
HINTS_ARE += ["thin and thick strokes", "an area", "an area that crosses itself and others", "a dozen", "a spiral"]


@pytest.mark.parametrize(
    "hints",
    [
        [Hint(100, 120, "#2040c0")],
        [Hint(100, 120, "#2040c0"), Hint(300.5, 200.25, "#d02020"), Hint(10, 10, "#30c040")],
        [Hint(200, 150, "#d02020", radius=40)],
        [Hint(200, 150, "#d02020", radius=3), Hint(210, 150, "#2040c0", radius=22.5), Hint(100, 50, "#30c040")],
        [Hint(0, 0, "#d02020", radius=15), Hint(450.9, 299.9, "#2040c0")],
        [Hint(50, 50, "#d02020"), Hint(50, 50, "#2040c0")],
        [Hint(20, 30, "#2040c0", 9, ((220, 35), (240.5, 200), (90, 280)))],
        [Hint(20, 30, "#d02020", path=((420, 250),)), Hint(30, 200, "#2040c0", path=((400, 40),), radius=30)],
        [Hint(50, 50, "#2040c0", path=((300, 80), (350.5, 250), (100, 200)), filled=True)],
        [
            Hint(50, 50, "#2040c0", path=((300, 250), (300, 50), (50, 250)), filled=True),
            Hint(400, 100, "#d02020"),
            Hint(30, 280, "#30c040", path=((420, 280),), radius=12),
        ],
        [Hint(20 + 37 * n, 20 + 70 * n % 260, f"#{120 + 9 * n:02x}{90 + 40 * (n % 3):02x}60") for n in range(12)],
        [Hint(225, 150, "#2040c0", 6, tuple((225 + t * np.sin(t), 150 + t * np.cos(t)) for t in range(1, 140)))],
    ],
    ids=HINTS_ARE,
)
@pytest.mark.parametrize("warmth", [0, 0.8])
def test_hints(session, small, photographs, hints, warmth):
    picture = photographs["chelsea"]
    hints = [as_float32(hint) for hint in hints]
    colors = run_pipeline(session, picture, hints=table_of(*hints), warmth=np.array([warmth], np.float32))
    assert_same_colors(colors, small.colorize(picture, hints=hints, warmth=warmth))
    assert np.abs(colors.astype(int) - run_pipeline(session, picture)).max() > 20


def test_hints_outside_count_as_none(session, photographs):
    picture = photographs["chelsea"]
    outside = table_of(Hint(-1, 5, "#ff0000"), Hint(451, 5, "#ff0000"), Hint(5, 300, "#ff0000"))
    assert np.array_equal(run_pipeline(session, picture, hints=outside), run_pipeline(session, picture))


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_strips_are_as_the_whole(session, parts, photographs, rows):
    picture = photographs["chelsea"]
    predict, join = parts
    hints, noise = table_of(Hint(100, 120, "#2040c0")), noise_vector(5, 8)
    (guide,) = predict.run(None, {"photograph": picture, "hints": hints, "noise": noise})
    strength, warmth, height = np.array([1.2], np.float32), np.array([0.5], np.float32), np.array([len(picture)])
    strips = [
        join.run(
            None,
            {
                "rows": picture[first : first + rows],
                "first": np.array([first]),
                "height": height,
                "guide": guide,
                "strength": strength,
                "warmth": warmth,
            },
        )[0]
        for first in range(0, len(picture), rows)
    ]
    whole = run_pipeline(session, picture, hints=hints, noise=noise, strength=strength, warmth=warmth)
    assert np.array_equal(np.concatenate(strips), whole)


def test_several_strips_inside_the_pipeline(session, small, photographs):
    """Of a photograph that has more pixels than a strip, and a last strip that is shorter."""
    picture = np.ascontiguousarray(np.tile(photographs["chelsea"], (1, 3, 1))[:290, :1300])
    strips = math.ceil(290 / (STRIP_PIXELS // 1300))
    assert strips > 1 and 290 % math.ceil(290 / strips)
    assert_same_colors(run_pipeline(session, picture), small.colorize(picture))


def nodes_of(graph):
    """All nodes, those inside loops and branches too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes_of(attribute.g)


@pytest.mark.parametrize("name", ["pipeline", "pipeline-predict", "pipeline-join"])
def test_standard_operators_alone(folder, name):
    model = onnx.load(folder / f"{name}.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [(part.domain, part.version) for part in model.opset_import] == [("", 18)]
    assert not model.functions
    for node in nodes_of(model.graph):
        assert node.domain == "" and onnx.defs.get_schema(node.op_type, 18).since_version <= 18


def test_inputs_and_outputs(session, parts):
    def told(values):
        return {value.name: (value.type, value.shape) for value in values}

    assert told(session.get_inputs()) == {"photograph": ("tensor(uint8)", ["H", "W", 3])}
    assert told(session.get_overridable_initializers()) == {
        "strength": ("tensor(float)", [1]),
        "warmth": ("tensor(float)", [1]),
        "noise": ("tensor(float)", [8]),
        "hints": ("tensor(float)", ["P", 7]),
    }
    assert told(session.get_outputs()) == {"colors": ("tensor(uint8)", ["H", "W", 3])}
    assert set(told(parts[0].get_inputs())) == {"photograph", "noise", "hints"}
    assert set(told(parts[1].get_inputs())) == {"rows", "first", "height", "guide", "strength", "warmth"}


def test_what_the_files_say(folder):
    sums = (folder / "pipeline.sha256").read_text().splitlines()
    assert [line.split()[1] for line in sums] == ["pipeline.onnx", "pipeline-predict.onnx", "pipeline-join.onnx"]
    for digest, name in map(str.split, sums):
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest == checked_digest(content, name)
        model = onnx.load_from_string(content)
        facts = json.loads({entry.key: entry.value for entry in model.metadata_props}[PIPELINE_KEY])
        assert facts["model_sha256"] == bundled_digest("default") and facts["license"] == "Apache-2.0"
        assert facts["working_size"] == SIZE and model.producer_name == "photochrom"


def test_a_damaged_file_is_known_by_its_seal(folder):
    content = bytearray((folder / "pipeline.onnx").read_bytes())
    content[5_000_000] ^= 1
    with pytest.raises(WeightsError, match="altered or damaged"):
        checked_digest(bytes(content), "pipeline.onnx")


def own_model(stride: int, multiple: int, noise_channels: int) -> bytes:
    """A model that `photochrom export` might have written: colors of luminance, hints and noise, at a stride."""
    graph = Graph()
    sides = f"{multiple}*h", f"{multiple}*w"
    luminance = graph.input("luminance", np.float32, ("N", 1, *sides))
    hints = graph.input("hints", np.float32, ("N", 3, *sides))
    noise = graph.input("noise", np.float32, ("N", noise_channels))
    warm = (luminance - 50) * 0.4 + noise.reduced("Sum", 1, keep=True).unsqueeze(2, 3) * 5
    chroma = (concat([warm, warm * -0.5], 1) + hints[:, :2] * 0.5)[:, :, ::stride, ::stride]
    graph.output(chroma, "chroma", ("N", 2, "y", "x"))
    model = graph.model("own")
    about = {"format": 1, "preset": "own", "size_multiple": multiple, "noise_channels": noise_channels, "details": {}}
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(about))
    return seal(model.SerializeToString())


@pytest.mark.parametrize("stride, multiple, noise_channels", [(1, 256, 8), (2, 16, 3), (8, 32, 1)])
def test_any_model(tmp_path, photographs, stride, multiple, noise_channels):
    """Also one like pix2pix, whose chroma is as large as its luminance and whose sizes are multiples of 256."""
    model = own_model(stride, multiple, noise_channels)
    made = export_pipeline(model, "own", tmp_path / "own.onnx", 96)
    assert made.largest <= 1
    colorizer = Colorizer(OnnxBackend(model, "own"), working_size=96)
    picture = np.ascontiguousarray(photographs["coffee"][:211, :333])
    hints, noise = [Hint(100, 120, "#2040c0")], noise_vector(2, noise_channels)
    colors = run_pipeline(open_session(tmp_path / "own.onnx"), picture, hints=table_of(*hints), noise=noise)
    assert_same_colors(colors, colorizer.colorize(picture, hints=hints, seed=2))
    about = {entry.key: entry.value for entry in onnx.load(tmp_path / "own.onnx").metadata_props}
    assert "license" not in json.loads(about[PIPELINE_KEY])  # nobody told it


def test_pytorch_is_not_needed(tmp_path, folder):
    """And another process writes the same bytes."""
    code = (
        "import sys; sys.modules['torch'] = None; from photochrom.cli import main;"
        f"main(['export', 'default', 'pipeline.onnx', '--pipeline', '--working-size', '{SIZE}'])"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert (tmp_path / "pipeline.sha256").read_text() == (folder / "pipeline.sha256").read_text()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nonesuch", "new.onnx", "--pipeline"], "no model 'nonesuch'"),
        (["default", "new.pt", "--pipeline"], "a pipeline is an ONNX file"),
        (["default", "new.onnx", "--pipeline", "--tilt", "1"], "a finished model has its own"),
        (["default", "none/new.onnx", "--pipeline"], "cannot write"),
        (["default", "new.onnx", "--pipeline", "--working-size", "7"], "32<=x<=1024"),
        (["pipeline.onnx", "new.onnx", "--pipeline"], "the model that it was made of"),
        (["model.onnx", "model.onnx", "--pipeline"], "would replace the model"),
        (["odd-join.onnx", "odd.onnx", "--pipeline"], "would replace the model"),
        (["old.onnx", "new.onnx", "--pipeline"], "another version of ONNX's operators"),
        (["notes.onnx", "new.onnx", "--pipeline"], "is not a readable ONNX model"),
        (["default", "new.onnx"], "add --pipeline"),
        (["model.onnx", "new.onnx"], "add --pipeline"),
        (["nonesuch", "new.onnx"], "does not exist"),
        (["model.onnx", "new.onnx", "--working-size", "64"], "is for --pipeline"),
    ],
)
def test_mistakes(folder, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    model = own_model(1, 32, 1)
    Path("model.onnx").write_bytes(model)
    Path("odd-join.onnx").write_bytes(model)
    Path("notes.onnx").write_bytes(b"notes")
    old = onnx.load_from_string(model)
    old.opset_import[0].version = 17
    del old.metadata_props[1:]  # its seal
    Path("old.onnx").write_bytes(old.SerializeToString())
    Path("pipeline.onnx").symlink_to(folder / "pipeline.onnx")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = CliRunner().invoke(cli.main, ["export", *arguments])
    assert result.exit_code == 2 and message in result.output and "Traceback" not in result.output, result.output
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_pipeline_is_no_model_for_the_colorizer(folder):
    with pytest.raises(WeightsError, match="a whole pipeline, for other programs"):
        Colorizer(str(folder / "pipeline.onnx"))


def test_working_sizes_are_checked(tmp_path):
    with pytest.raises(InputError, match="working size"):
        export_pipeline(read_bundled("default"), "default", tmp_path / "new.onnx", 4096)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)


def node_modules(package: str) -> Path | None:
    """The folder of Node's packages that has this one, if Node is there: NODE_PATH, or that of global packages."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None
    found = subprocess.run(["npm", "root", "-g"], capture_output=True, text=True).stdout.strip()
    folders = [*os.environ.get("NODE_PATH", "").split(os.pathsep), found]
    return next((Path(folder) for folder in folders if folder and (Path(folder) / package).exists()), None)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["onnxruntime-node", "onnxruntime-web"])
def test_the_example_in_javascript(folder, session, photographs, tmp_path, package):
    """Both blocks of the page, one after the other, with either package."""
    if not DOCS.exists():
        pytest.skip("not in a source distribution")
    modules = node_modules(package)
    if modules is None:
        pytest.skip(f"no Node, or no {package} in NODE_PATH")
    (tmp_path / "node_modules").symlink_to(modules)
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    picture = photographs["chelsea"]
    (tmp_path / "old.rgb").write_bytes(picture.tobytes())
    code = "".join(blocks("js")).replace("onnxruntime-node", package)
    (tmp_path / "example.mjs").write_text(code)
    done = subprocess.run(["node", "example.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    colors, hinted = (
        np.frombuffer((tmp_path / name).read_bytes(), np.uint8).reshape(picture.shape)
        for name in ("new.rgb", "hinted.rgb")
    )
    assert_same_colors(colors, run_pipeline(session, picture))
    hints = table_of(Hint(120, 80, "#204080"), Hint(200, 150, "#a02828", 8, ((300, 160),)))
    balance = {"strength": np.array([1.2], np.float32), "warmth": np.array([0.5], np.float32)}
    assert_same_colors(hinted, run_pipeline(session, picture, hints=hints, **balance))
