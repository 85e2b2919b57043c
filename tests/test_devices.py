"""Devices: which of ONNX Runtime's providers a model runs on, and what is said where one can't be used."""

import contextlib
import logging
import os
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner

import photochrom
from photochrom import cli
from photochrom.archive import worker
from photochrom.errors import DeviceError, InputError, WeightsError
from photochrom.inference import onnx_backend, weights
from photochrom.inference.colorizer import Colorizer
from photochrom.inference.devices import KINDS, PROCESSOR, devices_to_try, find_device
from photochrom.inference.model import ModelInfo
from photochrom.photo.photograph import Photograph
from photochrom.service.service import Service
from photochrom.settings import DEVICES, Limits

CPU_ONLY = ["AzureExecutionProvider", "CPUExecutionProvider"]  # what the plain build has
RealSession = onnxruntime.InferenceSession


class FakeSession:
    """A session that says it runs where it was asked to; the processor computes, `spoil` changes the answer."""

    made: list["FakeSession"]

    def __init__(self, model, options, providers, enable_fallback, disabled_optimizers):
        assert enable_fallback == 0  # ONNX Runtime's own way back prints to standard output
        self.providers, self.options = providers, options
        self.inner = RealSession(model, options, providers=["CPUExecutionProvider"])
        self.made.append(self)
        self.get_modelmeta, self.get_inputs = self.inner.get_modelmeta, self.inner.get_inputs

    def get_providers(self):
        return [provider for provider, _ in self.providers]

    def run(self, names, inputs):
        (chroma,) = self.inner.run(names, inputs)
        return [chroma if self.get_providers() == ["CPUExecutionProvider"] else self.spoil(chroma)]

    def spoil(self, chroma):
        return chroma


@pytest.fixture
def build(monkeypatch):
    """Makes ONNX Runtime a build with some providers, whose sessions are of a class."""
    onnx_backend._tell.cache_clear()

    def make(*providers, session=FakeSession):
        session.made = []
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*providers, *CPU_ONLY])
        monkeypatch.setattr(onnxruntime, "InferenceSession", session)
        return session

    return make


def test_names_stand_once():
    assert set(DEVICES) == {"auto", *KINDS}
    known = {*onnxruntime.get_all_providers(), "ROCMExecutionProvider"}  # which newer versions have no more
    assert {kind.provider for kind in KINDS.values()} <= known


def test_a_device_of_several():
    assert find_device("auto") is None
    assert find_device("cpu") == PROCESSOR
    provider, options = find_device("cuda:1").provider
    assert provider == "CUDAExecutionProvider" and options["device_id"] == 1
    assert "device_id" not in find_device("cuda").provider[1]


@pytest.mark.parametrize(
    "name", ["", "CUDA", "gpu", "cuda:", "cuda:-1", "cuda:x", "auto:0", "cpu:1", "cuda:1\n", None, 3]
)
def test_what_is_no_device(name):
    with pytest.raises(InputError, match="name one of auto, cpu, cuda"):
        find_device(name)


@pytest.mark.parametrize("name", [name for name in DEVICES if name not in ("auto", "cpu")])
def test_what_to_install_for_a_device_that_is_not_there(name):
    with pytest.raises(DeviceError) as caught:
        devices_to_try(name, CPU_ONLY)
    message, kind = str(caught.value), KINDS[name]
    assert f"no {name}:" in message and kind.needs in message and "\n" not in message
    assert kind.build == "onnxruntime" or f"pip install '{kind.build}'" in message


def test_auto_takes_the_best_of_the_build():
    def names(*providers):
        return [device.name for device in devices_to_try("auto", [*providers, *CPU_ONLY])]

    assert names() == []
    assert names("DmlExecutionProvider") == ["directml"]
    assert names("TensorrtExecutionProvider", "CUDAExecutionProvider") == ["cuda"]
    assert names("CoreMLExecutionProvider") == []  # every Mac's build has it


