"""The default generator: a U-Net from luminance, hints and noise to chroma at a quarter of the size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photochrom.networks.checking import COUNT, NOT_NEGATIVE, PORTION_BELOW_ONE, POSITIVE, check_config
from photochrom.networks.encoder import SCALINGS, EfficientNetLite
from photochrom.networks.palette import displayable_palette
from photochrom.networks.tilt import PaletteTilt
from photochrom.networks.units import scale_chroma, scale_luminance

HINT_CHANNELS = 3  # a, b, and where they apply
HINT_SCALE = 40.0  # the encoder's maps reach tens: hints of -1..1 would drown among them
SAMPLE_FADE = 0.5  # how much of the strong gain (its logarithm) noise takes away
PAIRS = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])  # three taps to four sums of neighboring ones
TYPICAL_CHROMA = 15.0  # Lab units: about the mean chroma of photographs' pixels


@dataclass(frozen=True)
class GeneratorConfig:
    """What it takes to rebuild the default generator; it travels with the weights."""

    encoder: str = "lite2"  # which EfficientNet-Lite: lite0, lite1, lite2
    decoder_channels: tuple[int, int, int] = (256, 160, 96)  # at strides 16, 8, 4
    style_channels: int = 128  # what the noise and the whole picture's content are mixed into
    noise_channels: int = 8  # length of the noise vector z
    tilt: float = 0.0  # how far noise moves the palette's logits (`PaletteTilt`); 0: it is mixed into the style instead
    dropout: float = 0.25  # probability that a channel of the encoder is hidden while training, against overfitting
    drop_path: float = 0.0  # probability that the encoder's last block is skipped while training, likewise
    weak_gain: float = 1.0  # factor on weak chroma; see `calibrate`
    strong_gain: float = 1.0  # factor on strong chroma; see `calibrate`
    tint_gain: float = 1.0  # factor on the picture's mean chroma; see `lower_tint`

    def __post_init__(self) -> None:
        check_config(
            self,
            "generator.",
            choices={"encoder": tuple(SCALINGS)},
            decoder_channels=COUNT,
            style_channels=COUNT,
            noise_channels=COUNT,
            dropout=PORTION_BELOW_ONE,
            drop_path=PORTION_BELOW_ONE,
            weak_gain=POSITIVE,
            strong_gain=POSITIVE,
            tint_gain=NOT_NEGATIVE,
            tilt=NOT_NEGATIVE,
        )


class Generator(nn.Module):
    """U-Net generator: pretrained encoder, modulated decoder, palette head.

    - Hints enter every decoder stage at its own scale, and attention carries them to whatever looks like
      the places where they stand.
    - What the whole picture shows modulates every decoder stage (FiLM, Perez et al. 2018, arXiv 1709.07871).
    - Noise makes some palette colors likelier, for whole things at a time (`PaletteTilt`); without `tilt` it modulates
      the decoder, too.
    - The head gives a logit to each color of a displayable palette and returns the mean color under their softmax
      (Zhang et al. 2016, at temperature 1), so that regression and classification train the same head.
    """

    stride = 4  # the output's height and width are the input's over this
    size_multiple = 32  # of the input's height and width
    palette: Tensor  # (Q, 2) in Lab units

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.noise_channels = config.noise_channels
        self.encoder = EfficientNetLite(config.encoder, drop_path=config.drop_path)
        _, *skips, bottleneck = self.encoder.channels
        self.style = nn.Sequential(nn.Linear(bottleneck + config.noise_channels, config.style_channels), nn.ReLU())
        self.decoder = nn.ModuleList()
        inputs = bottleneck
        for skip, outputs in zip(reversed(skips), config.decoder_channels, strict=True):
            self.decoder.append(DecoderStage(inputs, skip + HINT_CHANNELS, outputs, config.style_channels))
            inputs = outputs + HINT_CHANNELS if len(self.decoder) == 1 else outputs  # the spread hints join there
        self.hint_spread = HintSpread(config.decoder_channels[0])
        palette = displayable_palette()
        self.register_buffer("palette", palette)
        self.head = nn.Conv2d(inputs, len(palette), 1)
        self.tilt = None
        if config.tilt > 0:
            self.tilt = PaletteTilt(palette, config.decoder_channels[0], config.noise_channels, config.tilt)

    def forward(self, luminance: Tensor, hints: Tensor, noise: Tensor) -> Tensor:
        """Predict chroma.

        luminance: (N, 1, H, W) in 0..100; H and W are multiples of 32. hints: (N, 3, H, W), which are a and b in
        Lab units and a mask in {0, 1}. noise: (N, Z); 0 selects the likeliest coloring. Returns chroma
        (N, 2, H/4, W/4) in Lab units.
        """
        return self.decode(self.encode(luminance), hints, noise)

    def encode(self, luminance: Tensor) -> list[Tensor]:
        """The encoder's maps at strides 4, 8, 16 and 32: all that decoding needs to know about the luminance."""
        features = self.encoder(scale_luminance(luminance))[1:]
        return [F.dropout2d(f, self.config.dropout, self.training) for f in features]

    def decode(self, features: list[Tensor], hints: Tensor, noise: Tensor) -> Tensor:
        """Chroma (N, 2, H/4, W/4) in Lab units from the encoder's maps."""
        logits, heeded = self.logits(features, hints, noise)
        return self.color(F.softmax(logits, dim=-1, dtype=torch.float32), heeded, noise)

    def logits(self, features: list[Tensor], hints: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the palette's colors (N, H/4, W/4, Q), and how much each cell heeds any hint (N, 1, H/16, W/16).

        The palette is the last axis, because a softmax over the last axis is much faster. The second result is in 0..1.
        """
        *skips, x = features
        mixed_in = noise if self.tilt is None else torch.zeros_like(noise)
        style = self.style(torch.cat([x.mean(dim=(2, 3)), mixed_in], dim=1))
        shares = hint_shares(hints, self.gains(noise))
        stride = 16
        for stage, skip in zip(self.decoder, reversed(skips), strict=True):
            cells = hints_at_stride(shares, stride)
            x = stage(x, torch.cat([skip, HINT_SCALE * cells], dim=1), style)
            if stride == 16:
                look = x
                spread = self.hint_spread(x, cells)
                x = torch.cat([x, HINT_SCALE * spread], dim=1)
            stride //= 2
        weight = self.head.weight
        if self.tilt is not None:
            x = torch.cat([x, self.tilt(look, noise)], dim=1)
            weight = torch.cat([weight, self.tilt.colors.t()[:, :, None, None]], dim=1)
        return F.conv2d(x, weight, self.head.bias).permute(0, 2, 3, 1), spread[:, 2:]

    def color(self, probabilities: Tensor, heeded: Tensor, noise: Tensor) -> Tensor:
        """The palette's mean color (N, 2, h, w), calibrated, in Lab units.

        probabilities (N, h, w, Q) sum to 1 over Q; heeded (N, 1, h/4, w/4) as `logits` returns it.
        """
        mean = (probabilities @ self.palette).permute(0, 3, 1, 2)
        unhinted = 1 - F.interpolate(heeded.to(mean.dtype), scale_factor=4.0, mode="nearest")
        mean = lower_tint(mean, unhinted, self.config.tint_gain)
        return calibrate(mean, *self.gains(noise))

    def gains(self, noise: Tensor) -> tuple[float, float | Tensor]:
        """The factors on weak and on strong chroma, for `calibrate`; the second may be (N, 1, 1, 1).

        Where noise has chosen among the likely colors, their mean has lost less chroma.
        """
        weak, strong = self.config.weak_gain, self.config.strong_gain
        if self.tilt is None or strong == 1:
            return weak, strong
        chosen = noise.square().mean(dim=1).clamp(max=1)[:, None, None, None]
        return weak, strong ** (1 - SAMPLE_FADE * chosen)

    def train(self, mode: bool = True) -> Generator:
        """As in every module, but an encoder that doesn't learn keeps its statistics and skips no block."""
        super().train(mode)
        if not any(p.requires_grad for p in self.encoder.parameters()):
            self.encoder.eval()
        return self


def lower_tint(chroma: Tensor, unhinted: Tensor, tint_gain: float) -> Tensor:
    """Multiply the picture's mean chroma by tint_gain: (N, 2, h, w) to (N, 2, h, w).

    A network that is in doubt answers with the average of all photographs, a warm brown, so part of a picture's tint
    is only doubt. unhinted: (N, 1, h, w) in 0..1; what hints have colored neither counts nor changes.
    """
    if tint_gain == 1:
        return chroma
    tint = (chroma * unhinted).mean(dim=(2, 3), keepdim=True) / (unhinted.mean(dim=(2, 3), keepdim=True) + 1e-3)
    return chroma - (1 - tint_gain) * unhinted * tint


def calibrate(chroma: Tensor, weak_gain: float, strong_gain: float | Tensor) -> Tensor:
    """Multiply chroma (N, 2, h, w) by a gain that goes from weak_gain to strong_gain with its size; hue stays.

    A mean over likely colors is duller than any of them. The network is sure of its strong chroma: raising only
    that costs less accuracy than raising all. The gain lies between weak_gain and strong_gain, and halfway between
    them at TYPICAL_CHROMA.
    """
    if weak_gain == 1 and isinstance(strong_gain, float) and strong_gain == 1:
        return chroma
    square = chroma.square().sum(dim=1, keepdim=True)
    strong = square / (square + TYPICAL_CHROMA**2)
    return chroma * (weak_gain + (strong_gain - weak_gain) * strong)


def uncalibrate(chroma: Tensor, weak_gain: float, strong_gain: float | Tensor) -> Tensor:
    """The inverse of `calibrate`: what the network itself must predict so that a hint's color comes out."""
    if weak_gain == 1 and isinstance(strong_gain, float) and strong_gain == 1:
        return chroma
    wanted = chroma.square().sum(dim=1, keepdim=True)
    square = wanted
    for _ in range(10):  # a fixed point: each round halves the error, or better
        strong = square / (square + TYPICAL_CHROMA**2)
        gain = weak_gain + (strong_gain - weak_gain) * strong
        square = wanted / gain**2
    return chroma / gain


class DecoderStage(nn.Module):
    """Double the size, join the skip, convolve twice; the style scales and shifts in between."""

    def __init__(self, inputs: int, skip: int, outputs: int, style: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs + skip, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.modulation = nn.Linear(style, 2 * outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, skip: Tensor, style: Tensor) -> Tensor:
        x = self.norm1(convolve_doubled(x, skip, self.conv1.weight))
        scale, shift = self.modulation(style)[:, :, None, None].chunk(2, dim=1)
        x = F.relu(x * (1 + scale) + shift)
        return F.relu(self.norm2(self.conv2(x)))


def convolve_doubled(x: Tensor, skip: Tensor, weight: Tensor) -> Tensor:
    """Convolve x (N, C, h, w), doubled by repeating its cells, together with skip (N, S, 2h, 2w) to (N, O, 2h, 2w).

    weight: (O, C + S, 3, 3). Three rows of the doubled x hold two of x, so what weight does with them is a transposed
    convolution with sums of its neighbors, in four ninths of the work.
    """
    count = x.shape[1]
    turned = weight[:, :count].transpose(0, 1).flip(2, 3)
    sums = (turned.flatten(2) @ torch.kron(PAIRS, PAIRS).to(weight)).unflatten(2, (4, 4))  # (C, O, 4, 4)
    return F.conv_transpose2d(x, sums, stride=2, padding=1) + F.conv2d(skip, weight[:, count:], padding=1)


class HintSpread(nn.Module):
    """Attention (Vaswani et al. 2017) from every cell to the hinted ones: a hint reaches its whole object.

    Convolutions carry a color a few cells far; a lawn is wider. A cell may also heed no hint at all.
    """

    def __init__(self, channels: int, width: int = 64):
        super().__init__()
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv2d(channels, width, 1)
        self.no_hint = nn.Parameter(torch.zeros(()))  # the logit of heeding none

    def forward(self, x: Tensor, hints: Tensor) -> Tensor:
        """From x (N, C, h, w) and the hints (N, 3, h, w) of the same cells to spread hints (N, 3, h, w).

        The last of the three channels is how much of a cell's attention goes to any hint, 0..1.
        """
        count, _, height, width = hints.shape
        query = self.query(x).flatten(2).transpose(1, 2)  # (N, h w, D)
        key = self.key(x).flatten(2)  # (N, D, h w)
        hinted = hints[:, 2:].flatten(2)  # (N, 1, h w)
        logits = query @ key * key.shape[1] ** -0.5 + (hinted - 1) * 1e4  # (N, h w, h w)
        logits = torch.cat([logits, self.no_hint.expand(count, height * width, 1).to(logits.dtype)], dim=2)
        probabilities = F.softmax(logits, dim=2, dtype=torch.float32)[..., :-1]
        spread = probabilities @ hints.flatten(2).transpose(1, 2).to(probabilities.dtype)  # (N, h w, 3)
        return spread.transpose(1, 2).reshape(count, 3, height, width).to(x.dtype)


def hint_shares(hints: Tensor, gains: tuple[float, float | Tensor]) -> Tensor:
    """The hints (N, 3, H, W) pooled to (N, 3, H/4, W/4): their share of each cell, and chroma times that share.

    A cell's chroma is what the network must predict for the mean of its hints to come out of `calibrate` with gains.
    """
    mask = hints[:, 2:]
    pooled = F.avg_pool2d(torch.cat([hints[:, :2] * mask, mask], dim=1), 4)
    share = pooled[:, 2:]
    return torch.cat([uncalibrate(mean_hint(pooled, 4), *gains) * share, share], dim=1)


def hints_at_stride(shares: Tensor, stride: int) -> Tensor:
    """Hints of every cell (N, 3, H/stride, W/stride), in network units, from what `hint_shares` returns.

    The mask becomes 1 in every cell that holds a hint.
    """
    if stride > 4:
        shares = F.avg_pool2d(shares, stride // 4)
    return torch.cat([scale_chroma(mean_hint(shares, stride)), (shares[:, 2:] > 0).to(shares.dtype)], dim=1)


def mean_hint(shares: Tensor, stride: int) -> Tensor:
    """The mean chroma (N, 2, h, w) of the hints inside every cell; a single pixel of it counts in full."""
    return shares[:, :2] / shares[:, 2:].clamp_min(0.5 / stride**2)
