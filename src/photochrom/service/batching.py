"""Micro-batching: requests that arrive together go through the network together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from photochrom.coloring import Predictor
from photochrom.errors import Stopping
from photochrom.inference.colorizer import Coloring, Colorizer
from photochrom.inference.model import ModelInfo
from photochrom.photo.color import FloatArray, PixelArray
from photochrom.photo.hints import Hint, check_hints
from photochrom.settings import STRENGTH, WARMTH

LARGEST = 8  # pictures per batch: larger batches gain nothing on a CPU
LARGEST_PIXELS = LARGEST * 256**2  # of a batch's pictures, about: memory grows with them


@dataclass(frozen=True)
class Pending:
    """A prediction that a thread waits for."""

    colorizer: Colorizer
    small: FloatArray  # the luminance that the network sees
    size: tuple[int, int]  # of the photograph: height, width
    seed: int | None
    hints: tuple[Hint, ...]
    result: Future[Coloring] = field(default_factory=Future)


class Batched:
    """A Colorizer whose predictions a Batcher makes."""

    def __init__(self, batcher: Batcher, colorizer: Colorizer):
        self.batcher, self.colorizer = batcher, colorizer

    @property
    def model_info(self) -> ModelInfo:
        """Facts about the model."""
        return self.colorizer.model_info

    @property
    def working_size(self) -> int:
        """The short side, in pixels, of the picture that the network sees."""
        return self.colorizer.working_size

    def predict_one(self, pixels: PixelArray, seed: int | None = None, hints: Sequence[Hint] = ()) -> Coloring:
        """The network's prediction for a photograph; waits until it is ready. Raises what the Colorizer raises."""
        return self.batcher.predict_with(self.colorizer, pixels, seed, hints)

    def apply(
        self,
        pixels: PixelArray,
        coloring: Coloring,
        strength: float = STRENGTH.default,
        warmth: float = WARMTH.default,
    ) -> PixelArray:
        """The photograph joined with its coloring, in the calling thread."""
        return self.colorizer.apply(pixels, coloring, strength, warmth)


class Batcher(Batched):
    """One thread that runs the network for all others. When it is free, it takes all requests that wait.

    A single request is never delayed. Under load, batches form by themselves. colorizer: what predicts, unless a
    request wants another one (see `with_colorizer`).
    """

    def __init__(self, colorizer: Colorizer):
        super().__init__(self, colorizer)
        self.observe: Callable[[int], None] = lambda size: None  # is called with the size of every batch
        self._waiting: SimpleQueue[Pending | None] = SimpleQueue()
        self._lock, self._closed = Lock(), False
        self._thread = Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def with_colorizer(self, colorizer: Colorizer) -> Predictor:
        """The same for another model or working size; all share the one thread."""
        return Batched(self, colorizer)

    def predict_with(
        self, colorizer: Colorizer, pixels: PixelArray, seed: int | None, hints: Sequence[Hint]
    ) -> Coloring:
        """As `predict_one`, by any Colorizer."""
        small = colorizer.small_luminance(pixels)  # in the calling thread, beside the network's
        pending = Pending(colorizer, small, (pixels.shape[0], pixels.shape[1]), seed, check_hints(hints))
        with self._lock:
            if self._closed:
                raise Stopping("the server is stopping: try again in a minute", retry_after=60)
            self._waiting.put(pending)
        return pending.result.result()

    def close(self) -> None:
        """Finish the predictions that wait, then stop."""
        with self._lock:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, last = [first], False
            while len(batch) < LARGEST and not last:
                try:
                    pending = self._waiting.get_nowait()
                except Empty:
                    break
                last = pending is None
                if pending is not None:
                    batch.append(pending)
            self._predict(batch)
            if last:
                return

    def _predict(self, batch: list[Pending]) -> None:
        together: dict[tuple[Colorizer, int | None], list[Pending]] = defaultdict(list)
        for pending in batch:
            together[pending.colorizer, pending.seed].append(pending)
        for (colorizer, seed), group in together.items():
            count = max(1, LARGEST_PIXELS // colorizer.working_size**2)
            for first in range(0, len(group), count):
                self._predict_together(colorizer, seed, group[first : first + count])

    def _predict_together(self, colorizer: Colorizer, seed: int | None, group: list[Pending]) -> None:
        self.observe(len(group))
        try:
            colorings = _colorings(colorizer, seed, group)
        except Exception as error:  # one bad photograph must not make the others of its batch fail
            self._predict_one_by_one(group, error)
            return
        for pending, coloring in zip(group, colorings, strict=True):
            pending.result.set_result(coloring)

    def _predict_one_by_one(self, group: list[Pending], error: Exception) -> None:
        for pending in group:
            if len(group) == 1:
                pending.result.set_exception(error)
                continue
            try:
                (coloring,) = _colorings(pending.colorizer, pending.seed, [pending])
                pending.result.set_result(coloring)
            except Exception as own:
                pending.result.set_exception(own)


def _colorings(colorizer: Colorizer, seed: int | None, group: list[Pending]) -> list[Coloring]:
    smalls, sizes = [each.small for each in group], [each.size for each in group]
    return colorizer.predict_small(smalls, sizes, seed=seed, hints=[each.hints for each in group])
