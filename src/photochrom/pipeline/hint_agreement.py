"""What several hints say together, as in `photo.hint_agreement`."""

from __future__ import annotations

import numpy as np

from photochrom.photo.hint_agreement import BELIEVED, CHROMA_SCALE, HINT_NOISE, LUMINANCE_SCALE, PLACE_SCALE
from photochrom.pipeline.builder import Value, concat, exp, maximum, minimum, stack, where

ROUNDS = 200  # of solving, at most; it ends when nothing is left to gain
SOLVED = 1e-10  # of what is missing, squared


def agree(chromas: Value, plain: Value, luminance: Value, places: Value, wanted: Value) -> Value:
    """Two chromas (2, 2, h, w), each with what it lacks at the hints added to all places that look alike.

    plain: the prediction without hints, (2, h, w), over luminance (h, w). places: the hints' numbers in h * w, (K,).
    wanted: their chroma, (K, 2).
    """
    graph = chromas.graph
    flat = chromas.reshape(-1, luminance.length(0) * luminance.length(1))  # (4, h w)
    looks = look_of_places(plain, luminance)  # (5, h w)
    at_hints = looks.take(places, 1).transpose(1, 0)
    kernel = alike(at_hints.unsqueeze(0), at_hints.unsqueeze(1), 2)
    there = flat.take(places, 1).transpose(1, 0)  # (K, 4)
    missing = concat([wanted, wanted], 1) - there
    belief = believed(wanted - plain.reshape(2, -1).take(places, 1).transpose(1, 0))
    root = belief.op("Sqrt").unsqueeze(1)
    number = graph.arange(places.length(0))
    own = number.unsqueeze(0).op("Equal", number.unsqueeze(1), dtype=bool)
    system = root * kernel * root.transpose(1, 0) + where(own, 1 + HINT_NOISE - belief.unsqueeze(1), 0)
    pulls = root * solve(system, root * missing)

    def add(index: Value, agreed: Value) -> list[Value]:
        near = alike(looks, at_hints.take(index).unsqueeze(1), 0)
        return [agreed + pulls.take(index).unsqueeze(1) * near]

    (agreed,) = graph.loop(places.length(0), [flat], add)
    return agreed.reshape(-1, 2, luminance.length(0), luminance.length(1))


def look_of_places(plain: Value, luminance: Value) -> Value:
    """Where a place is, its luminance and its predicted chroma, (5, h * w)."""
    height, width = luminance.length(0), luminance.length(1)
    scale = minimum(height, width).cast(np.float32) * PLACE_SCALE
    down, across = (luminance.graph.arange(side).cast(np.float32) / scale for side in (height, width))
    rows, columns = down.unsqueeze(1) + luminance * 0, across.unsqueeze(0) + luminance * 0
    looks = concat([stack([rows, columns, luminance / LUMINANCE_SCALE]), plain / CHROMA_SCALE], 0)
    return looks.reshape(5, -1)


def alike(one: Value, other: Value, axis: int) -> Value:
    """How alike looks are, 0..1, which stand along an axis."""
    difference = one - other
    return exp((difference * difference).reduced("Sum", axis) * -0.5)


def believed(change: Value) -> Value:
    """How much each of K hints has to say of other places, 0..1, by what it changes (K, 2) at its own."""
    others = 1 - 1 / maximum(change.length(0), 1).cast(np.float32)
    return exp((change * change).reduced("Sum", 1) / -(BELIEVED**2)) * others


def solve(system: Value, missing: Value) -> Value:
    """X (K, C) with system @ X = missing, for a symmetric positive definite system (K, K).

    By conjugate gradients (Hestenes & Stiefel 1952), each column for itself, because ONNX has no operator for it.
    """

    def squared(columns: Value) -> Value:
        return (columns * columns).reduced("Sum", 0, keep=True)

    enough = squared(missing) * SOLVED

    def improve(index: Value, found: Value, left: Value, way: Value) -> list[Value]:
        ahead = system @ way
        step = squared(left) / maximum((way * ahead).reduced("Sum", 0, keep=True), 1e-30)
        rest = left - step * ahead
        turned = rest + way * (squared(rest) / maximum(squared(left), 1e-30))
        going = (squared(rest) > enough).cast(np.int32).reduced("Max", 0, 1) > 0
        return [going, found + step * way, rest, turned]

    rounds = missing.graph.constant(np.array(ROUNDS)) * minimum(missing.length(0), 1)
    found, _, _ = missing.graph.loop(rounds, [missing * 0, missing, missing], improve, until=True)
    return found
