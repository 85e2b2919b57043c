"""Training: it learns, resumes after a kill, runs in two processes, uses its noise."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from photochrom.errors import InputError, TrainingError, WeightsError
from photochrom.networks.build import load_ema, read_checkpoint
from photochrom.networks.generator import Generator, GeneratorConfig
from photochrom.networks.losses import pixel_distance
from photochrom.networks.pix2pix import Pix2PixGenerator
from photochrom.training import loop
from photochrom.training.colorings import BestOfMany, best_noise, draw_candidates
from photochrom.training.config import (
    Stage,
    change_config,
    config_from_dict,
    config_to_dict,
    preset_config,
    with_batch_size,
    with_steps,
)
from photochrom.training.loop import train
from photochrom.training.photographs import load_photographs
from photochrom.training.schedule import learning_rate, photograph_order, stage_at, steps_reached

SMALL = GeneratorConfig(encoder="lite0", decoder_channels=(24, 16, 16), style_channels=16, noise_channels=4)


def small_config(steps=(4, 2), **changes):
    stages = (
        Stage("reconstruction", steps=steps[0], size=64, batch_size=4, learning_rate=1e-3),
        Stage(
            "adversarial",
            steps=steps[1],
            size=64,
            batch_size=4,
            learning_rate=1e-4,
            adversarial=0.1,
            discriminator_warmup=1,
        ),
    )
    config = replace(preset_config("default"), generator=SMALL, stages=stages, photograph_size=96)
    return replace(config, **{"log_every": 1, "save_every": 2, "sample_every": 1000, **changes})


def read_log(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(training_folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    train([training_folder], run, small_config(sample_every=6), precision="32-true")
    return run


def test_a_run_leaves_what_it_promises(trained):
    lines = read_log(trained)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["stage"] for line in lines] == ["reconstruction"] * 4 + ["adversarial"] * 2
    assert "pixel" not in lines[4] and {"discriminator", "adversarial", "pixel"} <= set(lines[5])  # warm-up, then both
    assert config_from_dict(json.loads((trained / "config.json").read_text())) == small_config(sample_every=6)
    assert (trained / "samples" / "step-000006.jpg").exists()
    assert list((trained / "tensorboard").glob("events*"))
    assert read_checkpoint(trained)["step"] == 6


def test_losses_that_have_a_weight_train_and_are_logged(training_folder, tmp_path):
    """And through the calibration: its gains belong to the network that is trained."""
    config = small_config(
        generator=replace(SMALL, weak_gain=0.8, strong_gain=1.7, tint_gain=0.8),
        steps=(3, 1),
        pixel_weight=0.0,
        classification_weight=0.0,
        difference_weight=0.5,
        edge_weight=1.0,
        dullness_weight=0.1,
    )
    train([training_folder], tmp_path, config, precision="32-true")
    first, *_ = read_log(tmp_path)
    assert {"difference", "edge", "dullness"} <= set(first) and not {"pixel", "classification"} & set(first)
    assert first["difference"] > 0 and first["edge"] > 0
    assert load_ema(tmp_path)[0].config.tint_gain == 0.8


def test_a_run_is_not_overwritten(trained, training_folder):
    with pytest.raises(TrainingError, match="--resume"):
        train([training_folder], trained, small_config())


@contextmanager
def stopped_after(steps):
    class Stopped(Exception):
        pass

    original = loop.Run.train_step

    def stop(self, stage, stage_step):
        if self.step == steps:
            raise Stopped
        return original(self, stage, stage_step)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(loop.Run, "train_step", stop)
        yield


def test_resuming_is_the_same_as_never_stopping(training_folder, tmp_path):
    """Stopped after 4 of 6 steps and resumed, every number is what it would have been."""
    halfway = tmp_path / "run"
    config = small_config()
    whole = tmp_path / "whole"
    train([training_folder], whole, config, precision="32-true")
    with stopped_after(4):
        train([training_folder], halfway, config, precision="32-true")
    train([training_folder], halfway, config, resume=True, precision="32-true")
    one, two = read_checkpoint(whole), read_checkpoint(halfway)
    assert one["step"] == two["step"] == 6
    for name, tensor in one["ema"].items():
        assert torch.allclose(tensor, two["ema"][name], atol=1e-5), name


def test_minutes_go_by_the_clock(training_folder, tmp_path, monkeypatch):
    """On a machine that needs seven seconds a step, a minute has nine steps, a third of them of the last stage."""
    config = small_config(steps=(400, 200), minutes=1.0, save_every=1)
    looks = itertools.count()
    monkeypatch.setattr(loop.time, "perf_counter", lambda: float(next(looks)))
    train([training_folder], tmp_path / "whole", config, precision="32-true")
    stages = [line["stage"] for line in read_log(tmp_path / "whole")]
    assert stages == ["reconstruction"] * 6 + ["adversarial"] * 3
    assert 60 <= read_checkpoint(tmp_path / "whole")["seconds"] < 70
    with stopped_after(4):
        train([training_folder], tmp_path / "halfway", config, precision="32-true")
    train([training_folder], tmp_path / "halfway", config, resume=True, precision="32-true")
    assert len(read_log(tmp_path / "halfway")) == 9


@pytest.mark.slow
def test_killed_and_resumed(training_folder, tmp_path):
    """kill -9 in the middle; --resume goes on within one step of the last save."""
    run = tmp_path / "run"
    arguments = [
        "train",
        str(training_folder),
        "--out",
        str(run),
        "--steps",
        "60",
        "--batch-size",
        "4",
        "--precision",
        "32-true",
    ]
    for change in (
        "generator.encoder=lite0",
        "generator.decoder_channels=[24,16,16]",
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
    assert saved % 3 == 0 and saved < 60
    before = len(read_log(run))
    subprocess.run([*command, "--resume"], check=True, capture_output=True, timeout=300)
    steps = [line["step"] for line in read_log(run)[before:]]
    assert steps[0] == saved + 1 and steps[-1] == 60
    assert read_checkpoint(run)["step"] == 60


@pytest.mark.slow
def test_two_processes_train_together(training_folder, tmp_path):
    """Two gloo processes: one run, and gradients averaged, so both hold the same network."""
    run = tmp_path / "run"
    script = f"""
