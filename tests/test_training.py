"""Training: it learns, validates, goes by the clock, runs in two processes, uses its noise."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from small_trainings import SMALL, SMALL_STAGE, read_log, small_config, small_sheets, stopped_after

from photochrom.errors import TrainingError
from photochrom.evaluation.metrics import delta_e
from photochrom.networks.build import load_ema, read_checkpoint
from photochrom.networks.discriminator import PatchGAN
from photochrom.networks.generator import Generator
from photochrom.networks.losses import pixel_distance
from photochrom.networks.pix2pix import Pix2PixGenerator
from photochrom.photo.color import rgb_to_lab
from photochrom.training import loop, machine
from photochrom.training.colorings import BestOfMany, best_noise, draw_candidates
from photochrom.training.config import config_from_dict, preset_config
from photochrom.training.loop import train
from photochrom.training.photographs import read_some
from photochrom.training.timing import Clock, Spent
from photochrom.training.validation import COLORFULNESS, DELTA_E, Validation


@pytest.fixture(scope="module", autouse=True)
def small_sample_sheets():
    with small_sheets():
        yield


def test_a_run_leaves_what_it_promises(trained):
    lines = read_log(trained)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert [line["stage"] for line in lines] == ["reconstruction"] * 2 + ["adversarial"] * 2
    assert "pixel" not in lines[2] and {"discriminator", "adversarial", "pixel"} <= set(lines[3])  # warm-up, then both
    assert config_from_dict(json.loads((trained / "config.json").read_text())) == small_config()
    assert (trained / "samples" / "step-000004.jpg").exists()
    assert list((trained / "tensorboard").glob("events*"))
    assert read_checkpoint(trained)["step"] == 4


def test_the_log_has_scores_of_the_adversarial_stage_and_where_time_goes(trained):
    lines = read_log(trained)
    for line in lines:
        assert ("real_score" in line) == ("fake_score" in line) == (line["stage"] == "adversarial")
        shares = line["data_share"] + line["generator_share"] + line["discriminator_share"]
        assert shares == pytest.approx(1, abs=0.01) and line["photographs_per_second"] > 0


def test_losses_that_have_a_weight_train_and_are_logged(training_folder, tmp_path, monkeypatch):
    """Their weighted sum is what is minimized; through the calibration, whose gains belong to the trained network."""
    minimized = []
    backward = loop.Fabric.backward

    def keep(fabric, loss):
        minimized.append(loss.item())
        backward(fabric, loss)

    monkeypatch.setattr(loop.Fabric, "backward", keep)
    config = small_config(
        generator=replace(SMALL, weak_gain=0.8, strong_gain=1.7, tint_gain=0.8),
        steps=(1, 1),
        pixel_weight=0.0,
        classification_weight=0.0,
        difference_weight=0.5,
        worst_weight=0.3,
        edge_weight=2.0,
        dullness_weight=0.1,
    )
    config = replace(config, stages=(config.stages[0], replace(config.stages[1], discriminator_warmup=0)))
    train([training_folder], tmp_path, config, precision="32-true")
    first, second = read_log(tmp_path)
    assert {"difference", "worst", "edge", "dullness"} <= set(first) and not {"pixel", "classification"} & set(first)
    assert first["worst"] > first["difference"] > 0 and first["edge"] > 0
    weights = {"difference": 0.5, "worst": 0.3, "edge": 2.0, "dullness": 0.1}
    supervised = [sum(weight * line[name] for name, weight in weights.items()) for line in (first, second)]
    generator_loss = supervised[1] + 0.1 * second["adversarial"]
    assert minimized == pytest.approx([supervised[0], second["discriminator"], generator_loss], rel=1e-3)
    assert load_ema(tmp_path)[0].config.tint_gain == 0.8


def validated_config(**changes):
    """Looks at the validation photographs at every second step, and has learned most of what it can after four."""
    config = small_config(steps=(5, 1), validate_every=2, validated=4, save_every=3, pretrained=False)
    return replace(config, **changes)


@pytest.fixture(scope="module")
def validated(training_folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "validated"
    train([training_folder], run, validated_config(), validation=[training_folder], precision="32-true")
    return run


def validations(run):
    return {line["step"]: line for line in read_log(run) if DELTA_E in line}


def test_validation_is_logged_and_the_best_networks_are_kept(validated, training_folder, tmp_path):
    measured = validations(validated)
    assert list(measured) == [2, 4, 6]
    best = min(measured, key=lambda step: measured[step][DELTA_E])
    assert measured[6]["best_step"] == best == read_checkpoint(validated / "best.pt")["step"]
    assert read_checkpoint(validated)["best"]["value"] == measured[best][DELTA_E]
    (events,) = (validated / "tensorboard").glob("events*")
    assert DELTA_E.encode() in events.read_bytes() and COLORFULNESS.encode() in events.read_bytes()
    generator, _, step = load_ema(validated / "best.pt")
    assert step == best
    again = Validation(read_some([training_folder], 4, 96), 64, generator.stride, torch.device("cpu")).measure(
        generator
    )
    assert again[DELTA_E] == pytest.approx(measured[best][DELTA_E], abs=1e-4)
    config = small_config(steps=(1, 1), pretrained=False)
    train([training_folder], tmp_path / "next", config, start=validated / "best.pt", precision="32-true")
    assert not (tmp_path / "next" / "best.pt").exists() and not validations(tmp_path / "next")  # as ever without them


def test_validation_changes_nothing_and_resumes(validated, training_folder, tmp_path):
    """Neither looking nor stopping in between: the same networks, the same measures, the same best step."""
    sources: dict[str, Any] = {"validation": [training_folder], "precision": "32-true"}
    with stopped_after(5):  # saved at 3: step 4 is validated twice
        train([training_folder], tmp_path / "run", validated_config(), **sources)
    train([training_folder], tmp_path / "run", validated_config(), resume=True, **sources)
    train([training_folder], tmp_path / "unseen", validated_config(), precision="32-true")
    whole = read_checkpoint(validated)
    resumed, unseen = read_checkpoint(tmp_path / "run"), read_checkpoint(tmp_path / "unseen")
    assert resumed["best"] == pytest.approx(whole["best"], abs=1e-4)
    assert read_checkpoint(tmp_path / "run" / "best.pt")["step"] == whole["best"]["step"]
    for name, tensor in whole["ema"].items():
        assert torch.allclose(tensor, resumed["ema"][name], atol=1e-5), name
        assert torch.allclose(tensor, unseen["ema"][name], atol=1e-5), name


def test_a_training_stops_when_its_patience_ends(training_folder, tmp_path, monkeypatch, capsys):
    """Better at steps 1 and 2, then never again: with a patience of 3 the last step is the fifth, resumed or not."""
    values = {1: 0.9, 2: 0.8, 3: 0.85, 4: 0.8, 5: 0.81}
    config = small_config(steps=(50, 50), pretrained=False, validate_every=1, save_every=1, patience=3)
    step = 0

    def train_step(run, stage, stage_step):
        nonlocal step
        step = run.step + 1
        run.spent = Spent(photographs=4, data=1.0)
        return {}, None

    monkeypatch.setattr(loop.Run, "train_step", train_step)
    monkeypatch.setattr(Validation, "measure", lambda *_: {DELTA_E: values[step], COLORFULNESS: 1.0})
    sources: dict[str, Any] = {"validation": [training_folder], "precision": "32-true"}
    train([training_folder], tmp_path, config, **sources)
    assert list(validations(tmp_path)) == [1, 2, 3, 4, 5] and read_checkpoint(tmp_path)["step"] == 5
    assert read_checkpoint(tmp_path / "best.pt")["step"] == 2 and (tmp_path / "samples" / "step-000005.jpg").exists()
    assert "5 steps, stopped early; the best was step 2" in capsys.readouterr().out
    train([training_folder], tmp_path, config, resume=True, **sources)
    assert len(validations(tmp_path)) == 5
    with pytest.raises(TrainingError, match="--validation"):
        train([training_folder], tmp_path, config, resume=True, precision="32-true")


def test_validation_measures():
    """Truth has 0 and 1, gray 1 and 0; twice the chroma is as far from the truth as none, about, and more colorful."""
    random = np.random.default_rng(0).integers(60, 200, (3, 4, 5, 3), np.uint8)
    photographs = [np.kron(picture, np.ones((16, 16, 1), np.uint8)) for picture in random]
    validation = Validation(photographs, 64, 4, torch.device("cpu"))

    class Truth:
        noise_channels, scale = 2, 1.0

        def __call__(self, luminance, hints, noise):
            assert luminance.shape == (3, 1, 64, 64) and hints.shape == (3, 3, 64, 64) and not noise.any()
            return self.scale * validation.real_chroma

    truth: Any = Truth()
    assert validation.measure(truth)[DELTA_E] < 0.01 and validation.measure(truth)[COLORFULNESS] == pytest.approx(1)
    truth.scale = 0.0
    assert validation.measure(truth)[DELTA_E] == pytest.approx(1)
    assert validation.measure(truth)[COLORFULNESS] == pytest.approx(0, abs=0.01)
    truth.scale = 1.5
    assert 0.1 < validation.measure(truth)[DELTA_E] < 1 < validation.measure(truth)[COLORFULNESS]
    expected = [rgb_to_lab(picture[:, :64].astype(np.float32) / 255) for picture in photographs]
    gray = [delta_e(lab * np.float32([1, 0, 0]), lab).mean() for lab in expected]
    assert validation.gray_difference == pytest.approx(np.mean(gray), rel=0.15)
    with pytest.raises(TrainingError, match="near gray"):
        Validation([np.full((64, 64, 3), 90, np.uint8)], 64, 4, torch.device("cpu"))


def test_an_error_that_nobody_thought_of_is_one_line_and_a_file(training_folder, tmp_path, monkeypatch):
    def forgotten(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(loop, "supervised_losses", forgotten)
    with pytest.raises(TrainingError, match=r"the training failed \(division by zero\): .*error.log says where"):
        train([training_folder], tmp_path, small_config(pretrained=False), precision="32-true")
    assert "in forgotten" in (tmp_path / "error.log").read_text()


def test_too_little_memory_is_one_line_that_says_what_to_lower(training_folder, tmp_path):
    config = small_config(generator=replace(SMALL, decoder_channels=(10**9, 10**8, 16)), pretrained=False)
    with pytest.raises(TrainingError, match="not enough memory for this training: lower --batch-size"):
        train([training_folder], tmp_path, config, precision="32-true")


def test_numbers_beyond_all_bounds_are_called_so(training_folder, tmp_path):
    with pytest.raises(TrainingError, match="diverged at step"):
        train([training_folder], tmp_path, small_config(pixel_weight=1e300, pretrained=False), precision="32-true")


def test_tensorboard_may_be_absent(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "find_spec", lambda name: None)
    machine.open_fabric("cpu", 1, 1, "32-true", tmp_path).log_dict({"pixel": 1.0}, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_minutes_go_by_the_clock(training_folder, tmp_path, monkeypatch):
    """On a machine that needs seven seconds a step, a minute has nine steps, a third of them of the last stage."""
    config = small_config(steps=(400, 200), minutes=1.0, save_every=1, pretrained=False)
    seconds = 0.0

    def seven_seconds(run, stage, stage_step):
        nonlocal seconds
        seconds += 7.0
        run.spent = Spent(photographs=4, data=7.0)
        return {}, None

    monkeypatch.setattr(loop.Clock, "now", lambda clock: seconds)
    monkeypatch.setattr(loop.Run, "train_step", seven_seconds)
    train([training_folder], tmp_path / "whole", config, precision="32-true")
    stages = [line["stage"] for line in read_log(tmp_path / "whole")]
    assert stages == ["reconstruction"] * 6 + ["adversarial"] * 3
    assert read_checkpoint(tmp_path / "whole")["seconds"] == 63
    with stopped_after(4):
        train([training_folder], tmp_path / "halfway", config, precision="32-true")
    train([training_folder], tmp_path / "halfway", config, resume=True, precision="32-true")
    assert len(read_log(tmp_path / "halfway")) == 9


def test_the_log_counts_all_steps_since_its_last_line(training_folder, tmp_path, monkeypatch):
    """A step of one second and one of three, of four photographs each, are two photographs per second."""
    seconds = iter([1.0, 3.0] * 2)

    def step(run, stage, stage_step):
        run.spent.photographs += 4
        run.spent.generator += next(seconds)
        return {}, None

    monkeypatch.setattr(loop.Run, "train_step", step)
    train([training_folder], tmp_path, small_config(log_every=2, pretrained=False), precision="32-true")
    assert [line["photographs_per_second"] for line in read_log(tmp_path)] == [2.0, 2.0]


def test_the_clock_waits_for_a_gpu(monkeypatch):
    waited: list[Any] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    Clock(torch.device("cpu")).now()
    assert waited == []
    assert Clock(torch.device("cuda")).now() > 0
    assert waited == [torch.device("cuda")]


def test_looking_at_scores_changes_nothing(trained):
    discriminator = PatchGAN(small_config().discriminator)
    discriminator.load_state_dict(read_checkpoint(trained)["discriminator"])
    before = {name: tensor.clone() for name, tensor in discriminator.state_dict().items()}
    run = loop.Run.__new__(loop.Run)
    run.fabric, run.raw_discriminator = loop.Fabric(accelerator="cpu"), discriminator.train()
    luminance, real, fake = 100 * torch.rand(2, 1, 64, 64), 50 * torch.randn(2, 2, 16, 16), torch.zeros(2, 2, 16, 16)
    scores = run.scores(loop.Judged(luminance, real, fake))
    assert discriminator.training
    for name, tensor in discriminator.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    with torch.no_grad():
        patches = discriminator.eval()(luminance, real)
    assert scores["real_score"] == pytest.approx(patches.mean().item(), abs=1e-4) and len(scores) == 2


@pytest.mark.slow
def test_two_processes_train_together(training_folder, tmp_path):
    """Two gloo processes: one run, and gradients averaged, so both hold the same network.

    Each trains on photographs of its own: without averaging the two networks would differ after one step.
    """
    run = tmp_path / "run"
    script = f"""
