"""Training: it learns, resumes after a kill, runs in two processes, uses its noise."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner

from photochrom import cli
from photochrom.errors import TrainingError, WeightsError
from photochrom.evaluation.metrics import delta_e
from photochrom.networks.build import load_ema, read_checkpoint
from photochrom.networks.discriminator import DiscriminatorConfig, PatchGAN
from photochrom.networks.generator import Generator, GeneratorConfig
from photochrom.networks.losses import pixel_distance
from photochrom.networks.pix2pix import Pix2PixGenerator
from photochrom.photo.color import rgb_to_lab
from photochrom.training import loop, machine, samples
from photochrom.training.augmentation import AugmentationConfig
from photochrom.training.colorings import BestOfMany, best_noise, draw_candidates
from photochrom.training.config import (
    Stage,
    TrainingConfig,
    change_config,
    config_from_dict,
    config_to_dict,
    preset_config,
    with_batch_size,
    with_steps,
)
from photochrom.training.loop import train
from photochrom.training.photographs import read_some
from photochrom.training.schedule import learning_rate, stage_at, step_seed, steps_reached
from photochrom.training.timing import Clock, Spent
from photochrom.training.validation import COLORFULNESS, DELTA_E, Validation

SMALL = GeneratorConfig(encoder="lite0", decoder_channels=(24, 16, 16), style_channels=16, noise_channels=4)
SMALL_STAGE = {"name": "small", "steps": 20, "size": 64, "batch_size": 4, "learning_rate": 1e-3}


@pytest.fixture(scope="module", autouse=True)
def small_sample_sheets():
    """Two photographs of 64 pixels on a sheet: most of a short training's time would go into its samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "SHOWN", 2)
        patch.setattr(samples, "SIDE", 64)
        yield


def small_config(steps=(2, 2), **changes):
    """Two short stages of 64 pixels: reconstruction, and adversarial with a step for the discriminator alone."""
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
    discriminator = DiscriminatorConfig(layers=2, channels=8)
    often = {"log_every": 1, "save_every": 1000, "sample_every": 1000}
    return replace(config, **{"discriminator": discriminator, **often, **changes})


def read_log(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(training_folder, tmp_path_factory):
    """One small training, for all tests that only need a finished run."""
    run = tmp_path_factory.mktemp("runs") / "run"
    train([training_folder], run, small_config(), precision="32-true")
    return run


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


def test_a_run_is_not_overwritten(trained, training_folder):
    with pytest.raises(TrainingError, match="--resume"):
        train([training_folder], trained, small_config())


@contextmanager
def stopped_after(steps):
    class Stopped(BaseException):  # as Ctrl-C: an Exception would be explained
        pass

    original = loop.Run.train_step

    def stop(self, stage, stage_step):
        if self.step == steps:
            raise Stopped
        return original(self, stage, stage_step)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(loop.Run, "train_step", stop)
        yield


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


def test_several_machines_need_torchrun(training_folder, tmp_path, monkeypatch):
    for name in ("MASTER_ADDR", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TrainingError, match="torchrun"):
        train([training_folder], tmp_path / "run", small_config(), accelerator="cpu", nodes=2)
    assert not (tmp_path / "run").exists()


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
    ],
)
def test_a_checkpoint_that_lacks_something_is_refused(trained, training_folder, tmp_path, damage):
    state = {**read_checkpoint(trained), **damage}
    torch.save({name: value for name, value in state.items() if value is not None}, tmp_path / "checkpoint.pt")
    with pytest.raises(TrainingError, match=r"not whole|another network"):
        train([training_folder], tmp_path, small_config(), resume=True, precision="32-true")


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


def test_seeds_of_steps_are_stable_and_all_different():
    """SeedSequence's own numbers: a training resumed on another machine or Python draws the same."""
    assert step_seed(0, 0, 0) == 15793235383387715774
    seeds = {step_seed(seed, step, process) for seed in range(3) for step in range(100) for process in range(4)}
    assert len(seeds) == 3 * 100 * 4


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
from test_training import small_config
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


def test_configuration_survives_json():
    for preset in ("default", "pix2pix"):
        config = preset_config(preset)
        assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config


def test_unknown_configuration_names_are_refused():
    config = preset_config("default")
    with pytest.raises(TrainingError):
        config_from_dict({**config_to_dict(config), "nonsense": 1})
    for change in ("nonsense=1", "generator.nonsense=1", "seed", "seed=blue", "preset=pix2pix"):
        with pytest.raises(TrainingError):
            change_config(config, [change])
    assert change_config(config, ["seed=3", "generator.encoder=lite0"]).generator.encoder == "lite0"
    assert change_config(config, ["generator.skipped=0.1"]).generator.drop_path == 0.1  # its name in earlier versions


def one_stage(**changes):
    return f"stages={json.dumps([{**SMALL_STAGE, **changes}])}"


