"""Micro-batching: requests that arrive together go through the network together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread

from photochrom.inference.colorizer import Coloring, Colorizer
from photochrom.photo.color import PixelArray
from photochrom.photo.hints import Hint

LARGEST = 8  # pictures of a batch: more gain nothing on a CPU


@dataclass(frozen=True)
class Question:
    """A photograph whose colors somebody waits for."""

    pixels: PixelArray
    seed: int | None
    hints: tuple[Hint, ...]
    answer: Future[Coloring] = field(default_factory=Future)


class Batcher:
    """One thread that runs the network for all others, on whatever waits when it is free.

    A lone request is never delayed; under load batches form by themselves.
    """

    def __init__(self, colorizer: Colorizer):
        self.colorizer = colorizer
        self.observe: Callable[[int], None] = lambda size: None  # told the size of every batch
        self._waiting: SimpleQueue[Question | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def predict(self, pixels: PixelArray, seed: int | None = None, hints: Sequence[Hint] = ()) -> Coloring:
        """What the network says of a photograph; waits for its turn. Raises what the Colorizer raises."""
        question = Question(pixels, seed, tuple(hints))
        self._waiting.put(question)
        return question.answer.result()

    def close(self) -> None:
        """Finish what waits, then stop."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, last = [first], False
            while len(batch) < LARGEST and not last:
                try:
                    question = self._waiting.get_nowait()
                except Empty:
                    break
                last = question is None
                if question is not None:
                    batch.append(question)
            self._answer(batch)
            if last:
                return

    def _answer(self, batch: list[Question]) -> None:
        by_seed: dict[int | None, list[Question]] = defaultdict(list)
        for question in batch:
            by_seed[question.seed].append(question)
        for seed, questions in by_seed.items():
            self.observe(len(questions))
            try:
                colorings = self.colorizer.predict(
                    [q.pixels for q in questions], seed=seed, hints=[q.hints for q in questions]
                )
            except Exception as error:  # one bad question must not spoil its neighbors' answers
                self._answer_one_by_one(questions, error)
                continue
            for question, coloring in zip(questions, colorings, strict=True):
                question.answer.set_result(coloring)

    def _answer_one_by_one(self, questions: list[Question], error: Exception) -> None:
        for question in questions:
            if len(questions) == 1:
                question.answer.set_exception(error)
                continue
            try:
                (coloring,) = self.colorizer.predict([question.pixels], seed=question.seed, hints=[question.hints])
                question.answer.set_result(coloring)
            except Exception as own:
                question.answer.set_exception(own)
