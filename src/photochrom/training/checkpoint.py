"""Writing checkpoints: all of a training's state in one file, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from photochrom.networks.build import CHECKPOINT_NAME


def write_checkpoint(state: dict[str, Any], run: Path) -> None:
    """Write state (tensors and plain types only) to the run's checkpoint, replacing the last one at once."""
    temporary = run / (CHECKPOINT_NAME + ".part")
    with open(temporary, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, run / CHECKPOINT_NAME)
