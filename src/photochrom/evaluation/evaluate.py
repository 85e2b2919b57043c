"""The comparison: remove the color of photographs, let every contestant restore it, and measure."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photochrom import __version__
from photochrom.coloring import Look
from photochrom.errors import InputError, MissingExtra
from photochrom.evaluation.contestants import (
    Contestant,
    baselines,
    check_names,
    copies_of,
    model_contestant,
    outputs_contestant,
    predictions,
)
from photochrom.evaluation.distances import frechet_distance, kernel_distance
from photochrom.evaluation.historic import WAYS, make_historic
from photochrom.evaluation.metrics import (
    colorful_pixels,
    delta_e,
    left_gray,
    psnr,
    skin_difference,
    skin_mask,
    ssim,
    variance_along_one_axis,
)
from photochrom.evaluation.patchiness import one_color_regions, region_spread
from photochrom.evaluation.places import check_places
from photochrom.evaluation.protocols import PROTOCOLS, Protocol, Truths, read_truths, write_inputs
from photochrom.evaluation.results import MEASURES, Evaluation, Scores, TrueMeasures
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Colorizer
from photochrom.photo.color import FloatArray, colorfulness, rgb_to_lab
from photochrom.photo.hints import Hint
from photochrom.photo.joining import join
from photochrom.settings import AUTO, usable_cores

HIGH_PERCENTILE = 95
NO_COLOR = 0.1  # mean colorfulness: photographs below are black and white
FEATURE_BATCH = 32
SHEET_ROWS = 20  # how many of a contestant's best, median and worst photographs are shown
VERSIONED = ("numpy", "onnxruntime", "torch", "scikit-image", "pyvips-binary")


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
    report: Path | None = None,
    working_size: int = DEFAULT_WORKING_SIZE,
    device: str = AUTO,
) -> Evaluation:
    """Measure models (names or paths) and other tools' outputs on color photographs in folders or ZIP archives.

    Models color through the Colorizer that users run. outputs: by name, folders of pictures that other tools colored.
    limit: the number of photographs, evenly spread. samples: the number of colorings, with seeds 1, 2, ..., for
    diversity and best-of-many. hint_counts: color again with these numbers of true-color points. historic: color
    again with the photographs made old, at these STRENGTHS. published: add FID and LPIPS. inputs: write the gray
    photographs to this folder. report: the folder that a report will be written to; sources are read without it and
    the outputs. device: as the Colorizer's.
    Raises InputError, DeviceError, WeightsError, MissingExtra.
    """
    check_names([*models, *(outputs or {})])
    others = list((outputs or {}).values())
    check_places(sources, others, inputs, report)
    colorizers = {name: Colorizer(name, working_size=working_size, device=device) for name in models}
    features = _feature_network()
    if published:
        from photochrom.evaluation.fid_lpips import check_installed

        check_installed()
    truths = read_truths(sources, protocol, limit, [*others, *([report] if report is not None else [])])
    if inputs is not None:
        write_inputs(truths, inputs)
    true, regions = _measure_truths(truths)
    evaluation = Evaluation(
        truths.names, true, [], settings=_settings(protocol, colorizers, outputs or {}, working_size, len(truths))
    )
    with tempfile.TemporaryDirectory(prefix="photochrom-evaluate-") as scratch:
        contestants = [model_contestant(name, c, truths, Path(scratch)) for name, c in colorizers.items()]
        contestants += [outputs_contestant(n, f, truths, Path(scratch)) for n, f in (outputs or {}).items()]
        evaluation.scores = _score_all(contestants, truths, regions, features, published)
        _choose_strips(evaluation, contestants, truths)
    for name, colorizer in colorizers.items():
        clean = evaluation[name]
        if samples:
            evaluation.diversity[name] = _measure_diversity(colorizer, truths, samples, clean)
        if hint_counts:
            evaluation.hint_curves[name] = _measure_hints(colorizer, truths, hint_counts)
        if historic:
            evaluation.historic += _measure_historic(name, colorizer, truths, clean, historic)
    return evaluation


def random_true_hints(rgb8: NDArray[np.uint8], count: int, seed: int) -> list[Hint]:
    """True colors at random points of a photograph (S, S, 3); each is the mean over 3 x 3 pixels."""
    source = np.random.default_rng(seed)
    hints = []
    for y, x in source.integers(1, len(rgb8) - 1, (count, 2)):
        r, g, b = rgb8[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1)).round().astype(int)
        hints.append(Hint(float(x), float(y), f"#{r:02x}{g:02x}{b:02x}"))
    return hints


def _score_all(  # type: ignore[no-untyped-def]  # features: see _feature_network
    contestants: Sequence[Contestant], truths: Truths, regions: list[NDArray[np.int64]], features, published: bool
) -> list[Scores]:
    """The scores of the baselines, gray first, and of each contestant, before its scaled copies."""
    if published:
        from photochrom.evaluation.fid_lpips import published_distances
    true_features = _read_features(features, truths.rgb8)
    with_copies = [coloring for one in contestants for coloring in (one, *copies_of(one, truths))]
    scores = []
    for coloring in [*baselines(truths), *with_copies]:
        pictures, measures = _measure(coloring, truths, regions)
        distances = _distances(_read_features(features, pictures), true_features)
        if published:
            distances |= published_distances(pictures, truths.rgb8)
        scores.append(Scores(coloring.name, measures, distances))
    return scores


def _choose_strips(evaluation: Evaluation, contestants: list[Contestant], truths: Truths) -> None:
    """Add each contestant's best, median and worst photographs, and their pictures, to an evaluation with scores."""
    for one in contestants:
        # Relative to gray, because otherwise nearly gray photographs would be the best of every contestant.
        order = np.argsort(evaluation[one.name].measures["delta_e"] / (evaluation["gray"].measures["delta_e"] + 1))
        evaluation.chosen[one.name] = _choose([int(i) for i in order])
    shown = {i for kinds in evaluation.chosen.values() for numbers in kinds.values() for i in numbers}
    evaluation.strips = {i: _strip(i, truths, contestants) for i in sorted(shown)}