from pathlib import Path
import sys
sys.path.insert(0, {str(os.path.dirname(__file__))!r})
from test_training import small_config
from photochrom.training.loop import train
if __name__ == "__main__":
    photographs, run = [Path({str(training_folder)!r})], Path({str(run)!r})
    train(photographs, run, small_config(), accelerator="cpu", devices=2, precision="32-true")
"""
    path = tmp_path / "two.py"
    path.write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line["step"] for line in read_log(run)] == [1, 2, 3, 4, 5, 6]
    assert read_checkpoint(run)["step"] == 6


@pytest.mark.slow
def test_torchrun_starts_the_command(training_folder, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29511"]
    command = ["train", str(training_folder), "--out", str(tmp_path / "run"), "--devices", "2", "--accelerator", "cpu"]
    command += ["--steps", "10", "--batch-size", "2", "--precision", "32-true"]
    for change in ("generator.encoder=lite0", "generator.decoder_channels=[16,16,16]", "photograph_size=96"):
        command += ["--set", change]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, "-m", "photochrom", *command], check=True, timeout=300, env=environment)
    assert read_checkpoint(tmp_path / "run")["step"] == 10


def test_one_batch_overfits():
    """The generator can learn four photographs by heart; one that is wired wrong can't."""
    torch.manual_seed(0)
    generator = Generator(replace(SMALL, dropout=0.0)).train()
    rows = torch.linspace(0, 1, 64)[:, None].expand(64, 64)
    luminance = torch.stack([rows * 100, rows.t() * 100, 50 + 50 * torch.sin(12 * rows), 100 * (1 - rows)])[:, None]
    real = torch.stack(
        [
            torch.stack([a * torch.ones(16, 16), b * torch.ones(16, 16)])
            for a, b in ((40, 30), (-40, 20), (10, -50), (0, 60))
        ]
    )
    hints, noise = torch.zeros(4, 3, 64, 64), torch.zeros(4, 4)
    optimizer = torch.optim.AdamW(generator.parameters(), 5e-3)
    first = None
    for _ in range(120):
        loss = pixel_distance(generator(luminance, hints, noise), real).mean()
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.15 * first


