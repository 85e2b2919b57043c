"""Export of a trained generator to one ONNX file: 16-bit weights, dynamic shapes, its own description inside."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from photochrom.disk import write_whole
from photochrom.errors import OutputError, reason_of
from photochrom.inference.onnx_backend import OnnxBackend
from photochrom.inference.onnx_file import FORMAT_VERSION, METADATA_KEY, OPSET, seal
from photochrom.networks.build import AnyGenerator, load_ema

MIN_HALVED = 256  # numbers: smaller tensors stay as they are
ALIGNED = 4  # channels


@dataclass(frozen=True)
class Parity:
    """How far the exported model's chroma is from PyTorch's, in Lab units, on random luminance."""

    mean: float
    largest: float


def export(
    run: Path,
    path: Path,
    weak_gain: float | None = None,
    strong_gain: float | None = None,
    tint_gain: float | None = None,
    tilt: float | None = None,
) -> Parity:
    """Export a run's (or checkpoint's) averaged generator to path; compare it with PyTorch.

    The numbers are as in `encode`. Raises OutputError, WeightsError, TrainingError.
    """
    content, generator = encode(run, weak_gain, strong_gain, tint_gain, tilt)
    try:
        write_whole(path, content)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}") from error
    return measure_parity(generator, OnnxBackend(content, str(path)))


def encode(
    run: Path,
    weak_gain: float | None = None,
    strong_gain: float | None = None,
    tint_gain: float | None = None,
    tilt: float | None = None,
) -> tuple[bytes, AnyGenerator]:
    """A run's (or checkpoint's) averaged generator: the content of an ONNX file, and the generator itself.

    weak_gain, strong_gain, tint_gain: replace those of the default generator, to calibrate its colorfulness (see
    `calibrate` and `lower_tint` in `networks.generator`). tilt: how far its variants differ (`networks.tilt`).
    Raises WeightsError, TrainingError.
    """
    wanted = {"weak_gain": weak_gain, "strong_gain": strong_gain, "tint_gain": tint_gain, "tilt": tilt}
    generator, config, step = load_ema(run, {name: value for name, value in wanted.items() if value is not None})
    model = _to_onnx(generator)
    _forget_origins(model)
    _arrange_weights(model)
    _align_channels(model)
    _halve_weights(model)
    description = {
        "format": FORMAT_VERSION,
        "preset": config["preset"],
        "size_multiple": generator.size_multiple,
        "noise_channels": generator.noise_channels,
        "details": {"step": step, "config": config},
    }
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(description))
    return seal(model.SerializeToString()), generator


@torch.inference_mode()
def measure_parity(generator: AnyGenerator, backend: OnnxBackend) -> Parity:
    """Compare both on a batch of two oblong pictures, with hints and noise."""
    multiple, channels = backend.info.size_multiple, backend.info.noise_channels
    source = torch.Generator().manual_seed(0)
    height, width = max(multiple, 192), max(2 * multiple, 256)
    luminance = 100 * torch.rand(2, 1, height // 8, width // 8, generator=source)
    luminance = nn.functional.interpolate(luminance, (height, width), mode="bicubic").clamp(0, 100)
    hints = torch.zeros(2, 3, height, width)
    hints[:, :, 40:43, 40:43] = torch.tensor([30.0, -20.0, 1.0])[:, None, None]
    noise = torch.randn(2, channels, generator=source)
    expected = generator(luminance, hints, noise).numpy()
    difference = np.abs(backend.predict(luminance.numpy(), hints.numpy(), noise.numpy()) - expected)
    return Parity(float(difference.mean()), float(difference.max()))


def _to_onnx(generator: AnyGenerator) -> onnx.ModelProto:
    multiple = generator.size_multiple
    example = _example_inputs(2 * multiple, 3 * multiple, generator.noise_channels)
    batch, height, width = (torch.export.Dim(name) for name in ("N", "h", "w"))
    shapes = (
        {0: batch, 2: multiple * height, 3: multiple * width},
        {0: batch, 2: multiple * height, 3: multiple * width},
        {0: batch},
    )
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision isn't there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            generator,
            example,
            input_names=["luminance", "hints", "noise"],
            output_names=["chroma"],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _example_inputs(height: int, width: int, noise_channels: int) -> tuple[Tensor, Tensor, Tensor]:
    return torch.zeros(2, 1, height, width), torch.zeros(2, 3, height, width), torch.zeros(2, noise_channels)


def _forget_origins(model: onnx.ModelProto) -> None:
    """Remove PyTorch's notes on every node and value: stack traces, with paths of the machine that exported it."""
    graph = model.graph
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def _arrange_weights(model: onnx.ModelProto) -> None:
    """Store weights as they are used: in pieces, joined, turned. Only sums of neighbors would be larger, and stay."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type in ("Slice", "Concat", "Transpose", "Mul")]:
        if all(name in weights for name in node.input):
            values = {name: numpy_helper.to_array(weights[name]) for name in node.input}
            results: Any = ReferenceEvaluator(node).run(None, values)
            weights[node.output[0]] = numpy_helper.from_array(results[0], node.output[0])
            graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    del graph.initializer[:]
    graph.initializer.extend(tensor for name, tensor in weights.items() if name in used)


def _align_channels(model: onnx.ModelProto) -> None:
    """Give convolutions of several joined maps empty channels, until their number is a multiple of ALIGNED.

    ONNX Runtime has a faster convolution only for such numbers; it saves our network 8 % of its time. The result is
    the same but for rounding.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    for node in [node for node in graph.node if node.op_type == "Conv"]:
        joined, weight = makers.get(node.input[0]), weights.get(node.input[1])
        if joined is None or joined.op_type != "Concat" or weight is None or weight.dims[1] % ALIGNED == 0:
            continue
        outputs, inputs, *sides = weight.dims
        empty, name = -inputs % ALIGNED, f"{node.name}.empty"
        values = np.concatenate([numpy_helper.to_array(weight), np.zeros((outputs, empty, *sides), np.float32)], axis=1)
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))
        graph.initializer.append(numpy_helper.from_array(np.array([0, 0, 0, 0, 0, empty, 0, 0]), name))
        padded = helper.make_node("Pad", [joined.input[-1], name], [f"{name}.maps"], name)
        graph.node.insert(list(graph.node).index(joined), padded)
        joined.input[-1] = padded.output[0]
    del graph.value_info[:]  # shapes of what has more channels now: ONNX Runtime would warn of them


def _halve_weights(model: onnx.ModelProto) -> None:
    """Store large float32 tensors as float16, and cast each back where it is used.

    ONNX Runtime casts once, when the model is loaded, and computes in float32 as before.
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < MIN_HALVED:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + ".half"))
        casts.append(helper.make_node("Cast", [name + ".half"], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
