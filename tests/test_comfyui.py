"""The nodes for ComfyUI, with a stand-in for what they use of ComfyUI."""

import importlib.util
import json
import os
import re
import sys
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from comfyui_parts import FOLDER, chroma_of, painted
from PIL import Image

torch = pytest.importorskip("torch")

import photochrom
from photochrom.errors import InputError
from photochrom.inference.weights import read_bundled
from photochrom.photo.color import rgb_to_lab

WIDGETS = ("INT", "FLOAT", "STRING")  # inputs that a node has a field for

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="not in a source distribution")


class Stopped(Exception):
    """What ComfyUI raises where a user stops a run."""


class Progress:
    """ComfyUI's progress bar."""

    steps: ClassVar[list[int]] = []

    def __init__(self, total):
        self.steps[:] = [total]

    def update(self, value):
        self.steps.append(value)


def stand_in(home: Path) -> dict[str, types.ModuleType]:
    """What the nodes use of ComfyUI, with its folders below `home`."""
    paths, management, utils, package = map(
        types.ModuleType, ("folder_paths", "comfy.model_management", "comfy.utils", "comfy")
    )
    paths.models_dir = str(home / "models")
    folders: dict[str, str] = {}
    paths.add_model_folder_path = lambda name, folder: folders.update({name: folder})
    paths.get_input_directory = lambda: str(home / "input")
    paths.get_annotated_filepath = lambda name: str(home / "input" / name)
    paths.exists_annotated_filepath = lambda name: (home / "input" / name).exists()
    paths.get_filename_list = lambda name: sorted(os.listdir(folders[name])) if os.path.isdir(folders[name]) else []
    paths.get_full_path_or_raise = lambda name, file: os.path.join(folders[name], file)
    management.throw_exception_if_processing_interrupted = lambda: None
    utils.ProgressBar = Progress
    package.model_management, package.utils = management, utils
    return {module.__name__: module for module in (paths, management, utils, package)}