@pytest.mark.parametrize("preset", ["default", "pix2pix"])
def test_every_gradient_is_finite_and_reaches_everywhere(preset):
    config = SMALL if preset == "default" else replace(preset_config(preset).generator, channels=4)
    generator = Generator(config) if preset == "default" else Pix2PixGenerator(config)
    size = 64 if preset == "default" else 256
    noise = torch.randn(2, generator.noise_channels)
    hints = torch.zeros(2, 3, size, size)
    hints[:, :, 10:12, 10:12] = 1
    generator.train()(torch.rand(2, 1, size, size) * 100, hints, noise).square().mean().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_best_noise_is_the_nearest():
    generator = Generator(SMALL).train()
    with torch.no_grad():
        for stage in generator.decoder:
            stage.modulation.weight.normal_(0, 0.5)
    luminance, hints = 100 * torch.rand(3, 1, 64, 64), torch.zeros(3, 3, 64, 64)
    candidates = draw_candidates(4, 3, 4, 1.0, torch.device("cpu"))
    candidates[:, 1] = 0  # the second picture is given no noise
    generator.eval()
    features = generator.encode(luminance)
    with torch.no_grad():
        real = generator.decode(features, hints, candidates[2])
    noise = best_noise(generator, features, hints, candidates, real)
    assert torch.equal(noise[[0, 2]], candidates[2, [0, 2]]) and not noise[1].any()


def test_best_of_many_takes_pix2pix_too():
    generator = Pix2PixGenerator(replace(preset_config("pix2pix").generator, channels=4))
    predicted = BestOfMany(generator)(
        torch.rand(1, 1, 256, 256), torch.zeros(1, 3, 256, 256), torch.randn(1, 1, 8), torch.rand(1, 2, 256, 256)
    )
    assert predicted.chroma.shape == (1, 2, 256, 256) and predicted.log_probabilities is None


@pytest.mark.slow
def test_pix2pix_preset_trains_exports_and_colors(training_folder, tmp_path, photographs):
    from photochrom.inference.colorizer import Colorizer
    from photochrom.training.export import export

    config = with_steps(
        change_config(preset_config("pix2pix"), ["generator.channels=8", "discriminator.channels=8", "log_every=1"]), 3
    )
    train([training_folder], tmp_path / "run", config, precision="32-true")
    parity = export(tmp_path / "run", tmp_path / "pix2pix.onnx")
    assert parity.mean < 0.3
    colorizer = Colorizer(str(tmp_path / "pix2pix.onnx"))
    assert colorizer.colorize(photographs["chelsea"]).shape == photographs["chelsea"].shape


def test_configuration_survives_json():
    for preset in ("default", "pix2pix"):
        config = preset_config(preset)
        assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config


def test_unknown_configuration_values_are_refused():
    config = preset_config("default")
    with pytest.raises(TrainingError):
        config_from_dict({**config_to_dict(config), "nonsense": 1})
    for change in ("nonsense=1", "generator.nonsense=1", "seed", "seed=blue"):
        with pytest.raises(TrainingError):
            change_config(config, [change])
    assert change_config(config, ["seed=3", "generator.encoder=lite0"]).generator.encoder == "lite0"


def test_steps_and_batches_scale_every_stage():
    config = with_batch_size(with_steps(preset_config("default"), 620), 6)
    assert sum(stage.steps for stage in config.stages) == 620
    assert {stage.batch_size for stage in config.stages} == {6}
    for steps in (4, 5, 10, 27):  # one step a stage at least, and no more than asked for
        counts = [stage.steps for stage in with_steps(preset_config("default"), steps).stages]
        assert sum(counts) == steps and min(counts) >= 1


def test_stages_follow_each_other():
    config = small_config(steps=(4, 2))
    assert [stage_at(config, step)[0].name for step in (0, 3, 4)] == ["reconstruction", "reconstruction", "adversarial"]
    assert stage_at(config, 5)[1] == 1
    with pytest.raises(TrainingError, match="complete"):
        stage_at(config, 6)


