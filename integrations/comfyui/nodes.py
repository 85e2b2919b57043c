"""photochrom as nodes of ComfyUI.

    photograph ──┐
    model ───────┼─→ colorize ─→ any node that takes an IMAGE
    hints ───────┘

An IMAGE is a float tensor (B, H, W, C) in 0..1, a MASK (B, H, W) or (H, W), 1 where something is painted. Between
these nodes go a Colorizer, and hints: a tuple of HintFile, each in the pixels of the picture that it was made on.
"""

from __future__ import annotations

import os
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
import numpy as np
import torch

from photochrom import Colorizer, Hint, InputError, Photograph, read_photograph
from photochrom.folders import is_photograph
from photochrom.inference.weights import BUNDLED_MODELS
from photochrom.photo.hints import HintFile, parse_hint_file
from photochrom.settings import STRENGTH, VARIANTS, WARMTH, WORKING_SIZE, Range

from .outlines import outlines

Hints = tuple[HintFile, ...]

MODELS = "photochrom"  # the folder of exported models below ComfyUI/models, and its name in extra_model_paths.yaml
MAX_SEED = 2**53 - 1  # the largest whole number that a browser knows exactly
MASK_SIDE = 256  # pixels: masks are looked at no finer, because the network isn't either
MAX_PARTS = 200  # painted parts of a mask, each of which takes milliseconds

folder_paths.add_model_folder_path(MODELS, os.path.join(folder_paths.models_dir, MODELS))


def number(choices: Range, step: float, tooltip: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """An input for one of photochrom's settings."""
    kind, to = ("INT", int) if choices.whole else ("FLOAT", float)
    span = {"default": to(choices.default), "min": to(choices.low), "max": to(choices.high)}
    return kind, {**span, "step": step, "tooltip": tooltip, **more}


COLOR = (
    "STRING",
    {"default": "#7a2f2b", "tooltip": "#rrggbb; only its hue and chroma count, the light stays"},
)
OTHER_HINTS = ("PHOTOCHROM_HINTS", {"tooltip": "hints of other nodes, to which these are added"})


class Node:
    """What all nodes share."""

    CATEGORY = "image/photochrom"
    FUNCTION = "run"


class LoadPhotograph(Node):
    """A photograph as it is meant: all 16 bits, its color profile followed, TIFF and HEIC too."""

    DESCRIPTION = "Reads a photograph with all its bits and its color profile, from any format that photochrom reads."
    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        folder = folder_paths.get_input_directory()
        names = [name for name in sorted(os.listdir(folder)) if is_photograph(name)]
        return {"required": {"image": (names, {"image_upload": True})}}

    @classmethod
    def IS_CHANGED(cls, image: str) -> str:
        return state_of(folder_paths.get_annotated_filepath(image))

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        return True if folder_paths.exists_annotated_filepath(image) else f"there is no photograph {image} any more"

    def run(self, image: str) -> tuple[torch.Tensor, torch.Tensor]:
        photograph = read_photograph(folder_paths.get_annotated_filepath(image))
        pages = [page for page in (photograph, *photograph.pages) if page.pixels.shape == photograph.pixels.shape]
        return torch.stack([rgb_of(page) for page in pages]), torch.stack([mask_of(page) for page in pages])


class LoadModel(Node):
    """A model, loaded once and kept for the next runs."""

    DESCRIPTION = "Loads a photochrom model. It runs on the processor and needs no graphics memory."
    RETURN_TYPES = ("PHOTOCHROM_MODEL",)
    RETURN_NAMES = ("model",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        exported = [name for name in folder_paths.get_filename_list(MODELS) if name.endswith(".onnx")]
        size = "short side, in pixels, of the picture that the network sees; larger is slower and not always better"
        return {
            "required": {
                "model": ([*BUNDLED_MODELS, *exported], {"tooltip": "bundled, or an .onnx file in models/photochrom"}),
                "working_size": number(WORKING_SIZE, 32, size),
            }
        }

    @classmethod
    def IS_CHANGED(cls, model: str, working_size: int) -> str:  # noqa: ARG003 (ComfyUI gives every input)
        return model if model in BUNDLED_MODELS else state_of(folder_paths.get_full_path_or_raise(MODELS, model))

    def run(self, model: str, working_size: int) -> tuple[Colorizer]:
        path = model if model in BUNDLED_MODELS else folder_paths.get_full_path_or_raise(MODELS, model)
        return (Colorizer(path, working_size=working_size),)


class HintNode(Node):
    """A node that adds hints to those of other nodes."""

    RETURN_TYPES = ("PHOTOCHROM_HINTS",)
    RETURN_NAMES = ("hints",)


class ColorHint(HintNode):
    """One place and its color."""

    DESCRIPTION = "Says which color a place of the photograph has."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        place = {"default": 0, "min": 0, "max": 65535}
        reach = "pixels; 0 colors the whole thing at this place, as far as the network sees one"
        return {
            "required": {
                "x": ("INT", {**place, "tooltip": "pixels from the left"}),
                "y": ("INT", {**place, "tooltip": "pixels from the top"}),
                "color": COLOR,
                "radius": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 65535.0, "step": 1.0, "tooltip": reach}),
            },
            "optional": {"hints": OTHER_HINTS},
        }

    def run(self, x: int, y: int, color: str, radius: float, hints: Hints = ()) -> tuple[Hints]:
        return ((*hints, HintFile((Hint(x, y, color.strip(), radius or None),))),)


