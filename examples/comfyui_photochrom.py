"""A ComfyUI node that colors pictures with photochrom.

Copy this file to ComfyUI/custom_nodes/ and install photochrom into ComfyUI's Python (`pip install` a checkout).
The node "Photochrom: colorize" appears under image. ComfyUI gives pictures to nodes as float tensors
(N, H, W, 3) in 0..1. This file needs nothing else from ComfyUI.
"""

from functools import lru_cache

import numpy as np
import torch

from photochrom import Colorizer


@lru_cache(maxsize=2)
def load(model: str, working_size: int) -> Colorizer:
    """One Colorizer per model and working size, kept for the next run."""
    return Colorizer(model, working_size=working_size)


class PhotochromColorize:
    """Black-and-white (or any) pictures in, the same pictures in color out; their luminance stays."""

    CATEGORY = "image"
    FUNCTION = "colorize"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "image": ("IMAGE",),
                "strength": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 3.0, "step": 0.05}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**53 - 1, "tooltip": "0 is the likeliest coloring"}),
                "working_size": ("INT", {"default": 256, "min": 128, "max": 512, "step": 32}),
                "model": ("STRING", {"default": "default", "tooltip": "default, or the path of an .onnx file"}),
                "warmth": ("FLOAT", {"default": 0.0, "min": -1.0, "max": 1.0, "step": 0.05}),
            }
        }

    def colorize(
        self, image: torch.Tensor, strength: float, seed: int, working_size: int, model: str, warmth: float = 0.0
    ) -> tuple[torch.Tensor]:
        pictures = list(image.detach().cpu().float().clamp(0, 1).numpy())
        colorizer = load(model, working_size)
        colored = colorizer.colorize_batch(pictures, strength=strength, warmth=warmth, seed=seed or None)
        return (torch.from_numpy(np.stack(colored)),)


NODE_CLASS_MAPPINGS = {"PhotochromColorize": PhotochromColorize}
NODE_DISPLAY_NAME_MAPPINGS = {"PhotochromColorize": "Photochrom: colorize"}
