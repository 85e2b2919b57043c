"""Teachers: a network learns what others say of the undamaged photograph."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from torch import nn

from photochrom import cli
from photochrom.errors import TrainingError
from photochrom.networks.build import build_generator, load_ema, read_checkpoint
from photochrom.networks.discriminator import DiscriminatorConfig, PatchGAN
from photochrom.networks.generator import Generator, GeneratorConfig
from photochrom.training import samples
from photochrom.training.augmentation import AugmentationConfig, make_batch
from photochrom.training.config import Stage, config_from_dict, config_to_dict, preset_config
from photochrom.training.loop import train
from photochrom.training.teachers import Teachers, load_teachers

SMALL = GeneratorConfig(encoder="lite0", decoder_channels=(24, 16, 16), style_channels=16, noise_channels=4)
NO_HINTS, NO_NOISE = torch.zeros(2, 3, 64, 64), torch.zeros(2, 4)


@pytest.fixture(scope="module", autouse=True)
def small_sample_sheets():
    """Two photographs of 64 pixels on a sheet: most of a short training's time would go into its samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "SHOWN", 2)
        patch.setattr(samples, "SIDE", 64)
        yield


def small_config(**changes):
    stage = Stage("taught", steps=1, size=64, batch_size=4, learning_rate=1e-3)
    config = replace(preset_config("default"), generator=SMALL, stages=(stage,), photograph_size=96, pretrained=False)
    config = replace(config, discriminator=DiscriminatorConfig(layers=2, channels=8))
    return replace(config, **changes)


def write_teacher(path, config, generator):
    networks = {"ema": generator.state_dict(), "discriminator": PatchGAN(config.discriminator).state_dict()}
    torch.save({"config": config_to_dict(config), "step": 0, **networks}, path)
    return path


@pytest.fixture
def blue(tmp_path):
    """A teacher to whom all photographs are blue."""
    torch.manual_seed(0)
    generator = Generator(SMALL)
    with torch.no_grad():
        generator.head.bias[(generator.palette - torch.tensor([0.0, -50.0])).square().sum(dim=1).argmin()] = 100
    return write_teacher(tmp_path / "blue.pt", small_config(), generator)


class StripePainter(nn.Module):
    """Paints the topmost cells of what it sees, and everything else in `color`."""

    def __init__(self, color):
        super().__init__()
        self.color = color

    def forward(self, luminance, hints, noise):
        chroma = torch.full((len(luminance), 2, luminance.shape[2] // 4, luminance.shape[3] // 4), self.color)
        chroma[:, :, :2] = -99.0
        return chroma


class HintEcho(nn.Module):
    """Answers with the hints' own colors."""

    def forward(self, luminance, hints, noise):
        return hints[:, :2, ::4, ::4]


def test_teachers_answer_on_average_and_the_first_alone_with_noise():
    teachers = Teachers([StripePainter(10.0), StripePainter(20.0)])
    noise = torch.stack([torch.zeros(4), torch.ones(4)])
    quiet, noisy = teachers(torch.rand(2, 1, 64, 64) * 100, NO_HINTS, noise)
    assert quiet.shape == (2, 16, 16)
    assert (quiet == 15).all() and (noisy == 10).all()  # and no stripe: the margin has it


def test_teachers_see_hints_where_they_are():
    hints = torch.rand(2, 3, 64, 64)
    answer = Teachers([HintEcho()])(torch.rand(2, 1, 64, 64) * 100, hints, NO_NOISE)
    assert torch.equal(answer, hints[:, :2, ::4, ::4])


def test_teachers_are_calibrated_as_the_student_is(blue):
    student = replace(SMALL, weak_gain=0.5, strong_gain=0.5)
    seen = torch.rand(2, 1, 64, 64) * 100, NO_HINTS, NO_NOISE
    teachers = load_teachers([str(blue)], student)
    assert teachers is not None
    assert torch.allclose(teachers(*seen), load_ema(blue)[0](*seen) / 2, atol=0.1)


def test_what_teachers_say_is_learned_instead_of_the_truth(blue, training_folder, tmp_path):
    """A network that paints all blue has nothing to learn from a teacher that does."""
    pixel = {}
    for name, teachers in ("taught", (str(blue),)), ("untaught", ()):
        run = tmp_path / name
        train([training_folder], run, small_config(teachers=teachers), start=blue, precision="32-true")
        pixel[name] = json.loads((run / "log.jsonl").read_text())["pixel"]
        assert config_from_dict(read_checkpoint(run)["config"]).teachers == teachers  # --resume has them from there
    assert pixel["taught"] < 0.01 < 0.2 < pixel["untaught"]


def test_teachers_see_what_was_there_before_the_damage(photographs):
    pictures = torch.from_numpy(photographs["astronaut"][None, :128, :128].repeat(4, 0))
    torch.manual_seed(0)
    old = make_batch(pictures, 64, 4, AugmentationConfig(degraded=1.0))
    torch.manual_seed(0)
    clean = make_batch(pictures, 64, 4, AugmentationConfig(degraded=0.0))
    assert torch.equal(old.clean_luminance, clean.luminance) and not torch.equal(old.luminance, clean.luminance)


def test_a_network_of_another_kind_cannot_teach(blue, tmp_path):
    config = preset_config("pix2pix")
    config = replace(config, generator=replace(config.generator, channels=4))
    other = write_teacher(tmp_path / "pix2pix.pt", config, build_generator(config.generator))
    with pytest.raises(TrainingError, match="can't teach"):
        load_teachers([str(other)], SMALL)
    with pytest.raises(TrainingError, match="its noise has 4 channels"):
        load_teachers([str(blue)], replace(SMALL, noise_channels=8))


def test_the_command_says_in_one_line_who_cannot_teach(blue, training_folder, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for teacher, reason in (blue, "can't teach"), (tmp_path / "notes.txt", "not a readable checkpoint"):
        command = ["train", str(training_folder), "--out", str(tmp_path / "run"), "--teacher", str(teacher)]
        result = CliRunner().invoke(cli.main, command)
        assert result.exit_code != 0 and isinstance(result.exception, SystemExit)
        assert reason in result.output.splitlines()[-1]
