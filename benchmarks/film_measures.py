"""How steady and how right the colors of a clip are."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from photochrom.evaluation.metrics import delta_e

STEPS = (1, 2, 4)  # frames apart, of the color distribution consistency (CDC)
OCCLUDED = 4.0  # L units: a pixel whose luminance was carried this far off is not compared


def warp_error(clip: list[np.ndarray]) -> float:
    errors = []
    for before, after in pairwise(clip):
        one, other = (np.rint(lab[..., 0] * 2.55).astype(np.uint8) for lab in (after, before))
        flow = cv2.calcOpticalFlowFarneback(one, other, None, 0.5, 4, 21, 3, 7, 1.5, 0)
        rows, columns = np.mgrid[: one.shape[0], : one.shape[1]].astype(np.float32)
        carried = cv2.remap(before, np.dstack([columns, rows]) + flow, None, cv2.INTER_LINEAR)
        fits = np.abs(carried[..., 0] - after[..., 0]) < OCCLUDED
        errors.append(np.hypot(*np.moveaxis(carried[..., 1:] - after[..., 1:], -1, 0))[fits].mean())
    return float(np.mean(errors))


def color_consistency(clip: list[np.ndarray]) -> float:
    """CDC of Liu et al. 2021, Temporally consistent video colorization: divergence of RGB histograms."""
    histograms = [
        np.stack([np.bincount(frame[..., c].ravel(), minlength=256) / frame[..., c].size for c in range(3)])
        for frame in clip
    ]
    return float(
        np.mean(
            [
                divergence(one, other)
                for step in STEPS
                for one, other in zip(histograms[:-step], histograms[step:], strict=True)
            ]
        )
    )


def divergence(one: np.ndarray, other: np.ndarray) -> float:
    middle = (one + other) / 2

    def relative_entropy(p: np.ndarray) -> np.ndarray:
        return np.sum(np.where(p > 0, p * np.log2(np.maximum(p, 1e-12) / np.maximum(middle, 1e-12)), 0), axis=1)

    return float(((relative_entropy(one) + relative_entropy(other)) / 2).mean())


def mean_error(truths: list[np.ndarray], clip: list[np.ndarray]) -> float:
    """Color-only ΔE2000: the truth's L on both sides; every fourth frame."""
    errors = []
    for truth, lab in zip(truths[::4], clip[::4], strict=True):
        errors.append(delta_e(np.dstack([truth[..., :1], lab[..., 1:]]).astype(np.float32), truth).mean())
    return float(np.mean(errors))
