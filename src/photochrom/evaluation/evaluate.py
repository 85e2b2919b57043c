"""The comparison: remove the color of photographs, let every contestant put it back, and measure."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photochrom import __version__
from photochrom.errors import MissingExtra
from photochrom.evaluation.contestants import (
    SCALES,
    Contestant,
    baselines,
    match_colorfulness,
    model_contestant,
    outputs_contestant,
    predictions,
)
from photochrom.evaluation.distances import frechet_distance, kernel_distance
from photochrom.evaluation.historic import WAYS, make_historic
from photochrom.evaluation.metrics import colorfulness, delta_e, psnr, skin_difference, skin_mask, ssim
from photochrom.evaluation.protocols import PROTOCOLS, Protocol, Truths, read_truths, write_inputs
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Colorizer
from photochrom.inference.weights import BUNDLED_MODELS, read_bundled
from photochrom.photo.color import FloatArray, join, rgb_to_lab
from photochrom.photo.hints import Hint

MEASURES = ("delta_e", "colorfulness", "psnr", "ssim", "skin_hue", "skin_chroma")
FEATURE_BATCH = 32
SHEET_ROWS = 20  # best, median and worst photographs of a contestant, so many of each
VERSIONED = ("numpy", "onnxruntime", "torch", "scikit-image", "pyvips-binary")


@dataclass(frozen=True)
class Scores:
    """One contestant's numbers: each measure's value for every photograph, (N,), and distances of the whole."""

    name: str
    measures: dict[str, FloatArray]
    distances: dict[str, float] = field(default_factory=dict)


@dataclass
class Evaluation:
    """What `evaluate` found."""

    photographs: list[str]
    true_colorfulness: FloatArray  # (N,)
    scores: list[Scores]  # gray first
    diversity: dict[str, dict[str, float]] = field(default_factory=dict)  # by model
    hint_curves: dict[str, dict[int, FloatArray]] = field(default_factory=dict)  # by model, by count: delta E (N,)
    historic: list[dict[str, object]] = field(default_factory=list)  # a row a model, way and strength
    strips: dict[int, NDArray[np.uint8]] = field(default_factory=dict)  # gray | each contestant | truth
    chosen: dict[str, dict[str, list[int]]] = field(default_factory=dict)  # by contestant: best, median, worst
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def contestants(self) -> list[str]:
        """The names of those compared, without baselines and scaled copies."""
        return list(self.chosen)

    def __getitem__(self, name: str) -> Scores:
        return next(s for s in self.scores if s.name == name)

    def ratio(self, name: str) -> tuple[float, float]:
        """Mean delta E over gray's, and mean colorfulness over the truth's."""
        return (
            _mean(self[name], "delta_e") / _mean(self["gray"], "delta_e"),
            _mean(self[name], "colorfulness") / float(self.true_colorfulness.mean()),
        )


def evaluate(
    sources: list[Path],
    models: Sequence[str],
    *,
    outputs: Mapping[str, Path] | None = None,
    protocol: Protocol = PROTOCOLS["default"],
    limit: int | None = None,
    samples: int = 0,
    hint_counts: Sequence[int] = (),
    historic: Sequence[str] = (),
    published: bool = False,
    inputs: Path | None = None,
    working_size: int = DEFAULT_WORKING_SIZE,
) -> Evaluation:
    """Measure models (names or paths) and other tools' outputs on color photographs in folders or ZIP archives.

    Models color through the Colorizer that users run. outputs: by name, folders of pictures colored by other
    tools. limit: only so many photographs, evenly spread. samples: colorings with seeds 1, 2, ... for
    diversity and best-of-many. hint_counts: also color with so many true-color points. historic: also color
    the photographs grown old, at these STRENGTHS. published: add FID and LPIPS. inputs: write the gray
    photographs to that folder.
    Raises InputError, WeightsError, MissingExtra.
    """
    colorizers = {name: Colorizer(name, working_size=working_size) for name in models}
    features = _feature_network()
    truths = read_truths(sources, protocol, limit)
    if inputs is not None:
        write_inputs(truths, inputs)
    evaluation = Evaluation(
        truths.names,
        np.array([colorfulness(rgb8 / np.float32(255)) for rgb8 in truths.rgb8]),
        [],
        settings=_settings(protocol, models, outputs or {}, working_size, len(truths)),
    )
    true_features = _read_features(features, truths.rgb8)
    with tempfile.TemporaryDirectory(prefix="photochrom-evaluate-") as scratch:
        contestants = [model_contestant(name, c, truths, Path(scratch)) for name, c in colorizers.items()]
        contestants += [outputs_contestant(n, f, truths, Path(scratch)) for n, f in (outputs or {}).items()]
        for one in [*baselines(truths), *contestants]:
            copies = [one]
            if one in contestants:
                copies += [match_colorfulness(one, truths), *(one.scaled(f"{one.name}, {k:g} x", k) for k in SCALES)]
            for copy in copies:
                pictures, measures = _measure(copy, truths)
                distances = _distances(_read_features(features, pictures), true_features)
                if published:
                    from photochrom.evaluation.fid_lpips import published_distances

                    distances |= published_distances(pictures, truths.rgb8)
                evaluation.scores.append(Scores(copy.name, measures, distances))
        for one in contestants:
            # Relative to gray: else photographs that are nearly gray would be the best of every contestant.
            order = np.argsort(evaluation[one.name].measures["delta_e"] / (evaluation["gray"].measures["delta_e"] + 1))
            evaluation.chosen[one.name] = _choose([int(i) for i in order])
        shown = {i for kinds in evaluation.chosen.values() for numbers in kinds.values() for i in numbers}
        evaluation.strips = {i: _strip(i, truths, contestants) for i in sorted(shown)}
        for name, colorizer in colorizers.items():
            if samples:
                figures = _measure_diversity(colorizer, truths, samples)
                figures["best_over_noise_0"] = figures["best_sample_delta_e"] / _mean(evaluation[name], "delta_e")
                evaluation.diversity[name] = figures
            if hint_counts:
                evaluation.hint_curves[name] = _measure_hints(colorizer, truths, hint_counts)
            if historic:
                evaluation.historic += _measure_historic(name, colorizer, truths, evaluation[name], historic)
    return evaluation


def random_true_hints(rgb8: NDArray[np.uint8], count: int, seed: int) -> list[Hint]:
    """True colors at random points of a photograph (S, S, 3), each the mean over 3 x 3 pixels."""
    source = np.random.default_rng(seed)
    hints = []
    for y, x in source.integers(1, len(rgb8) - 1, (count, 2)):
        r, g, b = rgb8[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1)).round().astype(int)
        hints.append(Hint(float(x), float(y), f"#{r:02x}{g:02x}{b:02x}"))
    return hints


def _measure_diversity(colorizer: Colorizer, truths: Truths, samples: int) -> dict[str, float]:
    """How far samples are from each other (on every second pixel each way), and what the best of them gains."""
    errors, spreads = [], []
    # All seeds side by side, photograph by photograph: only a batch of each is held at a time.
    drawn = zip(*(predictions(colorizer, truths, seed=seed) for seed in range(1, samples + 1)), strict=True)
    for number, chromas in enumerate(drawn):
        lab = truths.lab(number)
        errors.append([_color_error(chroma, lab)[0] for chroma in chromas])
        thin = np.s_[::2, ::2]
        labs = [np.concatenate([lab[..., :1], np.moveaxis(c, 0, -1)], axis=-1)[thin] for c in chromas]
        distances = [delta_e(one, other).mean() for one, other in combinations(labs, 2)]
        spreads.append(np.mean(distances) if distances else 0.0)
    single, best = np.mean(errors), np.min(errors, axis=1).mean()
    return {
        "samples": samples,
        "single_sample_delta_e": float(single),
        "best_sample_delta_e": float(best),
        "best_over_single": float(best / single),
        "mean_pairwise_delta_e": float(np.mean(spreads)),
    }


def _measure_hints(colorizer: Colorizer, truths: Truths, counts: Sequence[int]) -> dict[int, FloatArray]:
    curve = {}
    for count in counts:
        hints = [random_true_hints(rgb8, count, number) for number, rgb8 in enumerate(truths.rgb8)]
        chromas = predictions(colorizer, truths, hints=hints)
        curve[count] = np.array([_color_error(chroma, truths.lab(i))[0] for i, chroma in enumerate(chromas)])
    return curve


def _measure_historic(
    name: str, colorizer: Colorizer, truths: Truths, clean: Scores, strengths: Sequence[str]
) -> list[dict[str, object]]:
    """How delta E rises and colorfulness falls when the photographs are old; colors on the truth's luminance."""
    rows: list[dict[str, object]] = []
    for way in WAYS:
        for strength in strengths:
            old = [make_historic(rgb8, way, strength, number) for number, rgb8 in enumerate(truths.rgb8)]
            chromas = predictions(colorizer, truths, pictures=old)
            found = np.array([_color_error(chroma, truths.lab(i)) for i, chroma in enumerate(chromas)])
            error, color = found.mean(axis=0)
            rows.append(
                {
                    "model": name,
                    "way": way,
                    "strength": strength,
                    "delta_e": float(error),
                    "delta_e_rise": float(error / _mean(clean, "delta_e") - 1),
                    "colorfulness": float(color),
                    "colorfulness_fall": float(1 - color / _mean(clean, "colorfulness")),
                }
            )
    return rows


