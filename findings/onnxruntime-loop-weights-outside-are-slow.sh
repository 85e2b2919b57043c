#!/usr/bin/env bash
# A subgraph (the body of a Loop) may use weights of the graph around it, which are as constant as its own. One would
# guess that it runs as fast. onnxruntime 1.32.0 gives convolutions its blocked layout (ReorderInput, nchwc) only where
# their weights stand in the body itself: with the same weights outside, the same loop took 1.4 times as long here.
# Source: https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html (layout optimizations)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json, statistics, time

import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper

LAYERS, SHAPE = 8, [1, 64, 64, 64]
rng = np.random.default_rng(0)
weights = [numpy_helper.from_array((rng.standard_normal((64, 64, 3, 3)) / 24).astype(np.float32), f"w{i}") for i in range(LAYERS)]


def model(weights_inside):
    nodes, x = [helper.make_node("Identity", ["going"], ["go_on"])], "x_in"
    for i in range(LAYERS):
        nodes += [helper.make_node("Conv", [x, f"w{i}"], [f"c{i}"], pads=[1] * 4), helper.make_node("Relu", [f"c{i}"], [f"r{i}"])]
        x = f"r{i}"
    tensor = helper.make_tensor_value_info
    given = [tensor("i", TensorProto.INT64, []), tensor("going", TensorProto.BOOL, []), tensor("x_in", TensorProto.FLOAT, SHAPE)]
    results = [tensor("go_on", TensorProto.BOOL, []), tensor(x, TensorProto.FLOAT, SHAPE)]
    body = helper.make_graph(nodes, "body", given, results, weights if weights_inside else [])
    loop = helper.make_node("Loop", ["times", "start", "x"], ["y"], body=body)
    constants = [numpy_helper.from_array(np.array(2), "times"), numpy_helper.from_array(np.array(True), "start")]
    outer = constants if weights_inside else constants + weights
    graph = helper.make_graph([loop], "g", [tensor("x", TensorProto.FLOAT, SHAPE)], [tensor("y", TensorProto.FLOAT, SHAPE)], outer)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


x = rng.standard_normal(SHAPE).astype(np.float32)


def run(weights_inside):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = 1, True
    session = onnxruntime.InferenceSession(model(weights_inside), options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})
    seconds = []
    for _ in range(7):
        begin = time.process_time()
        session.run(None, {"x": x})
        seconds.append(time.process_time() - begin)
    events = json.load(open(session.end_profiling()))
    kinds = {event["args"]["op_name"] for event in events if event["name"].endswith("kernel_time")}
    return y, kinds, statistics.median(seconds)


(outside, kinds_outside, slow), (inside, kinds_inside, fast) = run(False), run(True)
print("onnxruntime", onnxruntime.__version__)
print("weights outside the loop:", sorted(kinds_outside))
print("weights inside the loop: ", sorted(kinds_inside))
print("outside / inside, processor time:", round(slow / fast, 2))
assert np.allclose(outside, inside, atol=1e-4)
assert "ReorderInput" in kinds_inside and "ReorderInput" not in kinds_outside
PYTHON