def test_the_plain_build_colors_on_the_processor(caplog, gray):
    colorizer = Colorizer(working_size=64)
    assert onnxruntime.get_available_providers() != CPU_ONLY or colorizer.device == "cpu"
    assert Colorizer(device="cpu").device == "cpu" and not caplog.records


def test_a_device_that_works_is_used(build, gray):
    expected = Colorizer(working_size=64, device="cpu").colorize(gray)
    session = build("TensorrtExecutionProvider", "CUDAExecutionProvider")
    for name, options in (("auto", {}), ("cuda:1", {"device_id": 1})):
        colorizer = Colorizer(working_size=64, device=name)
        assert colorizer.device == name.replace("auto", "cuda")
        (provider, given), processor = session.made[-1].providers
        assert provider == "CUDAExecutionProvider" and given.items() >= options.items()
        assert processor == PROCESSOR.provider  # for what the device can't do
        assert np.array_equal(colorizer.colorize(gray), expected)


class Unfinite(FakeSession):
    def spoil(self, chroma):
        return chroma * np.float32("nan")


class Failing(FakeSession):
    def spoil(self, chroma):
        raise RuntimeError("CUBLAS failure 13")


class Left(FakeSession):  # a build whose libraries are missing opens a session without the device
    def get_providers(self):
        return ["CPUExecutionProvider"]


@pytest.mark.parametrize("session", [Unfinite, Failing, Left, RealSession])
def test_a_device_that_does_not_work_is_told_in_words(build, caplog, capfd, gray, session):
    build("CUDAExecutionProvider", session=session)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            colorizer = Colorizer(working_size=64)
            assert colorizer.device == "cpu"
            assert colorizer.colorize(gray).shape == (*gray.shape, 3)
    (record,) = caplog.records  # once, however many models are loaded
    assert "cuda can't be used here: it needs NVIDIA's driver, CUDA and cuDNN" in record.getMessage()
    with pytest.raises(DeviceError, match=r"cuda can't be used here.*; cpu always works"):
        Colorizer(device="cuda")
    assert capfd.readouterr().out == ""


def test_a_damaged_model_is_no_fault_of_the_device(build):
    build("CUDAExecutionProvider")
    for device in ("auto", "cuda", "cpu"):
        with pytest.raises(WeightsError, match="not a readable ONNX model"):
            onnx_backend.OnnxBackend(b"not a model", "mine.onnx", device=device)


class Small(FakeSession):
    """A device whose memory is enough for the trial alone."""

    def spoil(self, chroma):
        if chroma.shape[2:] != (64, 64):
            raise RuntimeError("Failed to allocate memory for requested buffer of size 1073741824")
        return chroma


def test_a_device_that_fails_at_work_is_named(build, tmp_path, gray):
    build("CUDAExecutionProvider", session=Small)
    with pytest.raises(DeviceError, match="cuda failed: take a smaller working size, or cpu"):
        Colorizer().colorize(gray)
    Photograph(gray).save(tmp_path / "old.png")
    result = CliRunner().invoke(cli.main, ["colorize", str(tmp_path / "old.png"), "--working-size", "64"])
    assert result.exit_code == 2 and result.output.count("\n") == 1 and "cuda failed" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["old.png"]


