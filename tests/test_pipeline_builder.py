"""What the pipeline's graphs are built of: expressions that compute as NumPy's do."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the extra pipeline")
import onnxruntime

from photochrom.pipeline.builder import Graph, maximum, where


def test_expressions_are_as_in_numpy():
    """The builder's operators, slices, loops and branches, with a Value among the bounds."""
    graph = Graph()
    x = graph.input("x", np.float32, ("h", "w"))
    height = x.length(0)
    (total,) = graph.loop(height, [x[0] * 0], lambda index, total: [total + x.take(index)])
    (doubled,) = graph.loop(None, [x[0, 0]], lambda index, value: [value < 100, value * 2], until=True)
    (squares,) = graph.loop(height, [], lambda index: [(index * index).cast(np.float32)])
    results = {
        "sums": 2 - (1 + x) / 4 * -x,
        "slices": x[1 : height - 1, ::-2][..., -1],
        "rows": x[::2],
        "choice": where(x > 3, x, 0) + maximum((x.cast(np.int64) % 3).cast(np.float32), 1),
        "product": x @ x.transpose(1, 0),
        "loop": total,
        "until": doubled,
        "stacked": squares,
        "branch": graph.branch(height > 3, lambda: x[0], lambda: x[1]),
        "sorted": x.reshape(-1).sorted(),
        "padded": x.padded([1, 0], [0, 2]),
    }
    a = np.arange(20, dtype=np.float32).reshape(4, 5) + 1
    expected = {
        "sums": 2 - (1 + a) / 4 * -a,
        "slices": a[1:3, ::-2][..., -1],
        "rows": a[::2],
        "choice": np.where(a > 3, a, 0) + np.maximum(a % 3, 1),
        "product": a @ a.T,
        "loop": a.sum(axis=0),
        "until": np.float32(256),  # 128 is the first that says stop, and is doubled with that
        "stacked": np.array([0, 1, 4, 9], np.float32),
        "branch": a[0],
        "sorted": a.ravel(),
        "padded": np.pad(a, ((1, 0), (0, 2)), "edge"),
    }
    for name, value in results.items():
        graph.output(value, name, [f"{name} {axis}" for axis in range(np.ndim(expected[name]))])
    session = onnxruntime.InferenceSession(graph.model("test").SerializeToString(), providers=["CPUExecutionProvider"])
    for name, found in zip(results, session.run(list(results), {"x": a}), strict=True):
        assert np.array_equal(found, expected[name]), name
