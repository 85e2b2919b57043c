"""What the pipeline must know about a model, and how it calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from photochrom.photo.color import FloatArray


@dataclass(frozen=True)
class ModelInfo:
    """Facts about a generator.

    size_multiple: the input's height and width are multiples of it. details: the training's configuration and figures,
    for people. digest: the SHA-256 of the model's file; archives and films record it to know which model colored them.
    name: of the bundled model, or of the file or folder that it was loaded from.
    """

    preset: str
    size_multiple: int
    noise_channels: int
    details: dict[str, Any]
    digest: str = ""
    name: str = ""


class Backend(Protocol):
    """A generator ready to predict."""

    info: ModelInfo

    def predict(self, luminance: FloatArray, hints: FloatArray, noise: FloatArray) -> FloatArray:
        """Predict chroma (N, 2, h, w) in Lab units.

        luminance (N, 1, H, W) in 0..100, hints (N, 3, H, W), noise (N, Z); H and W multiples of
        `info.size_multiple`, h x w a whole fraction of H x W.
        """
        ...