def load(name: str):
    """Load the package as ComfyUI does: by its path, under a name of ComfyUI's own."""
    specification = importlib.util.spec_from_file_location(name, FOLDER / "__init__.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    finally:
        for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
            del sys.modules[loaded]
    return module


@pytest.fixture
def home(tmp_path):
    (tmp_path / "input").mkdir()
    (tmp_path / "models" / "photochrom").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def nodes(home, monkeypatch):
    for name, module in stand_in(home).items():
        monkeypatch.setitem(sys.modules, name, module)
    return load("/custom_nodes/photochrom").NODE_CLASS_MAPPINGS


def run(kind, **given):
    """Run a node as ComfyUI does, with the defaults of its widgets where nothing is given."""
    inputs = kind.INPUT_TYPES()
    values = {
        name: spec[1]["default"] for name, spec in inputs["required"].items() if len(spec) > 1 and "default" in spec[1]
    }
    made = getattr(kind(), kind.FUNCTION)(**values | given)
    assert len(made) == len(kind.RETURN_TYPES)
    return made[0] if len(made) == 1 else made


@pytest.fixture
def model(loud):
    return photochrom.Colorizer(loud.backend, working_size=64)


@pytest.fixture
def batch(rgb):
    return torch.from_numpy(np.stack([rgb, rgb[::-1]]).astype(np.float32) / 255)


def test_the_protocol(nodes):
    names = load_names()
    assert set(names) == set(nodes) and len(set(names.values())) == len(names)
    made = {kind for node in nodes.values() for kind in node.RETURN_TYPES}
    for kind in nodes.values():
        inputs = kind.INPUT_TYPES()
        assert inputs["required"] and set(inputs) <= {"required", "optional", "hidden"}
        assert kind.CATEGORY.startswith("image") and kind.DESCRIPTION
        assert len(getattr(kind, "RETURN_NAMES", kind.RETURN_TYPES)) == len(kind.RETURN_TYPES)
        function = getattr(kind, kind.FUNCTION)
        taken = function.__code__.co_varnames[1 : function.__code__.co_argcount]
        optional = inputs.get("optional", {})
        assert set(taken) == {*inputs["required"], *optional}
        assert len(function.__defaults__ or ()) == len(optional)  # ComfyUI leaves out what nothing is connected to
        for wanted, *more in (inputs["required"] | optional).values():
            if isinstance(wanted, str) and wanted not in WIDGETS:
                assert wanted in made
            if wanted in ("INT", "FLOAT"):
                assert more[0]["min"] <= more[0]["default"] <= more[0]["max"]


def load_names():
    source = (FOLDER / "nodes.py").read_text()
    return dict(re.findall(r'"(\w+)": "(Photochrom: [\w ]+)"', source))


def test_colors_are_the_colorizers(nodes, model, batch, rgb):
    kind = nodes["PhotochromColorize"]
    colored = run(kind, model=model, image=batch, strength=1.5, warmth=0.3, seed=4)
    assert colored.shape == batch.shape and colored.dtype == torch.float32
    for picture, given in zip(colored, batch, strict=True):
        wanted = model.colorize(given.numpy(), strength=1.5, warmth=0.3, seed=4)
        assert np.array_equal(picture.numpy(), wanted)
    light = [rgb_to_lab(pictures.numpy())[..., 0] for pictures in (colored, batch)]
    assert np.abs(light[0] - light[1]).max() < 0.1


def test_seeds_and_variants(nodes, model, batch):
    kind = nodes["PhotochromColorize"]
    three = run(kind, model=model, image=batch, variants=3)
    assert Progress.steps == [6, 1, 1, 1, 1, 1, 1]
    assert three.shape == (6, *batch.shape[1:])
    for seed in range(3):
        one = run(kind, model=model, image=batch, seed=seed)
        assert torch.equal(three[seed], one[0]) and torch.equal(three[3 + seed], one[1])
    likeliest = model.colorize(batch[0].numpy())
    assert np.array_equal(three[0].numpy(), likeliest)


@pytest.mark.parametrize("channels, made", [(1, 3), (3, 3), (4, 4)])
def test_what_other_nodes_make(nodes, model, batch, channels, made):
    """Numbers a little out of range after sharpening, NaN from a failed decoder, half precision, transparency."""
    odd = torch.cat([batch, batch[..., :1]], dim=3)[..., :channels].half() * 1.2 - 0.1
    odd[0, 0, 0] = float("nan")
    colored = run(nodes["PhotochromColorize"], model=model, image=odd)
    assert colored.shape == (*batch.shape[:3], made)
    assert colored.isfinite().all() and colored.min() >= 0 and colored.max() <= 1
    if channels == 4:
        assert torch.allclose(colored[1, ..., 3], odd[1, ..., 3].float().clamp(0, 1))


def test_a_run_can_be_stopped(nodes, model, batch, monkeypatch):
    def stop():
        raise Stopped

    management = sys.modules["comfy.model_management"]
    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", stop)
    with pytest.raises(Stopped):
        run(nodes["PhotochromColorize"], model=model, image=batch)


def test_hints_add_up(nodes, model, batch):
    first = run(nodes["PhotochromColorHint"], x=20, y=30, color=" #2040c0 ", radius=8.0)
    text = json.dumps({"size": [320, 240], "hints": [{"x": 200, "y": 100, "color": "#20c040", "radius": 20}]})
    both = run(nodes["PhotochromHintsFromFile"], text=text, hints=first)
    colored = run(nodes["PhotochromColorize"], model=model, image=batch, hints=both)
    hints = [photochrom.Hint(20, 30, "#2040c0", 8), photochrom.Hint(100, 50, "#20c040", 10)]
    for picture, given in zip(colored, batch, strict=True):
        assert np.array_equal(picture.numpy(), model.colorize(given.numpy(), hints=hints))
    assert run(nodes["PhotochromHintsFromFile"])[0].hints  # the example in the text box is a true one


def test_wrong_hints(nodes, model, batch):
    with pytest.raises(InputError, match="#rrggbb, not 'blue'"):
        run(nodes["PhotochromColorHint"], color="blue")
    outside = run(nodes["PhotochromColorHint"], x=4000)
    with pytest.raises(InputError, match="outside the photograph, 160 x 120 pixels"):
        run(nodes["PhotochromColorize"], model=model, image=batch, hints=outside)


@pytest.mark.parametrize("larger", [1, 5])
def test_a_mask_colors_what_is_painted_and_nothing_else(nodes, model, batch, larger):
    """Also up to the picture's edges, in two parts, and if the mask has another size than the picture."""
    boxes = [(0, 40, 0, 50), (70, 120, 100, 160)]
    mask = painted((1, 120, 160), boxes).repeat_interleave(larger, 1).repeat_interleave(larger, 2)
    hints = run(nodes["PhotochromMaskHint"], mask=mask, color="#2040c0")
    plain = run(nodes["PhotochromColorize"], model=model, image=batch)
    colored = run(nodes["PhotochromColorize"], model=model, image=batch, hints=hints)
    (a, b), (a_before, b_before) = chroma_of(colored[0]), chroma_of(plain[0])
    changed = np.hypot(a - a_before, b - b_before)
    inside = painted((120, 160), [(4, 36, 4, 46), (74, 116, 104, 156)]).bool().numpy()
    near = painted((120, 160), [(0, 46, 0, 56), (64, 120, 94, 160)]).bool().numpy()
    wanted = photochrom.Hint(0, 0, "#2040c0").chroma
    alike = (a * wanted[0] + b * wanted[1]) / np.hypot(a, b) / np.hypot(*wanted)  # cosine of the angle between the hues
    assert np.median(alike[inside]) > 0.95
    assert np.percentile(changed[~near], 99) < 3 < np.median(changed[inside])  # soft edges reach a little farther


def test_masks_without_anything_painted(nodes):
    kept = run(nodes["PhotochromColorHint"])
    for mask in (torch.zeros(1, 64, 64), torch.zeros(64, 64), torch.zeros(3, 5, 700)):
        (first, second) = run(nodes["PhotochromMaskHint"], mask=mask, hints=kept)
        assert (first,) == kept and second.hints == ()


def test_a_mask_of_crumbs_is_refused(nodes):
    crumbs = torch.zeros(1, 100, 100)
    crumbs[:, ::4, ::4] = 1
    with pytest.raises(InputError, match="625 separate parts"):
        run(nodes["PhotochromMaskHint"], mask=crumbs)


def test_photographs_keep_all_bits(nodes, home):
    kind = nodes["PhotochromLoadPhotograph"]
    ramp = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    Image.fromarray(ramp).save(home / "input" / "deep.png")
    clear = np.dstack([np.full((48, 64, 3), 90, np.uint8), np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))])
    Image.fromarray(clear).save(home / "input" / "clear.png")
    (home / "input" / "notes.txt").write_text("none")
    assert kind.INPUT_TYPES()["required"]["image"][0] == ["clear.png", "deep.png"]
    image, mask = run(kind, image="deep.png")
    assert image.shape == (1, 48, 64, 3) and mask.shape == (1, 48, 64) and not mask.any()
    assert np.abs(image[0, ..., 1].numpy() - ramp / 65535).max() < 1e-6
    image, mask = run(kind, image="clear.png")
    assert np.allclose(mask[0].numpy(), 1 - clear[..., 3] / 255)
    before = kind.IS_CHANGED("deep.png")
    assert kind.VALIDATE_INPUTS("deep.png") is True and before == kind.IS_CHANGED("deep.png")
    Image.fromarray(ramp[::-1]).save(home / "input" / "deep.png")
    assert kind.IS_CHANGED("deep.png") != before
    assert "no photograph gone.png" in kind.VALIDATE_INPUTS("gone.png")