def _measure_diversity(colorizer: Colorizer, truths: Truths, samples: int, clean: Scores) -> dict[str, float]:
    """How far samples are from each other, measured on every second row and column, and what the best of them gains."""
    errors, spreads, axes = [], [], []
    # All seeds advance together, photograph by photograph, so that only one batch of each is in memory.
    drawn = zip(*(predictions(colorizer, truths, seed=seed) for seed in range(1, samples + 1)), strict=True)
    for number, chromas in enumerate(drawn):
        lab = truths.lab(number)
        errors.append([_color_error(chroma, lab)[0] for chroma in chromas])
        thin = np.s_[::2, ::2]
        labs = [np.concatenate([lab[..., :1], np.moveaxis(c, 0, -1)], axis=-1)[thin] for c in chromas]
        distances = [delta_e(one, other).mean() for one, other in combinations(labs, 2)]
        spreads.append(np.mean(distances) if distances else 0.0)
        axes.append(variance_along_one_axis([chroma[:, ::2, ::2] for chroma in chromas]))
    single, best = np.mean(errors), np.min(errors, axis=1).mean()
    return {
        "samples": samples,
        "single_sample_delta_e": float(single),
        "best_sample_delta_e": float(best),
        "best_over_single": float(best / single),
        "mean_pairwise_delta_e": float(np.mean(spreads)),
        "variance_along_one_axis": float(np.mean(axes)),
        "best_over_noise_0": float(best) / clean.mean("delta_e"),
    }


def _measure_hints(colorizer: Colorizer, truths: Truths, counts: Sequence[int]) -> dict[int, FloatArray]:
    curve = {}
    for count in counts:
        looks = [Look(hints=tuple(random_true_hints(rgb8, count, i))) for i, rgb8 in enumerate(truths.rgb8)]
        chromas = predictions(colorizer, truths, looks=looks)
        curve[count] = np.array([_color_error(chroma, truths.lab(i))[0] for i, chroma in enumerate(chromas)])
    return curve


def _measure_historic(
    name: str, colorizer: Colorizer, truths: Truths, clean: Scores, strengths: Sequence[str]
) -> list[dict[str, object]]:
    """How delta E rises and colorfulness falls when the photographs are old; the luminance stays the truth's."""
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
                    "delta_e_rise": float(error / clean.mean("delta_e") - 1),
                    "colorfulness": float(color),
                    "colorfulness_fall": float(1 - color / clean.mean("colorfulness")),
                }
            )
    return rows


def _measure_truths(truths: Truths) -> tuple[TrueMeasures, list[NDArray[np.int64]]]:
    """What is measured on the photographs, and each one's regions of one color. Raises InputError if all are gray."""

    def measure(number: int) -> tuple[tuple[float, ...], NDArray[np.int64]]:
        rgb8, chroma = truths.rgb8[number], _chroma_of(truths.lab(number))
        regions = one_color_regions(chroma)
        colorful = float(colorful_pixels(chroma).mean())
        return (colorfulness(rgb8 / np.float32(255)), colorful, *region_spread(chroma, regions)), regions

    with ThreadPoolExecutor(usable_cores()) as pool:
        rows, regions = zip(*pool.map(measure, range(len(truths))), strict=True)
    true = TrueMeasures(*np.array(rows).T)
    if true.colorfulness.mean() < NO_COLOR:
        raise InputError("the photographs are all gray: the comparison needs photographs in color")
    return true, list(regions)


