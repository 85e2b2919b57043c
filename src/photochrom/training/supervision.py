"""The losses between a prediction and its truth, or what teachers predict; the discriminator's is in the loop."""

from __future__ import annotations

from torch import Tensor

from photochrom.networks.ciede2000 import color_difference
from photochrom.networks.losses import (
    classification_loss,
    dullness_loss,
    edge_loss,
    pixel_loss,
    smooth_pixel_loss,
    worst_loss,
)
from photochrom.networks.palette import palette_corners
from photochrom.training.colorings import Prediction
from photochrom.training.config import TrainingConfig

PIXEL_LOSSES = {"l1": pixel_loss, "smooth-l1": smooth_pixel_loss}


def supervised_losses(
    config: TrainingConfig, predicted: Prediction, real: Tensor, palette: Tensor | None, color_weights: Tensor | None
) -> dict[str, Tensor]:
    """The unweighted losses of a prediction, scalars: those with a weight only.

    real: the chroma to learn, (N, 2, h, w). palette (Q, 2), color_weights (Q,): for classification, else None.
    """
    fake = predicted.chroma
    losses = {}
    if config.pixel_weight > 0:
        losses["pixel"] = PIXEL_LOSSES[config.pixel_loss](fake, real)
    if config.difference_weight > 0 or config.worst_weight > 0:
        differences = color_difference(fake, real)
        losses |= {"difference": differences.mean()} if config.difference_weight > 0 else {}
        losses |= {"worst": worst_loss(differences)} if config.worst_weight > 0 else {}
    if config.edge_weight > 0:
        losses["edge"] = edge_loss(fake, real)
    if config.dullness_weight > 0:
        losses["dullness"] = dullness_loss(fake, real)
    if config.classification_weight > 0 and predicted.log_probabilities is not None:
        assert palette is not None and color_weights is not None
        corners, corner_weights = palette_corners(real, palette)
        losses["classification"] = classification_loss(
            predicted.log_probabilities, corners, corner_weights, color_weights
        )
    return losses