def test_pages_of_one_size_are_a_batch(nodes, home, gray):
    pages = [Image.fromarray(page) for page in (gray, gray[::-1], gray[:50])]
    pages[0].save(home / "input" / "pages.tif", save_all=True, append_images=pages[1:])
    image, _ = run(nodes["PhotochromLoadPhotograph"], image="pages.tif")
    assert image.shape == (2, *gray.shape, 3) and torch.equal(image[0].flip(0), image[1])


def test_models_of_a_folder(nodes, home, batch):
    kind = nodes["PhotochromLoadModel"]
    path = home / "models" / "photochrom" / "mine.onnx"
    path.write_bytes(read_bundled("default"))
    (path.parent / "notes.txt").write_text("none")
    assert kind.INPUT_TYPES()["required"]["model"][0] == ["default", "mine.onnx"]
    mine = run(kind, model="mine.onnx", working_size=64)
    assert mine.working_size == 64
    before = kind.IS_CHANGED("mine.onnx", 64)
    os.utime(path, (1, 1))
    assert kind.IS_CHANGED("mine.onnx", 64) != before and kind.IS_CHANGED("default", 64) == "default"
    bundled = run(kind, model="default", working_size=64)
    colored = [run(nodes["PhotochromColorize"], model=each, image=batch[:1]) for each in (mine, bundled)]
    assert torch.equal(*colored)