def _measure(
    contestant: Contestant, truths: Truths, regions: list[NDArray[np.int64]]
) -> tuple[NDArray[np.uint8], dict[str, FloatArray]]:
    """The finished pictures (N, S, S, 3), and each of MEASURES for every photograph (N,)."""
    pictures = np.empty_like(truths.rgb8)

    def measure(number: int) -> dict[str, float]:
        true_rgb8, lab, chroma = truths.rgb8[number], truths.lab(number), contestant.chroma(number)
        rgb, shown = _show(chroma, lab)
        errors = delta_e(shown, lab)
        picture = np.rint(rgb * 255).astype(np.uint8)
        pictures[number] = picture
        true_chroma, shown_chroma = _chroma_of(lab), _chroma_of(shown)
        skin_hue, skin_chroma = skin_difference(chroma, true_chroma, skin_mask(true_rgb8))
        spread, region_chroma = region_spread(shown_chroma, regions[number])
        return {
            "delta_e": float(errors.mean()),
            "colorfulness": colorfulness(rgb),
            "psnr": psnr(picture, true_rgb8),
            "ssim": ssim(picture, true_rgb8),
            "skin_hue": skin_hue,
            "skin_chroma": skin_chroma,
            "delta_e_95": float(np.percentile(errors, HIGH_PERCENTILE)),
            "left_gray": left_gray(shown_chroma, true_chroma),
            "region_spread": spread,
            "region_chroma": region_chroma,
        }

    with ThreadPoolExecutor(usable_cores()) as pool:
        rows = list(pool.map(measure, range(len(truths))))
    return pictures, {measure: np.array([row[measure] for row in rows]) for measure in MEASURES}


def _show(chroma: FloatArray, lab: FloatArray) -> tuple[FloatArray, FloatArray]:
    """sRGB of chroma (2, S, S) on the truth's luminance, and its CIELAB with exactly that luminance: both (S, S, 3)."""
    rgb = join(lab[..., 0], chroma)
    shown = rgb_to_lab(rgb)
    shown[..., 0] = lab[..., 0]
    return rgb, shown


def _color_error(chroma: FloatArray, lab: FloatArray) -> tuple[float, float]:
    """Mean color-only delta E and colorfulness of chroma (2, S, S) on the truth's luminance."""
    rgb, shown = _show(chroma, lab)
    return float(delta_e(shown, lab).mean()), colorfulness(rgb)


def _chroma_of(lab: FloatArray) -> FloatArray:
    """a and b (2, S, S) of CIELAB (S, S, 3)."""
    return np.moveaxis(lab[..., 1:], -1, 0)


def _feature_network():  # type: ignore[no-untyped-def]  # PyTorch is an extra; its types are not known here
    try:
        import skimage.metrics  # noqa: F401  # SSIM needs it: fail now and not after an hour

        from photochrom.evaluation.features import FeatureNetwork
    except ImportError as error:
        raise MissingExtra("photochrom evaluate", "evaluate") from error
    return FeatureNetwork()


def _read_features(network, pictures: NDArray[np.uint8]) -> FloatArray:  # type: ignore[no-untyped-def]
    parts = range(0, len(pictures), FEATURE_BATCH)
    return np.concatenate([network.read(pictures[i : i + FEATURE_BATCH]) for i in parts])


def _distances(features: FloatArray, true_features: FloatArray) -> dict[str, float]:
    if len(features) < 4:  # too few to compare sets
        return {}
    kernel, spread = kernel_distance(features, true_features)
    return {"fd_lite": frechet_distance(features, true_features), "kid_lite": kernel, "kid_lite_std": spread}


def _choose(order: list[int]) -> dict[str, list[int]]:
    """The photographs that a report shows, of an order from the best to the worst."""
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
    protocol: Protocol, colorizers: Mapping[str, Colorizer], outputs: Mapping[str, Path], working_size: int, count: int
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
        "models": {name: colorizer.backend.info.digest for name, colorizer in colorizers.items()},
        "devices": {name: colorizer.device for name, colorizer in colorizers.items()},
        "outputs": list(outputs),
        "features": "FD-lite and KID-lite: EfficientNet-Lite0 (ImageNet), 1280 pooled features at 224 px",
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