def test_steps_reached():
    config = small_config(steps=(4, 2))
    assert [steps_reached(config, step, 1e9) for step in (0, 5, 6)] == [0, 5, 6]
    clocked = replace(config, minutes=2.0)
    assert [steps_reached(clocked, 10**6, seconds) for seconds in (0, 59, 61, 119, 120, 500)] == [0, 2, 3, 5, 6, 6]


def test_learning_rate_rises_then_falls():
    stage = Stage("s", steps=1000, size=64, batch_size=4, learning_rate=1.0)
    rates = [learning_rate(stage, step, 100, final_rate=0.02) for step in (0, 99, 500, 999)]
    assert rates[0] == pytest.approx(0.01, rel=0.01) and rates[1] > 0.9 > rates[2] > rates[3] > 0
    assert rates[3] == pytest.approx(0.02, rel=0.01)
    assert learning_rate(stage, 999, 100, final_rate=1.0) == 1.0


def test_every_epoch_shows_every_photograph_once_in_another_order():
    order = photograph_order(np.arange(30), 10, seed=1)
    epochs = order.reshape(3, 10)
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs.tolist())
    assert not np.array_equal(epochs[0], epochs[1])


def test_gray_and_damaged_photographs_are_left_out(training_folder, tmp_path):
    import shutil

    from PIL import Image

    folder = tmp_path / "photographs"
    shutil.copytree(training_folder, folder)
    Image.open(next(folder.glob("*.jpg"))).convert("L").save(folder / "gray.jpg")
    (folder / "damaged.jpg").write_bytes(b"nothing")
    pictures, left_out = load_photographs([folder], 64, 3.0, tmp_path / "cache")
    assert pictures.shape == (12, 64, 64, 3) and left_out == 2
    again, _ = load_photographs([folder], 64, 3.0, tmp_path / "cache")
    assert np.array_equal(pictures, again)


def test_sources_without_photographs(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("hello")
    for source in ("empty", "file.txt", "missing"):
        with pytest.raises(InputError):
            load_photographs([tmp_path / source], 64, 0, tmp_path / "cache")


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


def test_export_agrees_with_pytorch_at_any_size(trained, tmp_path):
    from photochrom.inference.weights import load_model
    from photochrom.training.export import export

    path = tmp_path / "model.onnx"
    parity = export(trained, path)
    assert parity.mean < 0.1 and parity.largest < 1.0
    assert b'File "' not in path.read_bytes()  # PyTorch's stack traces, with this machine's paths
    exported, original = load_model(str(path)), load_model(str(trained))
    assert exported.info.noise_channels == original.info.noise_channels == 4
    source = np.random.default_rng(0)
    for count, height, width in ((1, 32, 32), (3, 96, 64), (2, 160, 288)):
        arrays = (
            (100 * source.random((count, 1, height, width))).astype(np.float32),
            np.zeros((count, 3, height, width), np.float32),
            source.standard_normal((count, 4)).astype(np.float32),
        )
        one, two = exported.predict(*arrays), original.predict(*arrays)
        assert one.shape == (count, 2, height // 4, width // 4)
        assert np.abs(one - two).mean() < 0.1


def test_calibration_changes_the_exported_colors(trained, tmp_path):
    from photochrom.inference.weights import load_model
    from photochrom.training.export import export

    export(trained, tmp_path / "model.onnx", weak_gain=0.5, strong_gain=2.0, tint_gain=0.6)
    luminance = (100 * np.random.default_rng(0).random((1, 1, 64, 64))).astype(np.float32)
    hints, noise = np.zeros((1, 3, 64, 64), np.float32), np.zeros((1, 4), np.float32)
    plain, vivid = (
        load_model(str(path)).predict(luminance, hints, noise) for path in (trained, tmp_path / "model.onnx")
    )
    plain -= 0.4 * plain.mean(axis=(2, 3), keepdims=True)
    size = np.hypot(plain[:, 0], plain[:, 1])
    expected = size * (0.5 + 1.5 * size**2 / (size**2 + 15**2))
    assert np.abs(np.hypot(vivid[:, 0], vivid[:, 1]) - expected).mean() < 0.05 * expected.mean()