@pytest.mark.parametrize(
    "change, message",
    [
        ("optimizer=sgd", "one of adamw, adam, not 'sgd'"),
        ("pixel_loss=l2", "one of l1, smooth-l1"),
        ("adversarial_loss=wgan", "one of vanilla, least-squares, hinge"),
        ("discriminator.norm=batch", "discriminator.norm must be one of instance, spectral"),
        ("generator.encoder=resnet50", "generator.encoder must be one of lite0, lite1, lite2"),
        ("log_every=0", "log_every must be a whole number of at least 1"),
        ("validate_every=0", "validate_every must be a whole number of at least 1"),
        ("validated=0", "validated must be a whole number of at least 1"),
        ("patience=-1", "patience must be a whole number of at least 0"),
        ("discriminator.channels=99999999999999999999", "discriminator.channels must be a whole number"),
        ("pixel_weight=NaN", "pixel_weight must be a number of at least 0"),
        ("stages=3", "stages must be a list"),
        ("stages=null", "stages must be a list"),
        ("save_every=0", "at least 1"),
        ("sample_every=-5", "at least 1"),
        ("candidates=0", "candidates must be a whole number of at least 1"),
        ("minutes=-1", "minutes must be a number of at least 0"),
        ("minutes=NaN", "minutes must be a number"),
        ("minutes=Infinity", "minutes must be a number"),
        ("seed=-1", "seed must be a whole number from 0"),
        ("noisy=1.5", "from 0 to 1"),
        ("ema_decay=2", "from 0 to 1"),
        ("final_rate=-0.1", "from 0 to 1"),
        ("warmup=2.5", "warmup must be a whole number"),
        ("pretrained=1", "true or false"),
        ("betas=[0.9]", "a list of 2"),
        ("betas=[0.9,1.0]", "of at least 0 and below 1"),
        ("teachers=[3]", "a list, each text"),
        ("pixel_weight=-1", "at least 0"),
        ("photograph_size=0", "from 32"),
        ("balance=2", "from 0 to 1"),
        ("augmentation.degraded=7", "augmentation.degraded must be a number from 0 to 1"),
        ("augmentation.crop=[0.9,0.4]", "a smaller and a larger number"),
        ("augmentation.crop=[0,1]", "from 0.1 to 1"),
        ("augmentation.stretch=0.5", "from 1"),
        ("generator.decoder_channels=[24,16]", "a list of 3"),
        ("generator.decoder_channels=[24,16,0]", "at least 1"),
        ("generator.dropout=1.0", "below 1"),
        ("generator.weak_gain=0", "above 0"),
        ("discriminator.layers=0", "from 1"),
        ("discriminator.layers=6", "too few for a discriminator of 6 layers"),
        ("stages=[]", "at least one stage"),
        ("stages=[1]", "doesn't have the names"),
        ('stages=[{"name":"short"}]', "missing 4"),
        (one_stage(size=100), "stage 'small': size must be a multiple of 32"),
        (one_stage(size=32), "at least 64"),
        (one_stage(steps=0), "steps must be"),
        (one_stage(batch_size=0), "batch_size must be"),
        (one_stage(learning_rate=0), "above 0"),
        (one_stage(discriminator_warmup=21), "from 0 to 20"),
    ],
)
def test_wrong_configuration_values_are_refused_in_one_line(change, message):
    with pytest.raises(TrainingError) as refused:
        change_config(preset_config("default"), [change])
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_values_that_do_not_go_together_are_refused():
    small, pix2pix = small_config(), preset_config("pix2pix")
    with pytest.raises(TrainingError, match="a multiple of 256 for preset pix2pix"):
        replace(pix2pix, stages=(replace(pix2pix.stages[0], size=128),))
    with pytest.raises(TrainingError, match="choose the preset"):
        replace(small, preset="pix2pix")
    with pytest.raises(TrainingError, match="stage 'reconstruction' has nothing to learn from"):
        replace(small, pixel_weight=0.0, classification_weight=0.0, difference_weight=0.0)
    adversarial_only = replace(small.stages[1], adversarial=1.0)
    replace(small, pixel_weight=0.0, classification_weight=0.0, difference_weight=0.0, stages=(adversarial_only,))


@pytest.mark.parametrize(
    "kind, values",
    [
        (AugmentationConfig, {"hinted": -1.0}),
        (DiscriminatorConfig, {"channels": 0}),
        (GeneratorConfig, {"encoder": "resnet50"}),
        (Stage, {**SMALL_STAGE, "adversarial": -1.0}),
        (TrainingConfig, {**vars(small_config()), "stages": [small_config().stages[0]]}),
    ],
)
def test_every_configuration_checks_itself(kind, values):
    with pytest.raises(TrainingError, match="must be"):
        kind(**values)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--set", "generator.encoder=resnet50"], "lite0, lite1, lite2"),
        (["--set", "minutes=-1"], "at least 0"),
        (["--accelerator", "tpu"], "auto, cpu, cuda, mps"),
        (["--precision", "fp8"], "32-true, bf16-mixed, 16-mixed"),
        (["--patience", "3"], "name them with --validation"),
        (["--devices", "5"], "which 5 processes can't share"),
        pytest.param(
            ["--accelerator", "cuda"],
            "choose --accelerator cpu",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has one"),
        ),
    ],
)
def test_the_command_refuses_in_one_line(training_folder, tmp_path, arguments, message):
    command = ["train", str(training_folder), "--out", str(tmp_path / "run"), *arguments]
    result = CliRunner().invoke(cli.main, command)
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result.output
    assert message in result.output and len(result.output.splitlines()) == 1
    assert not (tmp_path / "run").exists()


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
