"""What a training runs on: accelerator and precision."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from lightning_fabric.utilities.exceptions import MisconfigurationException

from photochrom.errors import TrainingError, reason_of

ACCELERATORS = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def open_fabric(accelerator: str, devices: int, nodes: int, precision: str | None, out: Path) -> Fabric:
    """Lightning Fabric on this machine, not yet launched. Raises TrainingError for what the machine doesn't have."""
    if accelerator not in ACCELERATORS:
        raise TrainingError(f"accelerator must be one of {', '.join(ACCELERATORS)}, not {accelerator!r}")
    if precision is not None and precision not in PRECISIONS:
        raise TrainingError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(accelerator, True):
        raise TrainingError(f"PyTorch finds no {accelerator} device on this machine: choose --accelerator cpu or auto")
    try:
        return Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            precision=precision or default_precision(),  # type: ignore[arg-type]
            loggers=TensorBoardLogger(out, name="tensorboard", version=""),
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        reason = reason_of(error)
        raise TrainingError(f"this machine can't train with {devices} {accelerator} devices: {reason}") from error


def default_precision() -> str:
    """bf16-mixed where the hardware multiplies bf16, else 32-true."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"