def test_directml_makes_one_prediction_at_a_time(build, gray):
    running, most = [], []

    class Counting(FakeSession):
        def spoil(self, chroma):
            running.append(1)
            most.append(len(running))
            threading.Event().wait(0.02)
            running.pop()
            return chroma

    session = build("DmlExecutionProvider", session=Counting)
    colorizer = Colorizer(working_size=32, device="directml")
    assert not session.made[-1].options.enable_mem_pattern
    threads = [threading.Thread(target=colorizer.predict_one, args=(gray,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 1 + 2 * 3 and max(most) == 1  # the trial, and both sides of three photographs


def test_python_takes_a_device(gray):
    one, other = (photochrom.colorize(gray, working_size=64, device=device) for device in ("cpu", "auto"))
    assert np.abs(one.astype(int) - other).max() <= 1
    with pytest.raises(photochrom.InputError, match="no device 'gpu'"):
        photochrom.colorize(gray, device="gpu")
    wrong: Any = ["cpu"]
    with pytest.raises(photochrom.InputError, match="no device"):
        photochrom.colorize(gray, device=wrong)


COMMANDS = {
    "colorize": ["{cat}"],
    "video": ["{film}", "{folder}/new.mp4"],
    "archive": ["{scans}", "{folder}/color"],
    "serve": ["--port", "0"],
    "evaluate": ["{scans}"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("device, message", [("gpu", "no device 'gpu'"), ("tensorrt", "has no tensorrt: pip")])
def test_every_command_takes_a_device(tmp_path, cat, command, device, message):
    (tmp_path / "scans").mkdir()
    places = {"cat": tmp_path / "scans" / "cat.jpg", "scans": tmp_path / "scans", "folder": tmp_path}
    places["cat"].write_bytes(cat)
    if command == "video":
        places["film"] = film_in(tmp_path)
    words = [word.format(**places) for word in COMMANDS[command]]
    before = set(tmp_path.rglob("*"))
    result = CliRunner().invoke(cli.main, [command, *words, "--device", device])
    assert result.exit_code == 2 and result.output.count("\n") == 1 and message in result.output, result.output
    assert set(tmp_path.rglob("*")) == before


def film_in(folder):
    av = pytest.importorskip("av")
    with av.open(str(folder / "old.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64), 90, np.uint8), format="gray")))
        container.mux(stream.encode())
    return folder / "old.mp4"


def test_a_machine_of_a_cluster_says_that_it_has_no_such_device(cat, monkeypatch):
    monkeypatch.setattr(worker, "_colorizer", None)
    worker.start_child("default", 64, "tensorrt")  # doesn't raise: the pool would only say that it broke
    with pytest.raises(DeviceError, match="has no tensorrt"):
        worker.color_in_child(cat, "cat.jpg", photochrom.coloring.Request())
    work = worker.Work.of_model(
        "default", 64, "a", "b", photochrom.coloring.Request(), 1, 1, "tensorrt", elsewhere=True
    )
    assert work.device == "tensorrt"
    with pytest.raises(InputError, match="no device 'gpu'"):
        worker.Work.of_model("default", 64, "a", "b", photochrom.coloring.Request(), 1, 1, "gpu", elsewhere=True)


def test_a_services_other_models_run_where_its_own_does(loud, monkeypatch):
    loaded = []
    loud.device = "cuda:1"

    def load(name, device):
        loaded.append((name, device))
        return loud.backend

    monkeypatch.setattr("photochrom.service.service.load_model", load)
    service = Service(loud, Limits())
    with contextlib.closing(service):
        service.predictor("default", 64)
    assert loaded == [("default", "cuda:1")]


def test_a_training_run_is_colored_by_pytorch(monkeypatch):
    torch = pytest.importorskip("torch")
    from photochrom.inference.torch_backend import torch_device

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [torch_device(name) for name in ("auto", "cpu", "cuda", "cuda:0")] == ["cuda", "cpu", "cuda", "cuda:0"]
    with pytest.raises(DeviceError, match="PyTorch finds 1 of its kind"):
        torch_device("cuda:1")
    with pytest.raises(DeviceError, match="on cpu or cuda: for openvino, use photochrom export first"):
        torch_device("openvino")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device("auto") == "cpu"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux limits a process to some cores")
def test_no_more_threads_than_cores_that_are_ours(monkeypatch):
    """Of one core of two, `photochrom colorize` took two threads, which waited for each other."""
    asked = []

    def fake(content, title, threads, digest, device):
        asked.append(threads)
        return SimpleNamespace(info=ModelInfo("default", 32, 8, {}))

    monkeypatch.setattr(weights, "OnnxBackend", fake)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for cores in (8, 3):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        weights.load_model()
    assert asked == [0, 3]  # 0: as ONNX Runtime likes