from pathlib import Path
import sys
sys.path.insert(0, {str(os.path.dirname(__file__))!r})
import torch
from small_trainings import small_config
from photochrom.training import loop

def go(run, train=loop.Run.go):
    train(run)
    networks = {{"generator": run.raw_generator, "discriminator": run.raw_discriminator}}
    parameters = {{name: dict(network.named_parameters()) for name, network in networks.items()}}
    batch = run._batch(run.config.stages[0]).real_chroma
    torch.save([parameters, batch], Path({str(tmp_path)!r}) / f"process-{{run.fabric.global_rank}}.pt")

if __name__ == "__main__":
    loop.Run.go = go
    photographs, run = [Path({str(training_folder)!r})], Path({str(run)!r})
    loop.train(photographs, run, small_config(), accelerator="cpu", devices=2, precision="32-true")
"""
    path = tmp_path / "two.py"
    path.write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line["step"] for line in read_log(run)] == [1, 2, 3, 4]
    assert read_checkpoint(run)["step"] == 4
    (one, photographs), (two, others) = (torch.load(tmp_path / f"process-{n}.pt", weights_only=False) for n in (0, 1))
    assert not torch.equal(photographs, others)
    for network in ("generator", "discriminator"):
        for name, parameter in one[network].items():
            assert torch.allclose(parameter, two[network][name], atol=1e-7), (network, name)


@pytest.mark.slow
def test_torchrun_starts_the_command(training_folder, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29511"]
    command = ["train", str(training_folder), "--out", str(tmp_path / "run"), "--devices", "2", "--accelerator", "cpu"]
    command += ["--steps", "4", "--batch-size", "2", "--precision", "32-true"]
    stages = f"stages={json.dumps([SMALL_STAGE])}"
    for change in ("generator.encoder=lite0", "generator.decoder_channels=[16,16,16]", "photograph_size=96", stages):
        command += ["--set", change]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, "-m", "photochrom", *command], check=True, timeout=300, env=environment)
    assert read_checkpoint(tmp_path / "run")["step"] == 4


@pytest.mark.slow
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
    for _ in range(60):
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
