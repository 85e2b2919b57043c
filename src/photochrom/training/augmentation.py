"""From photographs to batches: crops, flips, damage of old photographs and random hints."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from photochrom.errors import TrainingError
from photochrom.networks.checking import PORTION, Bounds, check_config
from photochrom.networks.lab import rgb_to_lab

MAX_HINTS = 50
MAX_SCRATCHES = 20
MAX_ENLARGEMENT = 2.0  # of a crop: what is enlarged more has no detail to learn from
HINT_SIDES = (1, 3, 5, 7)  # pixels: hints are squares around their points
THING_CELL = 4  # pixels: things are found in a picture this many times smaller
THING_SIZE = (0.003, 0.6)  # of the picture's area
THING_SHADING = 0.4  # how much a difference in L counts, beside one in chroma: fur has stripes, a wall has shade
THING_HINTS = (1.0, 0.5, 0.3, 0.2)  # probabilities of a first hint in a recolored thing, a second, ...
GRAY_THINGS = 0.15  # share of recolored things that become gray
JPEG_LUMINANCE_TABLE = (  # ITU-T T.81, table K.1
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


@dataclass(frozen=True)
class AugmentationConfig:
    """How training photographs are varied at random."""

    crop: tuple[float, float] = (0.4, 1.0)  # side of the crop as a share of the photograph's short one
    stretch: float = 1.3  # horizontal aspect jitter: at most this factor either way
    degraded: float = 0.5  # share of photographs whose luminance is made to look old
    hinted: float = 0.4  # share of photographs that come with hints
    mixed: float = 0.0  # share of photographs into which a piece of another is set
    recolored: float = 0.0  # share of photographs in which one thing has another color, and a hint says so

    def __post_init__(self) -> None:
        check_config(
            self,
            "augmentation.",
            crop=Bounds(0.1, 1),
            stretch=Bounds(1, 4),
            degraded=PORTION,
            hinted=PORTION,
            mixed=PORTION,
            recolored=PORTION,
        )
        if self.crop[0] > self.crop[1]:
            raise TrainingError(f"augmentation.crop must be a smaller and a larger number, not {list(self.crop)}")


@dataclass(frozen=True)
class Batch:
    """Luminance (N, 1, H, W) in 0..100, true chroma (N, 2, h, w) in Lab units, hints (N, 3, H, W).

    Some of the luminance is degraded; clean_luminance, the same size, is what it was before.
    """

    luminance: Tensor
    clean_luminance: Tensor
    real_chroma: Tensor
    hints: Tensor


def make_batch(
    photographs: Iterable[Tensor],
    size: int,
    stride: int,
    config: AugmentationConfig,
    device: torch.device | str = "cpu",
) -> Batch:
    """Turn uint8 photographs, each (H, W, 3) of its own size, into a training batch of `size` pixels on a device.

    Chroma is averaged down by `stride`, the generator's. Draws from PyTorch's global random generator.
    """
    rgb = torch.stack([random_crop(photograph, size, config) for photograph in photographs]).to(device)
    rgb = mix(rgb, config.mixed)
    lab = rgb_to_lab(rgb)
    luminance = clean_luminance = lab[:, :1]
    chroma = lab[:, 1:]
    old = torch.rand(len(rgb), device=rgb.device) < config.degraded
    if old.any():
        luminance = luminance.index_put((old,), degrade(rgb[old]))
    things, points = find_things(lab, config.recolored)
    chroma = recolor(chroma, things)
    hints = random_hints(chroma, config.hinted, points)
    real_chroma = F.avg_pool2d(chroma, stride) if stride > 1 else chroma
    return Batch(luminance, clean_luminance, real_chroma, hints)


def random_crop(photograph: Tensor, size: int, config: AugmentationConfig) -> Tensor:
    """Crop a uint8 photograph (H, W, 3) at random, resize and flip it: rgb (3, size, size) in 0..1.

    The crop's side is a random share of the photograph's short side, stretched to a random aspect. It is not enlarged
    more than MAX_ENLARGEMENT times, unless the whole photograph is too small.
    """
    height, width, _ = photograph.shape
    short = min(height, width)
    side = max(short * _uniform(*config.crop), min(short, size / MAX_ENLARGEMENT))
    stretch = math.exp(_uniform(-1, 1) * math.log(config.stretch) / 2)
    tall, wide = min(height, round(side * stretch)), min(width, round(side / stretch))
    top, left = int(_uniform(0, height - tall + 1)), int(_uniform(0, width - wide + 1))
    crop = photograph[top : top + tall, left : left + wide].permute(2, 0, 1)[None].float() / 255
    crop = F.interpolate(crop, (size, size), mode="bilinear", antialias=True, align_corners=False)[0].clamp(0, 1)
    return crop.flip(-1) if _uniform(0, 1) < 0.5 else crop


def mix(rgb: Tensor, share: float) -> Tensor:
    """Copy a rectangle of the next photograph into a share of the batch (N, 3, S, S), to the same place.

    CutMix (Yun et al. 2019, arXiv 1905.04899); here the truth is cut together with the picture. A combination that
    never comes twice can't be learned by heart. The rectangle has the picture's aspect and up to half of its area.
    """
    count, _, side, _ = rgb.shape
    if share == 0:
        return rgb
    half = side * (torch.rand(count, 1, 1, device=rgb.device) / 2).sqrt() / 2
    x, y = torch.rand(2, count, 1, 1, device=rgb.device) * side
    place = torch.arange(side, device=rgb.device)
    inside = ((place - x).abs() < half) & ((place[:, None] - y).abs() < half)
    chosen = torch.rand(count, 1, 1, device=rgb.device) < share
    return torch.where((inside & chosen)[:, None], rgb.roll(1, dims=0), rgb)


def find_things(lab: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """One thing in a share of the pictures (N, 3, S, S): where it is, and points on it, both (N, 1, S, S) in {0, 1}.

    A thing is what is connected to a random place and has about its color, more or less lit. Where it is smaller or
    larger than THING_SIZE there is none. The points are away from its edge, if it is large enough.
    """
    count, _, side, _ = lab.shape
    things, points = torch.zeros(2, count, 1, side, side, device=lab.device)
    chosen = (torch.rand(count, device=lab.device) < share).nonzero()[:, 0]
    if len(chosen) == 0:
        return things, points
    small = F.avg_pool2d(lab[chosen], THING_CELL) * lab.new_tensor([THING_SHADING, 1, 1])[:, None, None]
    rows = torch.arange(len(chosen), device=lab.device)
    start = torch.randint(small[0, 0].numel(), (len(chosen),), device=lab.device)
    color = small.flatten(2)[rows, :, start]
    tolerance = 7 + 11 * torch.rand(len(chosen), 1, 1, 1, device=lab.device)  # in Lab units
    alike = ((small - color[:, :, None, None]).norm(dim=1, keepdim=True) < tolerance).to(lab.dtype)
    grown = torch.zeros_like(alike)
    grown.flatten(2)[rows, 0, start] = 1
    for _ in range(small.shape[-1]):
        grown = F.max_pool2d(grown, 3, 1, 1) * alike
    area = grown.mean(dim=(1, 2, 3), keepdim=True)
    grown = grown * ((area > THING_SIZE[0]) & (area < THING_SIZE[1]))
    things[chosen] = F.interpolate(grown, scale_factor=THING_CELL, mode="nearest")
    inner = 1 - F.max_pool2d(1 - grown, 3, 1, 1)
    places = torch.multinomial((inner + 1e-3 * grown + 1e-9).flatten(1), len(THING_HINTS))
    told = torch.rand(places.shape, device=lab.device) < torch.tensor(THING_HINTS, device=lab.device)
    dots = torch.zeros_like(grown).flatten(1).scatter_reduce(1, places, told.to(lab.dtype), "amax").view_as(grown)
    corner = torch.zeros(THING_CELL, THING_CELL, device=lab.device)
    corner[THING_CELL // 2, THING_CELL // 2] = 1
    points[chosen] = torch.kron(dots * grown, corner)
    return things, points


def recolor(chroma: Tensor, things: Tensor) -> Tensor:
    """Move the mean chroma of things (N, 1, S, S) to that of a random color, in chroma (N, 2, S, S).

    A hint may give a thing a color that the network would never guess. Whoever learns this learns where the thing ends:
    everything around it has its true color.
    """
    area = things.sum(dim=(2, 3), keepdim=True).clamp_min(1)
    mean = (chroma * things).sum(dim=(2, 3), keepdim=True) / area
    wanted = rgb_to_lab(torch.rand(len(chroma), 3, 1, 1, device=chroma.device))[:, 1:]
    gray = torch.rand(len(chroma), 1, 1, 1, device=chroma.device) < GRAY_THINGS
    return chroma + things * (torch.where(gray, 0.0, wanted) - mean)


def random_hints(chroma: Tensor, share: float, points: Tensor | None = None) -> Tensor:
    """True-color hints (N, 3, H, W) at random points of chroma (N, 2, H, W), and at `points` (N, 1, H, W) in {0, 1}.

    Only a share of the photographs gets hints at random, mostly few, at most MAX_HINTS (log-uniform). Each hint is a
    small square in which a and b are the local mean.
    """
    count, _, height, width = chroma.shape
    device = chroma.device
    amounts = torch.exp(torch.rand(count, device=device) * math.log(MAX_HINTS + 1)).long()
    amounts = amounts * (torch.rand(count, device=device) < share)
    places = torch.randint(0, height * width, (count, MAX_HINTS), device=device)
    shown = (torch.arange(MAX_HINTS, device=device) < amounts[:, None]).to(chroma.dtype)
    mask = torch.zeros(count, height * width, device=device, dtype=chroma.dtype)
    mask = mask.scatter_reduce(1, places, shown, "amax").view(count, 1, height, width)
    mask = mask if points is None else torch.maximum(mask, points)
    side = HINT_SIDES[int(torch.randint(len(HINT_SIDES), ()))]
    hinted = mask.amax(dim=(1, 2, 3)).nonzero()[:, 0]  # the others need no pooling
    squares = F.max_pool2d(mask[hinted], side, 1, side // 2)
    local_mean = F.avg_pool2d(chroma[hinted], side, 1, side // 2, count_include_pad=False)
    hints = torch.zeros(count, 3, height, width, device=device, dtype=chroma.dtype)
    return hints.index_put((hinted,), torch.cat([local_mean * squares, squares], dim=1))


def degrade(rgb: Tensor) -> Tensor:
    """Luminance (N, 1, H, W) as an old camera, film, print and scanner might have made it of rgb (N, 3, H, W).

    In the order in which it happens: the film's own mix of colors (orthochromatic film does not see red), a lens
    with low resolution, grain, contrast and fading, scratches and dust, JPEG. Each has a random strength, often 0;
    the resolution of the lens is drawn once for the whole batch.
    """
    count = len(rgb)
    device = rgb.device

    def strength(share: float) -> Tensor:  # (N, 1, 1, 1): 0 for all but a share of the pictures
        on = torch.rand(count, 1, 1, 1, device=device) < share
        return torch.rand(count, 1, 1, 1, device=device) * on

    sensitivities = -torch.log(torch.rand(count, 3, 1, 1, device=device))  # uniform over all mixes of R, G, B
    gray = (rgb * sensitivities / sensitivities.sum(dim=1, keepdim=True)).sum(dim=1, keepdim=True)
    resolved = F.interpolate(gray, scale_factor=1 / _uniform(1.5, 5), mode="bilinear", antialias=True)
    soft = F.interpolate(resolved, gray.shape[-2:], mode="bilinear", align_corners=False)
    gray = torch.lerp(gray, soft, (2 * strength(0.5)).clamp(max=1))  # half of the soft pictures are fully soft
    grain = torch.randn_like(gray)
    coarse = F.interpolate(grain[..., ::2, ::2], gray.shape[-2:], mode="bilinear", align_corners=False)
    gray = gray + 0.15 * strength(0.6).square() * grain + 0.2 * strength(0.5) * coarse
    gray = gray.clamp(0, 1) ** torch.exp(0.7 * (strength(0.7) - strength(0.7)))
    left = 1 - 0.7 * strength(0.5)  # of the contrast; the lost part is filled with a random gray
    gray = gray * left + torch.rand(count, 1, 1, 1, device=device) * (1 - left)
    gray = _scratch(gray.clamp(0, 1), strength(0.3))
    gray = _jpeg(gray.clamp(0, 1), quality_loss=strength(0.5))
    return rgb_to_lab(gray.clamp(0, 1).expand(-1, 3, -1, -1))[:, :1]


def _scratch(gray: Tensor, amount: Tensor) -> Tensor:
    """Black and white scratches, mostly upright, and dust; amount (N, 1, 1, 1) in 0..1."""
    damaged = (amount.flatten() > 0).nonzero()[:, 0]
    if len(damaged) == 0:
        return gray
    some, amount = gray[damaged], amount[damaged]
    count, _, height, width = some.shape
    y = torch.linspace(0, 1, height, device=gray.device)[:, None]
    x = torch.linspace(0, 1, width, device=gray.device)

    def each() -> Tensor:
        return torch.rand(count, 1, 1, 1, device=gray.device)

    for _ in range(MAX_SCRATCHES):
        slope, top = 0.4 * torch.randn_like(amount), each()
        on_line = (x - each() - slope * (y - top)).abs() * width < 0.8  # about a pixel and a half wide
        on_line &= (y > top) & (y < top + 0.1 + 0.5 * each()) & (each() < amount)
        some = torch.where(on_line, (each() < 0.5).to(some.dtype), some)
    dust = F.max_pool2d((torch.rand_like(some) < 0.004 * amount).to(some.dtype), 3, 1, 1)
    some = torch.where(dust > 0, torch.rand_like(some), some)
    return gray.index_put((damaged,), some)


def _jpeg(gray: Tensor, quality_loss: Tensor) -> Tensor:
    """Quantize the 8x8 cosine transform as JPEG does; H and W multiples of 8, quality_loss in 0..1."""
    count, _, height, width = gray.shape
    n = torch.arange(8, device=gray.device, dtype=gray.dtype)
    basis = torch.cos(math.pi / 8 * (n[None] + 0.5) * n[:, None]) / 2
    basis[0] /= math.sqrt(2)  # rows are orthonormal
    table = gray.new_tensor(JPEG_LUMINANCE_TABLE) / 255
    blocks = gray.view(count, height // 8, 8, width // 8, 8).transpose(2, 3)
    step = table * (0.02 + 2 * quality_loss[..., None])
    cosines = basis @ blocks @ basis.t()
    blocks = basis.t() @ ((cosines / step).round() * step) @ basis
    return blocks.transpose(2, 3).reshape(count, 1, height, width)


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()
