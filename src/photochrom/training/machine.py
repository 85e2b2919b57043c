"""What a training runs on: accelerator, precision and memory."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException

from photochrom.errors import OutputError, PhotochromError, TrainingError, reason_of

ACCELERATORS = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
NO_MEMORY = ("memory", "alloc", "size calculation overflow")  # in errors of PyTorch; on CPUs they have no class
ERROR_LOG = "error.log"  # in a run's folder


def open_fabric(accelerator: str, devices: int, nodes: int, precision: str | None, out: Path) -> Fabric:
    """Lightning Fabric on this machine, not yet launched. Raises TrainingError for what the machine doesn't have."""
    if accelerator not in ACCELERATORS:
        raise TrainingError(f"accelerator must be one of {', '.join(ACCELERATORS)}, not {accelerator!r}")
    if precision is not None and precision not in PRECISIONS:
        raise TrainingError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(accelerator, True):
        raise TrainingError(f"PyTorch finds no {accelerator} device on this machine: choose --accelerator cpu or auto")
    if nodes > 1 and not _is_started_on_each_machine():
        raise TrainingError(f"a training on {nodes} machines is started with torchrun on each of them")
    try:
        return Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            precision=precision or default_precision(),  # type: ignore[arg-type]
            loggers=TensorBoardLogger(out, name="tensorboard", version="") if find_spec("tensorboard") else None,
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        reason = reason_of(error)
        raise TrainingError(f"this machine can't train with {devices} {accelerator} devices: {reason}") from error


def _is_started_on_each_machine() -> bool:
    """Whether something told this process about the others; without it, it would wait for them forever."""
    return TorchElasticEnvironment.detect() or SLURMEnvironment.detect() or "MASTER_ADDR" in os.environ


def default_precision() -> str:
    """bf16-mixed where the hardware multiplies bf16, else 32-true."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"


@contextmanager
def explaining(out: Path) -> Iterator[None]:
    """Whatever a training fails at is a PhotochromError of one line, unless standard output is closed.

    The traceback of an error that nobody thought of, perhaps of a loss that is being written, goes to a file in folder
    `out`.
    """
    try:
        yield
    except (PhotochromError, BrokenPipeError):  # the latter: nobody reads standard output any more
        raise
    except OSError as error:
        reason = reason_of(error)
        raise OutputError(f"cannot write {out}: {reason}; --resume goes on from the last checkpoint, if any") from error
    except Exception as error:
        if isinstance(error, MemoryError) or any(word in str(error) for word in NO_MEMORY):
            advice = "lower --batch-size, the sizes of the stages or the network's channels"
            raise TrainingError(f"there is not enough memory for this training: {advice}") from error
        place = _write_traceback(out / ERROR_LOG)
        raise TrainingError(f"the training failed ({reason_of(error)}){place}") from error


def _write_traceback(path: Path) -> str:
    """Write the traceback of the error at hand to a file; the end of a sentence that says where."""
    try:
        path.write_text(traceback.format_exc())
    except OSError:
        return ""
    return f": {path} says where"