def _measure(contestant: Contestant, truths: Truths) -> tuple[NDArray[np.uint8], dict[str, FloatArray]]:
    """The finished pictures (N, S, S, 3), and each of MEASURES for every photograph (N,)."""
    pictures = np.empty_like(truths.rgb8)

    def measure(number: int) -> tuple[float, ...]:
        lab, chroma = truths.lab(number), contestant.chroma(number)
        error, color = _color_error(chroma, lab)
        pictures[number] = np.rint(join(lab[..., 0], chroma) * 255)
        true_rgb8 = truths.rgb8[number]
        skin = skin_difference(chroma, np.moveaxis(lab[..., 1:], -1, 0), skin_mask(true_rgb8))
        return error, color, psnr(pictures[number], true_rgb8), ssim(pictures[number], true_rgb8), *skin

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        rows = list(pool.map(measure, range(len(truths))))
    return pictures, dict(zip(MEASURES, np.array(rows, np.float64).T, strict=True))


def _color_error(chroma: FloatArray, lab: FloatArray) -> tuple[float, float]:
    """Mean color-only delta E and colorfulness of chroma (2, S, S), as it is shown, on the truth's luminance."""
    rgb = join(lab[..., 0], chroma)
    shown = rgb_to_lab(rgb)
    shown[..., 0] = lab[..., 0]
    return float(delta_e(shown, lab).mean()), colorfulness(rgb)


