#!/usr/bin/env bash
# An ONNX input that is an initializer, too, has a default that a caller may replace; ONNX Runtime's C and Python APIs
# do so. One would guess that JavaScript's do, or refuse. onnxruntime-web 1.30.0 refuses ("invalid input"), but
# onnxruntime-node 1.30.0 computes with the default, without a word. Source: https://github.com/onnx/onnx/blob/main/docs/IR.md
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper

x, factor, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "factor", "y"))
default = numpy_helper.from_array(np.ones(1, np.float32), "factor")
graph = helper.make_graph([helper.make_node("Mul", ["x", "factor"], ["y"])], "g", [x, factor], [y], [default])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
onnx.save(model, "model.onnx")
onnxruntime.set_default_logger_severity(3)
(found,) = onnxruntime.InferenceSession("model.onnx").run(None, {"x": np.ones(1, np.float32), "factor": np.full(1, 5, np.float32)})
print("Python, onnxruntime", onnxruntime.__version__, "1 x 5 =", found[0])
assert found[0] == 5
PYTHON
npm init -y > /dev/null
npm install --silent --ignore-scripts --no-audit --no-fund onnxruntime-node@1.30.0 onnxruntime-web@1.30.0
cat > run.mjs <<'JAVASCRIPT'
import { readFileSync } from "node:fs";

for (const name of ["onnxruntime-node", "onnxruntime-web"]) {
  const ort = await import(name);
  const session = await ort.InferenceSession.create(new Uint8Array(readFileSync("model.onnx")), { logSeverityLevel: 3 });
  const [x, factor] = [1, 5].map((number) => new ort.Tensor("float32", Float32Array.of(number), [1]));
  let found;
  try {
    found = (await session.run({ x, factor })).y.data[0];
  } catch (error) {
    found = error.message;
  }
  console.log(name, session.inputNames, "1 x 5 =", found);
  if (found !== (name === "onnxruntime-node" ? 1 : "invalid input 'factor'")) process.exit(1);
}
JAVASCRIPT
node run.mjs
