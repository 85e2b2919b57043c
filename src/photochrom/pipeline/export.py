"""Files of the pipeline: one that does the whole job, the same in two parts, and their checksums."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from photochrom import __version__
from photochrom.disk import write_whole
from photochrom.errors import InputError, OutputError, WeightsError, reason_of
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Colorizer
from photochrom.inference.onnx_backend import OnnxBackend
from photochrom.inference.onnx_file import OPSET, PIPELINE_KEY, seal
from photochrom.inference.weights import BUNDLED_MODELS, bundled_digest
from photochrom.photo.color import PixelArray
from photochrom.pipeline.build import joining_part, predicting_part, whole_pipeline
from photochrom.pipeline.network import Network
from photochrom.settings import WORKING_SIZE

LICENSE = "Apache-2.0"  # of photochrom and of its bundled weights
TEST_SHAPE = (150, 233)  # pixels of the picture by which a pipeline is compared with the Colorizer


@dataclass(frozen=True)
class Exported:
    """The files that were written, and how far the first one's colors are from the Colorizer's, in 1/255."""

    files: tuple[Path, ...]
    mean: float
    largest: int


def export_pipeline(
    model: bytes, name: str, path: Path, working_size: int = DEFAULT_WORKING_SIZE, threads: int = 0
) -> Exported:
    """Write the pipeline of an exported model to path, its two parts beside it, and a file with their SHA-256.

    name: the model's, for messages. working_size: as the Colorizer's. The pipeline is compared with the Colorizer.
    Raises InputError, OutputError, WeightsError.
    """
    WORKING_SIZE.check(working_size, "working size in pixels")
    if path.suffix != ".onnx":
        raise InputError(f"a pipeline is an ONNX file: name it {path.name}.onnx")
    backend = OnnxBackend(model, name, threads)
    network = network_of(model, name, backend)
    graphs = whole_pipeline(network, working_size), predicting_part(network, working_size), joining_part()
    *files, checksums = names_of_files(path)
    contents = {file: seal(described(graph, backend, working_size)) for file, graph in zip(files, graphs, strict=True)}
    picture = sample_picture()
    expected = Colorizer(backend, working_size=working_size).colorize(picture)
    difference = np.abs(expected.astype(int) - run_pipeline(contents[path], picture, threads))
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {file.name}\n" for file, content in contents.items())
    contents[checksums] = sums.encode()
    try:
        for file, content in contents.items():
            write_whole(file, content)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {reason_of(error)}") from error
    return Exported(tuple(contents), float(difference.mean()), int(difference.max()))


def names_of_files(path: Path) -> tuple[Path, Path, Path, Path]:
    """The pipeline, its two parts, and their checksums."""
    predict, join = (path.with_name(f"{path.stem}-{part}.onnx") for part in ("predict", "join"))
    return path, predict, join, path.with_suffix(".sha256")


def network_of(model: bytes, name: str, backend: OnnxBackend) -> Network:
    """An exported generator as a part of a larger graph. Raises WeightsError for one of other operators than ours."""
    graph = onnx.load_from_string(model)
    if [(part.domain, part.version) for part in graph.opset_import] != [("", OPSET)]:
        raise WeightsError(f"{name} was written for another version of ONNX's operators: export its training run again")
    info = backend.info
    side = info.size_multiple
    zeros = [
        np.zeros(shape, np.float32) for shape in ((1, 1, side, side), (1, 3, side, side), (1, info.noise_channels))
    ]
    stride = side // backend.predict(*zeros).shape[-1]
    return Network(graph, info.size_multiple, info.noise_channels, stride)


def described(graph: onnx.ModelProto, backend: OnnxBackend, working_size: int) -> bytes:
    """A graph as a file's content, with what it was made of in its metadata."""
    graph.producer_name, graph.producer_version = "photochrom", __version__
    info = backend.info
    facts = {
        "version": __version__,
        "part": graph.graph.name,
        "model": info.preset,
        "model_sha256": info.digest,
        "working_size": working_size,
    }
    if info.digest in map(bundled_digest, BUNDLED_MODELS):
        facts["license"] = LICENSE
    graph.metadata_props.add(key=PIPELINE_KEY, value=json.dumps(facts))
    return graph.SerializeToString(deterministic=True)


def run_pipeline(pipeline: bytes, photograph: PixelArray, threads: int = 0) -> PixelArray:
    """The colors of a photograph (H, W, 3), uint8, by a whole pipeline."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(pipeline, options, providers=["CPUExecutionProvider"])
    (colors,) = session.run(["colors"], {"photograph": photograph})
    return np.asarray(colors)


def sample_picture() -> PixelArray:
    """A picture (H, W, 3), uint8, of soft blots and a hard edge."""
    y, x = np.mgrid[: TEST_SHAPE[0], : TEST_SHAPE[1]] / 20
    waves = np.stack([np.sin(x + y), np.cos(x - 2 * y), np.sin(3 * x) * np.cos(y)], axis=-1)
    edge = np.where(x > y + 3, 0.6, -0.3)[..., None]
    return np.clip(128 + 90 * (0.7 * waves + edge), 0, 255).astype(np.uint8)