def _feature_network():  # type: ignore[no-untyped-def]  # PyTorch is an extra; its types are not known here
    try:
        import skimage.metrics  # noqa: F401  # for SSIM: better missed now than after an hour

        from photochrom.evaluation.features import FeatureNetwork
    except ImportError as error:
        raise MissingExtra("photochrom evaluate", "evaluate") from error
    return FeatureNetwork()


def _read_features(network, pictures: NDArray[np.uint8]) -> FloatArray:  # type: ignore[no-untyped-def]
    parts = range(0, len(pictures), FEATURE_BATCH)
    return np.concatenate([network.read(pictures[i : i + FEATURE_BATCH]) for i in parts])


def _distances(features: FloatArray, true_features: FloatArray) -> dict[str, float]:
    if len(features) < 4:  # nothing can be said of so few
        return {}
    kernel, spread = kernel_distance(features, true_features)
    return {"fd_lite": frechet_distance(features, true_features), "kid_lite": kernel, "kid_lite_std": spread}


def _mean(scores: Scores, measure: str) -> float:
    return float(scores.measures[measure].mean())


def _choose(order: list[int]) -> dict[str, list[int]]:
    """From the best to the worst: the photographs that a report shows."""
    rows = min(SHEET_ROWS, len(order))
    middle = (len(order) - rows) // 2
    return {"best": order[:rows], "median": order[middle : middle + rows], "worst": order[::-1][:rows]}


def _strip(number: int, truths: Truths, contestants: list[Contestant]) -> NDArray[np.uint8]:
    """One photograph side by side (S, columns * S, 3): gray | each contestant | truth."""
    luminance = truths.lab(number)[..., 0]
    chromas = [np.zeros((2, *luminance.shape), np.float32), *(c.chroma(number) for c in contestants)]
    colored = [np.rint(join(luminance, chroma) * 255).astype(np.uint8) for chroma in chromas]
    return np.concatenate([*colored, truths.rgb8[number]], axis=1)


def _settings(
    protocol: Protocol, models: Sequence[str], outputs: Mapping[str, Path], working_size: int, count: int
) -> dict[str, object]:
    return {
        "photochrom": __version__,
        "versions": {package: _version(package) for package in VERSIONED},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "protocol": protocol.description,
        "photographs": count,
        "side": protocol.side,
        "working_size": working_size,
        "models": {name: _checksum(name) for name in models},
        "outputs": list(outputs),
        "features": "FD-lite and KID-lite: EfficientNet-Lite0 (ImageNet), 1280 pooled features at 224 px",
    }


def _checksum(model: str) -> str | None:
    """SHA-256 of a model's file; a training run's changes, so it has none."""
    if model in BUNDLED_MODELS:
        return hashlib.sha256(read_bundled(model)).hexdigest()
    return hashlib.sha256(Path(model).read_bytes()).hexdigest() if Path(model).is_file() else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