class MaskHint(HintNode):
    """What is painted in a mask has a color."""

    DESCRIPTION = "Gives one color to all that is painted in a mask (right click on a picture: Open in MaskEditor)."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"mask": ("MASK",), "color": COLOR}, "optional": {"hints": OTHER_HINTS}}

    def run(self, mask: torch.Tensor, color: str, hints: Hints = ()) -> tuple[Hints]:
        planes = mask.detach().cpu().float().reshape(-1, 1, *mask.shape[-2:])
        height, width = planes.shape[-2:]
        scale = min(1.0, MASK_SIDE / min(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        small = torch.nn.functional.interpolate(planes.amax(0, keepdim=True), size, mode="area")[0, 0]
        loops = outlines(small.numpy() > 0.5)
        if len(loops) > MAX_PARTS:
            raise InputError(
                f"the mask has {len(loops)} separate parts, more than the limit of {MAX_PARTS}: paint fewer"
            )
        found = []
        for loop in loops:  # a point on the right or lower edge is still inside
            (x, y), *path = [(min(u, size[1] - 0.01), min(v, size[0] - 0.01)) for u, v in loop]
            found.append(Hint(x, y, color.strip(), path=tuple(path), filled=True))
        return ((*hints, HintFile(tuple(found), (size[1], size[0]))),)


class HintsFromFile(HintNode):
    """Hints as the text of a hints file."""

    DESCRIPTION = "Takes the text of a hints file, such as photochrom's page saves."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        example = '{"size": [1200, 800], "hints": [{"x": 410, "y": 220, "color": "#7a2f2b"}]}'
        text = {"multiline": True, "default": example, "dynamicPrompts": False}
        return {"required": {"text": ("STRING", text)}, "optional": {"hints": OTHER_HINTS}}

    def run(self, text: str, hints: Hints = ()) -> tuple[Hints]:
        return ((*hints, parse_hint_file(text, "the text")),)


class Colorize(Node):
    """Pictures in color, whose luminance is that of the pictures that came in."""

    DESCRIPTION = "Colors black-and-white pictures at their full size. Hints count for every picture of a batch."
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        seed = "0 is the likeliest coloring, other numbers are other plausible ones"
        variants = "colorings of each picture, with the next seeds; all go into one batch"
        return {
            "required": {
                "model": ("PHOTOCHROM_MODEL",),
                "image": ("IMAGE",),
                "strength": number(STRENGTH, 0.05, "multiplies the colors; 0 is gray"),
                "warmth": number(WARMTH, 0.05, "white balance of the colors, from blue (-1) to yellow (1)"),
                "seed": number(Range(0, MAX_SEED, 0, whole=True), 1, seed, control_after_generate=False),
                "variants": number(VARIANTS, 1, variants),
            },
            "optional": {"hints": ("PHOTOCHROM_HINTS",)},
        }

    def run(
        self,
        model: Colorizer,
        image: torch.Tensor,
        strength: float,
        warmth: float,
        seed: int,
        variants: int,
        hints: Hints = (),
    ) -> tuple[torch.Tensor]:
        height, width = image.shape[1:3]
        told = [hint for file in hints for hint in file.for_size(width, height)]
        colored = []
        progress = comfy.utils.ProgressBar(len(image) * variants)
        for picture in image:
            pixels = picture.detach().cpu().float().nan_to_num(0).clamp(0, 1).numpy()
            for variant in range(seed, seed + variants):
                comfy.model_management.throw_exception_if_processing_interrupted()
                rgb = model.colorize(pixels, strength=strength, warmth=warmth, seed=variant or None, hints=told)
                colored.append(torch.from_numpy(rgb))
                progress.update(1)
        return (torch.stack(colored).to(image.device),)


def state_of(path: str) -> str:
    """What changes when a file does."""
    state = os.stat(path)
    return f"{state.st_mtime_ns} {state.st_size}"


def rgb_of(photograph: Photograph) -> torch.Tensor:
    """The pixels of a photograph, (H, W, 3) in 0..1."""
    pixels = photograph.pixels
    white = np.float32(np.iinfo(pixels.dtype).max)
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return torch.from_numpy(rgb / white)


def mask_of(photograph: Photograph) -> torch.Tensor:
    """What is transparent in a photograph, (H, W), 1 where nothing is left of it."""
    if photograph.alpha is None:
        return torch.zeros(photograph.pixels.shape[:2])
    white = np.float32(np.iinfo(photograph.alpha.dtype).max)
    return torch.from_numpy(1 - photograph.alpha / white)


NODE_CLASS_MAPPINGS = {
    "PhotochromLoadPhotograph": LoadPhotograph,
    "PhotochromLoadModel": LoadModel,
    "PhotochromColorHint": ColorHint,
    "PhotochromMaskHint": MaskHint,
    "PhotochromHintsFromFile": HintsFromFile,
    "PhotochromColorize": Colorize,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "PhotochromLoadPhotograph": "Photochrom: load photograph",
    "PhotochromLoadModel": "Photochrom: load model",
    "PhotochromColorHint": "Photochrom: color of a place",
    "PhotochromMaskHint": "Photochrom: color of a mask",
    "PhotochromHintsFromFile": "Photochrom: hints file",
    "PhotochromColorize": "Photochrom: colorize",
}
