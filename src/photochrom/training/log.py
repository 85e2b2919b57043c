"""The log of a training: lines of JSON in a file and on standard output, and curves in TensorBoard."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

from lightning_fabric import Fabric

from photochrom.errors import TrainingError

LOG_NAME = "log.jsonl"


class Log:
    """Where the numbers of a training go. The first process writes; the others only check them."""

    def __init__(self, fabric: Fabric, run: Path):
        self.fabric, self.path = fabric, run / LOG_NAME

    def add(self, step: int, stage: str, values: Mapping[str, float]) -> None:
        """Write a line. Raises TrainingError if a number isn't finite."""
        if any(not math.isfinite(value) for value in values.values()):
            raise diverged(step)
        self.fabric.log_dict(values, step)
        if self.fabric.is_global_zero:
            line = json.dumps({"step": step, "stage": stage, "time": round(time.time()), **values})
            with open(self.path, "a") as log:
                log.write(line + "\n")
            print(line, flush=True)


def diverged(step: int) -> TrainingError:
    """What to say when the numbers of a training grow beyond all bounds."""
    advice = "start another with a lower learning_rate, --from this one's last checkpoint if it has any"
    return TrainingError(f"the training diverged at step {step}: {advice}")