def test_without_the_package_a_line_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "photochrom", None)
    with pytest.raises(ImportError, match="in ComfyUI's own Python: install it there with pip"):
        load("/custom_nodes/photochrom")


def test_what_the_registry_wants():
    tomllib = pytest.importorskip("tomllib")
    content = tomllib.loads((FOLDER / "pyproject.toml").read_text())
    project, comfy = content["project"], content["tool"]["comfy"]
    assert re.fullmatch(r"[A-Za-z]\w*([-_.]\w+)*", project["name"]) and "comfyui" not in project["name"].lower()
    assert project["version"] == photochrom.__version__ and re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["license"] == {"text": "Apache-2.0"} and len(project["description"]) < 120
    assert project["dependencies"] == (FOLDER / "requirements.txt").read_text().split()
    assert {"PublisherId", "DisplayName"} <= set(comfy) and "Repository" in project["urls"]
    for path in FOLDER.glob("*.py"):  # the registry's standards
        assert not re.search(r"\b(eval|exec)\(|subprocess", path.read_text())


def test_example_workflows(nodes):
    """Their nodes, inputs, links and values of widgets are those of the nodes."""
    found = sorted((FOLDER / "example_workflows").glob("*.json"))
    assert [path.stem for path in found] == ["colorize", "hints"]
    for path in found:
        graph = json.loads(path.read_text())
        by_id = {node["id"]: node for node in graph["nodes"]}
        for node in graph["nodes"]:
            if node["type"] == "SaveImage":
                continue
            kind = nodes[node["type"]]
            inputs = kind.INPUT_TYPES()
            known = inputs["required"] | inputs.get("optional", {})
            assert {slot["name"] for slot in node["inputs"]} - {"upload"} == set(known)
            widgets = [name for name, (wanted, *_) in known.items() if wanted in WIDGETS or isinstance(wanted, list)]
            values = [value for value in node["widgets_values"] if value != "image"]
            assert len(values) == len(widgets)
            for name, value in zip(widgets, values, strict=True):
                wanted, *more = known[name]
                if wanted in ("INT", "FLOAT"):
                    assert more[0]["min"] <= value <= more[0]["max"]
        for _, origin, output, target, slot, kind in graph["links"]:
            assert by_id[origin]["outputs"][output]["type"] == by_id[target]["inputs"][slot]["type"] == kind
