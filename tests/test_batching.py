"""Photographs that wait go through the network together, each as if it were alone."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("fastapi")

from waiting import wait_until

import photochrom
from photochrom.errors import InputError
from photochrom.photo.decoding import decode_photograph
from photochrom.service.batching import Batcher


def test_waiting_requests_go_through_the_network_together(held, photographs):
    gray = photographs["chelsea"][..., 1]
    batcher, sizes = Batcher(held), list[int]()
    batcher.observe = sizes.append
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(batcher.predict_one, gray)]
        wait_until(lambda: sizes, "the first is in work")
        answers += [pool.submit(batcher.predict_one, np.roll(gray, 10 * n, axis=1)) for n in range(1, 6)]
        wait_until(lambda: batcher._waiting.qsize() >= 5, "five are waiting")
        held.backend.open.set()
        colorings = [answer.result() for answer in answers]
    batcher.close()
    assert sizes == [1, 5]
    for n, coloring in enumerate(colorings):
        alone = held.predict([np.roll(gray, 10 * n, axis=1)])[0]
        assert np.allclose(coloring.chroma, alone.chroma, atol=1e-4)


def test_large_pictures_go_through_the_network_one_by_one(held, photographs):
    """Eight of 1024 pixels would take sixteen times the memory of eight of 256."""
    gray = photographs["chelsea"][..., 1]
    batcher, sizes = Batcher(held), list[int]()
    batcher.observe = sizes.append
    large = batcher.with_colorizer(photochrom.Colorizer(held.backend, working_size=1024))
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(batcher.predict_one, gray)]
        wait_until(lambda: sizes, "the first is in work")
        answers += [pool.submit(predictor.predict_one, gray) for predictor in (large, large, batcher, batcher)]
        wait_until(lambda: batcher._waiting.qsize() >= 4, "four are waiting")
        held.backend.open.set()
        shapes = [answer.result().luminance.shape for answer in answers]
    batcher.close()
    assert sorted(sizes) == [1, 1, 1, 2] and [min(shape) for shape in shapes] == [256, 1024, 1024, 256, 256]


def test_another_number_of_threads_changes_single_values_by_one_step_at_most(cat, colorizer):
    """As docs/serving.md says, also for a picture that went through the network with others."""
    pixels = decode_photograph(cat).pixels[:120, :160] * np.uint16(257)
    one, three = (photochrom.Colorizer(threads=threads).colorize(pixels).astype(int) for threads in (1, 3))
    together = colorizer.colorize_batch([pixels, pixels[::-1], pixels[:, ::-1]])[0].astype(int)
    for other in (three, together):
        assert np.abs(one - other).max() <= 1 and (one != other).mean() < 0.01


def test_one_bad_question_spoils_no_other(held, photographs):
    batcher = Batcher(held)
    gray, outside = photographs["chelsea"][..., 1], (photochrom.Hint(1e6, 1e6, "#000000"),)
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(batcher.predict_one, gray, None, hints) for hints in ((), outside, ())]
        wait_until(lambda: all(answer.running() or answer.done() for answer in answers), "all three are asked")
        held.backend.open.set()
        with pytest.raises(InputError, match="outside"):
            answers[1].result()
        assert answers[0].result().chroma.shape == answers[2].result().chroma.shape
    batcher.close()
