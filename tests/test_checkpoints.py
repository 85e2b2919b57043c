"""Checkpoints: trainings resume from them, others start from them, networks are exported from them."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner
from small_trainings import SMALL, SMALL_STAGE, read_log, small_config, small_sheets, stopped_after

from photochrom import cli
from photochrom.errors import TrainingError, WeightsError
from photochrom.networks.build import load_ema, read_checkpoint
from photochrom.networks.discriminator import DiscriminatorConfig
from photochrom.training import loop, samples
from photochrom.training.config import change_config, preset_config, with_steps
from photochrom.training.loop import train
from photochrom.training.schedule import SampleOrder


@pytest.fixture(scope="module", autouse=True)
def small_sample_sheets():
    with small_sheets():
        yield


def test_a_run_is_not_overwritten(trained, training_folder):
    with pytest.raises(TrainingError, match="--resume"):
        train([training_folder], trained, small_config())


def test_resuming_is_the_same_as_never_stopping(trained, training_folder, tmp_path):
    """Stopped after 3 of 4 steps and resumed, every number is what it would have been."""
    config = small_config()
    with stopped_after(3), pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Run, "_log", lambda self, *_: self.save())  # and logging changes nothing either
        train([training_folder], tmp_path / "run", config, precision="32-true")
    assert read_checkpoint(tmp_path / "run")["step"] == 3
    train([training_folder], tmp_path / "run", config, resume=True, precision="32-true")
    whole, halves = read_checkpoint(trained), read_checkpoint(tmp_path / "run")
    assert whole["step"] == halves["step"] == 4
    for network in ("ema", "generator", "discriminator"):
        for name, tensor in whole[network].items():
            assert torch.allclose(tensor, halves[network][name], atol=1e-5), (network, name)


@pytest.mark.parametrize("run", ["album/run", "album"])
def test_a_training_does_not_learn_from_its_own_sample_sheets(run, training_folder, tmp_path, monkeypatch, capsys):
    """A run among its photographs, or in the same folder, resumes with the photographs that it began with."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(training_folder, "album")
    config = small_config(save_every=1, sample_every=1, pretrained=False, min_chroma=0.0)
    for resume in (False, True):
        with stopped_after(1 + resume):
            train([Path("album")], Path(run), config, resume=resume, precision="32-true")
        assert capsys.readouterr().out.startswith("12 photographs of 1 set, 0 left out")
    assert len(list((Path(run) / "samples").iterdir())) == 2
    monkeypatch.setattr(loop, "train", lambda *arguments, **options: None)
    result = CliRunner().invoke(cli.main, ["train", "album", "--out", run, "--resume"])
    assert result.exit_code == 0 and ("left out" in result.output) == (run == "album")  # the other folder isn't entered


@pytest.mark.parametrize(
    "content", [{"a": 1}, [1, 2], torch.zeros(3), {"config": {"preset": "default"}, "ema": 3, "step": 1}]
)
@pytest.mark.parametrize("option", ["--from", "--teacher", "--resume", "export"])
def test_what_is_no_checkpoint_is_refused_in_one_line(training_folder, tmp_path, content, option):
    """Before anything is decoded or written."""
    (tmp_path / "run").mkdir()
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    torch.save(content, checkpoint)
    command = ["train", str(training_folder), "--out", str(tmp_path / "new"), option, str(checkpoint)]
    if option == "--resume":
        command = ["train", str(training_folder), "--out", str(tmp_path / "run"), "--resume"]
    if option == "export":
        command = ["export", str(checkpoint), str(tmp_path / "new")]
    result = CliRunner().invoke(cli.main, command)
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result.output
    assert result.output == f"photochrom: {checkpoint} is not a checkpoint of photochrom: it is from another program\n"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "damage",
    [
        {"generator_optimizer": None},
        {"discriminator_optimizer": {"x": 1}},
        {"ema": {}},
        {"generator": 3},
        {"best": {"nonsense": 1}},
        {"seen": "all"},
    ],
)
def test_a_checkpoint_that_lacks_something_is_refused(trained, training_folder, tmp_path, damage):
    state = {**read_checkpoint(trained), **damage}
    torch.save({name: value for name, value in state.items() if value is not None}, tmp_path / "checkpoint.pt")
    with pytest.raises(TrainingError, match=r"can't go on, its .* is not whole: start anew"):
        train([training_folder], tmp_path, small_config(), resume=True, precision="32-true")


