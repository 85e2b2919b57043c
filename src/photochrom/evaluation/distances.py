"""Distances between two sets of pictures, from deep features (N, D) of each."""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import FloatArray

KERNEL_SUBSETS = 50  # drawn to estimate how certain a kernel distance is
KERNEL_SUBSET_SHARE = 0.5


def frechet_distance(features: FloatArray, real_features: FloatArray) -> float:
    """Distance of two Gaussians with the sets' means and covariances (Heusel et al. 2017, arXiv 1706.08500).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2). It depends on N: compare only equal numbers of pictures.
    """
    difference = features.mean(axis=0, dtype=np.float64) - real_features.mean(axis=0, dtype=np.float64)
    centered = [(x - x.mean(axis=0)).astype(np.float64) / np.sqrt(len(x) - 1) for x in (features, real_features)]
    # The trace of the root is the nuclear norm of A B^T, because C1 = A^T A and C2 = B^T B.
    cross = np.linalg.svd(centered[0] @ centered[1].T, compute_uv=False).sum()
    spread = sum(np.square(x).sum() for x in centered)
    return float(difference @ difference + spread - 2 * cross)


def kernel_distance(features: FloatArray, real_features: FloatArray) -> tuple[float, float]:
    """Unbiased squared maximum mean discrepancy of paired sets, and its standard deviation over random halves.

    Binkowski et al. 2018 (arXiv 1801.01401), with their kernel (x . y / D + 1)^3; times 1000, as is customary.
    Row i of both sets belongs to the same photograph, so pairs (i, i) are left out everywhere. Otherwise the sets
    would seem closer than they are, most of all small ones. Equal sets may give a value slightly under 0.
    """
    kernels = _kernel(features, features) + _kernel(real_features, real_features) - 2 * _kernel(features, real_features)
    source = np.random.default_rng(0)
    halves = []
    for _ in range(KERNEL_SUBSETS):
        some = source.choice(len(features), max(2, round(len(features) * KERNEL_SUBSET_SHARE)), replace=False)
        halves.append(_mean_off_diagonal(kernels[np.ix_(some, some)]))
    return 1000 * _mean_off_diagonal(kernels), 1000 * float(np.std(halves))


def _kernel(x: FloatArray, y: FloatArray) -> FloatArray:
    return (x.astype(np.float64) @ y.T.astype(np.float64) / x.shape[1] + 1) ** 3


def _mean_off_diagonal(values: FloatArray) -> float:
    return float((values.sum() - np.trace(values)) / (len(values) * (len(values) - 1)))
