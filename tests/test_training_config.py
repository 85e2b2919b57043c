"""The configuration of a training: what is refused, and what its stages, steps and rates become."""

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner
from small_trainings import SMALL_STAGE, small_config

from photochrom import cli
from photochrom.errors import TrainingError
from photochrom.networks.discriminator import DiscriminatorConfig
from photochrom.networks.generator import GeneratorConfig
from photochrom.training.augmentation import AugmentationConfig
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
from photochrom.training.schedule import learning_rate, stage_at, step_seed, steps_reached


def test_seeds_of_steps_are_stable_and_all_different():
    """SeedSequence's own numbers: a training resumed on another machine or Python draws the same."""
    assert step_seed(0, 0, 0) == 15793235383387715774
    seeds = {step_seed(seed, step, process) for seed in range(3) for step in range(100) for process in range(4)}
    assert len(seeds) == 3 * 100 * 4


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


AUGMENTATION = config_to_dict(preset_config("default"))["augmentation"]


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
        ("stages=[1]", "stage 1 must be an object with the names name, steps, size, batch_size, learning_rate,"),
        ("stages=[{}]", "stage 1 lacks name, steps, size, batch_size, learning_rate: it has the names name, steps,"),
        ('stages=[{"name":"short"}]', "stage 1 lacks steps, size, batch_size, learning_rate: it has the names name,"),
        (one_stage(speed=1), "stage 1 has a name that this version doesn't know, 'speed': it has the names name,"),
        ('augmentation={"crop":1}', "augmentation lacks stretch, degraded, hinted, mixed, recolored: give all, or"),
        ("augmentation={}", "augmentation lacks crop, stretch, degraded, hinted, mixed, recolored: give all, or"),
        ("augmentation.crop=1", "augmentation.crop must be a list"),
        (f"augmentation={json.dumps(AUGMENTATION | {'crop': 1})}", "augmentation.crop must be a list of 2, each"),
        (f"augmentation={json.dumps(AUGMENTATION | {'x': 1})}", "augmentation has a name that this version doesn't"),
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


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"generator": None}, "generator must be an object with the names encoder, "),
        ({"discriminator": {"x": 1}}, "discriminator has a name that this version doesn't know, 'x'"),
        ({"stages": None}, "stages must be a list"),
        ({"betas": 1}, "betas must be a list of 2"),
        ({"teachers": "run"}, "teachers must be a list, each text"),
    ],
)
def test_configurations_of_checkpoints_are_refused_in_plain_words(changes, message):
    with pytest.raises(TrainingError, match=message):
        config_from_dict({**config_to_dict(preset_config("default")), **changes})
    with pytest.raises(TrainingError, match="the configuration lacks preset, generator, discriminator, stages"):
        config_from_dict({})


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


def test_several_machines_need_torchrun(training_folder, tmp_path, monkeypatch):
    for name in ("MASTER_ADDR", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TrainingError, match="torchrun"):
        train([training_folder], tmp_path / "run", small_config(), accelerator="cpu", nodes=2)
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