@pytest.mark.parametrize(
    "other",
    [{"generator": replace(SMALL, noise_channels=8)}, {"discriminator": DiscriminatorConfig(layers=1, channels=8)}],
)
def test_a_checkpoint_of_another_network_is_refused_before_photographs_are_decoded(other, trained, tmp_path):
    """It was refused after an hour of decoding, without its name, and left a run's folder."""
    (tmp_path / "one.jpg").touch()
    with pytest.raises(TrainingError) as refused:
        train([tmp_path], tmp_path / "run", small_config(**other), start=trained, precision="32-true")
    assert str(refused.value) == f"{trained} is of another network: take its --preset and --set"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_killed_and_resumed(training_folder, tmp_path):
    """kill -9 in the middle; --resume goes on within one step of the last save."""
    run = tmp_path / "run"
    arguments = ["train", str(training_folder), "--out", str(run), "--precision", "32-true"]
    for change in (
        "generator.encoder=lite0",
        "generator.decoder_channels=[24,16,16]",
        f"stages={json.dumps([SMALL_STAGE])}",
        "photograph_size=96",
        "save_every=3",
        "log_every=1",
        "sample_every=1000",
    ):
        arguments += ["--set", change]
    command = [sys.executable, "-m", "photochrom", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (run / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    saved = read_checkpoint(run)["step"]
    assert saved % 3 == 0 and saved < 20
    before = len(read_log(run))
    subprocess.run([*command, "--resume"], check=True, capture_output=True, timeout=300)
    steps = [line["step"] for line in read_log(run)[before:]]
    assert steps[0] == saved + 1 and steps[-1] == 20
    assert read_checkpoint(run)["step"] == 20


@pytest.mark.slow
def test_pix2pix_preset_trains_exports_and_colors(training_folder, tmp_path, photographs, monkeypatch):
    from photochrom.inference.colorizer import Colorizer
    from photochrom.training.export import export

    monkeypatch.setattr(samples, "SIDE", 256)
    config = with_steps(
        change_config(preset_config("pix2pix"), ["generator.channels=8", "discriminator.channels=8", "log_every=1"]), 2
    )
    train([training_folder], tmp_path / "run", config, precision="32-true")
    parity = export(tmp_path / "run", tmp_path / "pix2pix.onnx")
    assert parity.mean < 0.3
    colorizer = Colorizer(str(tmp_path / "pix2pix.onnx"))
    assert colorizer.colorize(photographs["chelsea"]).shape == photographs["chelsea"].shape


def test_damaged_checkpoint(trained, tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes((trained / "checkpoint.pt").read_bytes()[:5000])
    with pytest.raises(WeightsError, match="not a readable checkpoint"):
        load_ema(path)
    with pytest.raises(TrainingError, match="nothing was saved"):
        load_ema(tmp_path / "none")


def test_checkpoints_run_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'owned'}",)

    torch.save({"ema": Evil()}, tmp_path / "checkpoint.pt")
    with pytest.raises(WeightsError):
        load_ema(tmp_path)
    assert not (tmp_path / "owned").exists()


def test_a_portable_checkpoint_starts_another_training(trained, training_folder, tmp_path):
    from photochrom.training.checkpoint import write_portable

    write_portable(trained, tmp_path / "small.pt")
    assert (tmp_path / "small.pt").stat().st_size < 0.25 * (trained / "checkpoint.pt").stat().st_size
    one, two = load_ema(trained)[0].state_dict(), load_ema(tmp_path / "small.pt")[0].state_dict()
    assert all(torch.allclose(one[name].float(), two[name].float(), rtol=1e-3, atol=1e-3) for name in one)
    run = tmp_path / "run"
    train([training_folder], run, small_config(steps=(1, 1)), start=tmp_path / "small.pt", precision="32-true")
    assert read_checkpoint(run)["step"] == 2


def test_a_training_from_another_goes_on_where_its_photographs_ended(trained, training_folder, tmp_path, monkeypatch):
    """Else every stretch of a long training that starts from the last one would see the same first photographs."""
    from photochrom.training.checkpoint import write_portable

    places, at = [], SampleOrder.at

    def noting(self, positions):
        places.extend(positions)
        return at(self, positions)

    monkeypatch.setattr(SampleOrder, "at", noting)
    seen = read_checkpoint(trained)["seen"]
    assert seen == 4 * 4  # steps, photographs in each
    write_portable(trained, tmp_path / "small.pt")
    first, second = small_config(steps=(1, 1)).stages
    config = small_config(stages=(first, replace(second, batch_size=2)))  # the next stage repeats none either
    train([training_folder], tmp_path / "run", config, start=tmp_path / "small.pt", precision="32-true")
    assert places[-6:] == list(range(seen, seen + 4 + 2))  # the first ones only counted colors
    assert read_checkpoint(tmp_path / "run")["seen"] == seen + 4 + 2


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """A folder with the trained network, made colorful: plain/ and calibrated/ runs, and the latter's model.onnx."""
    from photochrom.training.checkpoint import write_checkpoint
    from photochrom.training.export import export

    folder = tmp_path_factory.mktemp("exported")
    state, gains = (
        read_checkpoint(trained),
        {"weak_gain": 0.5, "strong_gain": 2.0, "tint_gain": 0.0, "tilt": 0.8},
    )
    state["ema"]["head.weight"] *= 7
    for name, changes in ("plain", {}), ("calibrated", gains):
        (folder / name).mkdir()
        config = {**state["config"], "generator": {**state["config"]["generator"], **changes}}
        write_checkpoint({**state, "config": config}, folder / name)
    parity = export(folder / "plain", folder / "model.onnx", **gains)
    assert parity.mean < 0.1 and parity.largest < 1.0
    return folder


@pytest.mark.xdist_group("export")
def test_export_agrees_with_pytorch_at_any_size(exported):
    from photochrom.inference.weights import load_model

    assert b'File "' not in (exported / "model.onnx").read_bytes()  # PyTorch's stack traces, with this machine's paths
    model, original = load_model(str(exported / "model.onnx")), load_model(str(exported / "calibrated"))
    assert model.info.noise_channels == original.info.noise_channels == 4
    checkpoint = exported / "calibrated" / "checkpoint.pt"
    assert original.info.digest == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    source = np.random.default_rng(0)
    for count, height, width in ((1, 32, 32), (3, 96, 64), (2, 160, 288)):
        arrays = (
            (100 * source.random((count, 1, height, width))).astype(np.float32),
            np.zeros((count, 3, height, width), np.float32),
            source.standard_normal((count, 4)).astype(np.float32),
        )
        one, two = model.predict(*arrays), original.predict(*arrays)
        assert one.shape == (count, 2, height // 4, width // 4)
        assert np.abs(one - two).mean() < 0.1


@pytest.mark.xdist_group("export")
def test_exported_convolutions_have_channels_that_are_computed_fast(exported):
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(exported / "model.onnx").graph
    shapes = {tensor.name.removesuffix(".half"): list(tensor.dims) for tensor in graph.initializer}
    ordinary = [shapes[node.input[1]] for node in graph.node if node.op_type == "Conv" and shapes[node.input[1]][1] > 8]
    assert len(ordinary) > 10 and {inputs % 4 for _, inputs, *_ in ordinary} == {0}
    assert not graph.value_info  # shapes from before, which ONNX Runtime would warn of


@pytest.mark.xdist_group("export")
def test_calibration_changes_the_exported_colors(exported):
    """Without the picture's mean, weak chroma is halved and strong doubled, hues stay; the gain grows in between."""
    from photochrom.inference.weights import load_model

    luminance = (100 * np.random.default_rng(0).random((1, 1, 64, 64))).astype(np.float32)
    hints, noise = np.zeros((1, 3, 64, 64), np.float32), np.zeros((1, 4), np.float32)
    models = load_model(str(exported / "plain")), load_model(str(exported / "model.onnx"))
    plain, vivid = (model.predict(luminance, hints, noise) for model in models)
    plain -= plain.mean(axis=(2, 3), keepdims=True)
    size, vivid_size = np.hypot(plain[:, 0], plain[:, 1]).ravel(), np.hypot(vivid[:, 0], vivid[:, 1]).ravel()
    weak, halfway, strong = size < 4, np.abs(size - 15) < 2, size > 30
    assert weak.any() and halfway.any() and strong.any(), "the test needs weak and strong colors"
    gains = vivid_size / size
    assert np.median(gains[weak]) < 0.65 and np.median(gains[strong]) > 1.65
    assert np.median(gains[halfway]) == pytest.approx(1.25, abs=0.08)
    clear = size > 5  # where the small differences between the two backends don't count
    assert (np.diff(gains[clear][np.argsort(size[clear])]) > -0.05).all()
    cosines = (plain * vivid).sum(axis=1).ravel() / (size * vivid_size)
    assert cosines[clear].min() > 0.99
