"""The networks against the papers, and against what we promise of them."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from skimage import color, data
from torch.nn import functional as F

from photochrom.errors import TrainingError
from photochrom.inference.weights import load_model
from photochrom.networks.build import generator_config
from photochrom.networks.discriminator import DiscriminatorConfig, PatchGAN
from photochrom.networks.encoder import EfficientNetLite, SamePadConv, drop_path, read_pretrained
from photochrom.networks.generator import (
    Generator,
    GeneratorConfig,
    HintSpread,
    calibrate,
    convolve_doubled,
    hint_shares,
    hints_at_stride,
    lower_tint,
    uncalibrate,
)
from photochrom.networks.lab import rgb_to_lab
from photochrom.networks.palette import displayable_palette, palette_corners
from photochrom.networks.pix2pix import Pix2PixConfig, Pix2PixGenerator
from photochrom.networks.tilt import PaletteTilt
from photochrom.photo.resize import resize
from photochrom.training.config import preset_config

SMALL = GeneratorConfig(encoder="lite0", decoder_channels=(24, 16, 16), style_channels=16)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def inputs(height, width, count=1, channels=8):
    return 100 * torch.rand(count, 1, height, width), torch.zeros(count, 3, height, width), torch.zeros(count, channels)


def test_pix2pix_has_the_published_sizes():
    """54.41 M and 2.77 M parameters, as counted in the authors' code with 1 -> 2 and 3 -> 1 channels."""
    assert parameters(Pix2PixGenerator(Pix2PixConfig())) / 1e6 == pytest.approx(54.41, abs=0.005)
    assert parameters(PatchGAN(DiscriminatorConfig(layers=3, norm="instance"))) / 1e6 == pytest.approx(2.77, abs=0.005)


def test_pix2pix_noise_is_dropout_that_repeats():
    generator = Pix2PixGenerator(Pix2PixConfig(channels=8)).eval()
    luminance, hints, zero = inputs(256, 512)
    noise = torch.randn(1, 8)
    with torch.no_grad():
        plain, first, again = (generator(luminance, hints, z) for z in (zero, noise, noise))
        other = generator(luminance, hints, torch.randn(1, 8))
    assert plain.shape == (1, 2, 256, 512)
    assert torch.equal(first, again) and not torch.equal(first, plain) and not torch.equal(first, other)


def test_pix2pix_dropout_drops_half():
    from photochrom.networks.pix2pix import noise_dropout

    dropped = noise_dropout(torch.ones(4, 64, 8, 8), torch.randn(4, 8), 0)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean(dim=(1, 2, 3)).sub(1).abs().max() < 0.1
    assert (dropped[0] != dropped[1]).float().mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("height, width", [(32, 32), (64, 160), (256, 256)])
def test_generator_shapes(height, width):
    generator = Generator(SMALL).eval()
    with torch.no_grad():
        assert generator(*inputs(height, width, 2)).shape == (2, 2, height // 4, width // 4)


def test_default_generator_is_small_enough_to_ship():
    assert parameters(Generator(preset_config("default").generator)) * 2 < 24e6  # bytes, as 16-bit floats


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2"])
def test_encoder_uses_every_pretrained_tensor_or_names_it(name):
    unused = EfficientNetLite(name).load_pretrained(read_pretrained(name))
    assert {key.split(".")[0] for key in unused} == {"_conv_head", "_bn1", "_fc"}


def test_encoder_loading_is_strict():
    tensors = read_pretrained("lite0")
    del tensors["_blocks.3._bn1.weight"]
    with pytest.raises(RuntimeError, match=r"_blocks\.3\._bn1\.weight"):
        EfficientNetLite("lite0").load_pretrained(tensors)


@pytest.mark.parametrize("name, classes", [("chelsea", {281, 282, 285}), ("coffee", {967, 968, 504})])
def test_encoder_recognizes_gray_photographs(name, classes):
    """With its published classifier put back, it sees a cat and a cup: padding, order and scaling are right."""
    tensors = read_pretrained("lite0")
    encoder = EfficientNetLite("lite0").eval()
    encoder.load_pretrained(tensors)
    gray = color.rgb2lab(getattr(data, name)())[..., 0].astype(np.float32)
    side = min(gray.shape)
    left = (gray.shape[1] - side) // 2
    small = torch.from_numpy(resize(gray[:side, left : left + side], 224, 224))[None, None]
    norm = [tensors[f"_bn1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    with torch.no_grad():
        head = torch.nn.functional.conv2d(encoder(small / 50 - 1)[-1], tensors["_conv_head.weight"])
        head = torch.nn.functional.relu6(torch.nn.functional.batch_norm(head, *norm, eps=1e-3)).mean(dim=(2, 3))
        best = torch.nn.functional.linear(head, tensors["_fc.weight"], tensors["_fc.bias"]).argmax().item()
    assert best in classes


def test_blocks_are_skipped_only_while_training():
    torch.manual_seed(0)
    x = torch.ones(1000, 2, 3, 3)
    assert torch.equal(drop_path(x, 0.2, training=False), x)
    skipped = drop_path(x, 0.2, training=True).flatten(1)
    assert ((skipped == 0).all(dim=1) | (skipped == 1.25).all(dim=1)).all()
    assert skipped.mean() == pytest.approx(1, abs=0.05)
    blocks = EfficientNetLite("lite0", drop_path=0.2)._blocks
    assert 0 < blocks[0].drop_probability < blocks[-1].drop_probability == 0.2


def test_filtering_channel_by_channel_is_exact_in_mixed_precision():
    conv = SamePadConv(8, 8, 5, 2, groups=8, bias=False)
    x = torch.rand(2, 8, 12, 12, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = conv(x)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, conv(x))
    (wanted,) = torch.autograd.grad(conv(x).square().sum(), conv.weight)
    (found,) = torch.autograd.grad(mixed.square().sum(), conv.weight)
    assert torch.equal(found, wanted)


def test_configurations_of_earlier_versions_are_read():
    """`drop_path` was called `skipped`; the checkpoint that further trainings start from still says so."""
    assert generator_config("default", {"encoder": "lite0", "skipped": 0.15}) == GeneratorConfig(
        encoder="lite0", drop_path=0.15
    )
    shipped = load_model().info.details["config"]["generator"]  # as the version that trained it wrote it
    expected = shipped.get("skipped", shipped.get("drop_path"))
    assert generator_config("default", shipped).drop_path == expected
    with pytest.raises(TypeError, match="nonsense"):
        generator_config("default", {"nonsense": 1})


def test_tilted_variants_color_whole_things_apart_and_leave_what_is_sure():
    palette = displayable_palette()
    tilt = PaletteTilt(palette, 16, 8, strength=0.8)
    torch.manual_seed(0)
    features = torch.zeros(1, 16, 8, 8)
    features[..., :4], features[..., 4:] = torch.rand(2, 1, 16, 1, 1)  # two things that look different
    assert not tilt(features, torch.zeros(1, 8)).any()
    noise = torch.randn(200, 8)
    tilts = tilt(features.expand(200, -1, -1, -1), noise).permute(0, 2, 3, 1) @ tilt.colors
    assert tilts.shape == (200, 32, 32, len(palette))
    doubt = torch.softmax(tilts, -1) @ palette
    left, right = doubt[:, :, :12], doubt[:, :, 20:]  # apart from the seam
    assert (left - left[:, :1, :1]).norm(dim=-1).max() < 1e-2, "one thing, one color"
    assert left[:, 0, 0].norm(dim=-1).mean() > 10
    assert (left[:, 0, 0] - right[:, 0, 0]).norm(dim=-1).mean() > 5, "things differ"
    variances = torch.linalg.svdvals(doubt.flatten(1) - doubt.flatten(1).mean(0)).square()
    assert variances[0] / variances.sum() < 0.8, "more than one axis"
    sure = torch.zeros(len(palette))
    sure[100] = 20.0
    certain = torch.softmax(sure + tilts, -1) @ palette
    assert (certain - palette[100]).norm(dim=-1).max() < 1
    long = 10 * noise[:1]
    assert torch.allclose(tilt(features, long), tilt(features, 2 * long)), "the longest noise is no glaring cast"


def test_noise_of_a_tilted_generator_acts_on_the_palette_alone():
    config = GeneratorConfig(encoder="lite0", tilt=0.8, strong_gain=2.0)
    torch.manual_seed(0)
    generator = Generator(config).eval()
    plain = Generator(replace(config, tilt=0.0)).eval()
    plain.load_state_dict(generator.state_dict(), strict=True)  # nothing of the tilt is learned
    seen = 50 + 30 * torch.rand(2, 1, 64, 64), torch.zeros(2, 3, 64, 64)
    none, some = torch.zeros(2, 8), torch.randn(2, 8)
    with torch.no_grad():
        assert torch.allclose(generator(*seen, none), plain(*seen, none), atol=1e-4)
        assert (generator(*seen, some) - generator(*seen, none)).abs().mean() > 1
        assert (plain(*seen, some) - plain(*seen, none)).abs().max() > 0, "without tilt, the decoder is modulated"


@pytest.mark.parametrize("noise_channels", [1, 2, 3])
def test_a_tilt_may_have_little_noise(noise_channels):
    tilt = PaletteTilt(displayable_palette(), 16, noise_channels, strength=0.8)
    tilts = tilt(torch.rand(2, 16, 4, 4), torch.randn(2, noise_channels)).permute(0, 2, 3, 1) @ tilt.colors
    assert tilts.shape == (2, 16, 16, len(displayable_palette())) and tilts.isfinite().all()


def test_a_doubled_map_is_convolved_without_making_it():
    torch.manual_seed(0)
    x, skip, weight = torch.randn(2, 5, 4, 6), torch.randn(2, 3, 8, 12), torch.randn(7, 8, 3, 3)
    doubled = F.interpolate(x, scale_factor=2.0, mode="nearest")
    expected = F.conv2d(torch.cat([doubled, skip], dim=1), weight, padding=1)
    assert torch.allclose(convolve_doubled(x, skip, weight), expected, atol=1e-4)


@pytest.mark.parametrize("layers, field", [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_patchgan_receptive_field(layers, field):
    """Measured: how many input pixels one patch's logit depends on."""
    patchgan = PatchGAN(DiscriminatorConfig(layers=layers, channels=4, norm="spectral")).eval()
    chroma = torch.randn(1, 2, 256, 256, requires_grad=True)
    patches = patchgan(50 * torch.ones(1, 1, 256, 256), chroma)
    patches[0, 0, patches.shape[2] // 2, patches.shape[3] // 2].backward()
    touched = chroma.grad[0].abs().sum(dim=0) > 0
    assert touched.any(dim=0).sum() == field and touched.any(dim=1).sum() == field


def test_patchgan_scores_pictures_of_any_size_by_the_mean_of_its_patches():
    patchgan = PatchGAN(DiscriminatorConfig(channels=8)).eval()
    for height, width in ((70, 70), (129, 64), (40, 300)):
        luminance, chroma = 100 * torch.rand(3, 1, height, width), 50 * torch.randn(3, 2, height, width)
        patches = patchgan(luminance, chroma)
        assert patches.shape[:2] == (3, 1)
        assert torch.allclose(patchgan.score(luminance, chroma), patches.flatten(1).mean(dim=1))


def test_patchgan_takes_luminance_larger_than_chroma():
    assert PatchGAN(DiscriminatorConfig(channels=4))(torch.rand(1, 1, 256, 256), torch.rand(1, 2, 64, 64)).ndim == 4


def test_spectral_norm_keeps_the_discriminator_from_shouting():
    patchgan = PatchGAN(DiscriminatorConfig(channels=8)).train()
    for _ in range(20):  # each forward is one power iteration
        patchgan(torch.rand(1, 1, 64, 64), torch.rand(1, 2, 64, 64))
    for layer in patchgan.patches:
        if isinstance(layer, torch.nn.Conv2d):
            assert torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2) == pytest.approx(1, abs=0.1)


def test_hints_are_pooled_at_full_strength():
    hints = torch.zeros(1, 3, 32, 32)
    hints[0, :, 5, 9] = torch.tensor([55.0, -110.0, 1.0])
    for stride in (4, 8, 16):
        pooled = hints_at_stride(hint_shares(hints, (1.0, 1.0)), stride)
        assert torch.allclose(pooled[0, :, 5 // stride, 9 // stride], torch.tensor([0.5, -1.0, 1.0]))
        assert pooled.abs().sum() == pytest.approx(2.5)


def test_pooled_hints_come_out_of_the_calibration():
    hints = torch.zeros(1, 3, 32, 32)
    hints[0, :, 5, 9] = torch.tensor([30.0, -20, 1])
    hints[0, :, 20:32, 20:32] = torch.tensor([5.0, 8, 1])[:, None, None]
    shares = hint_shares(hints, (1.1, 2.0))
    for stride in (4, 8, 16):
        chroma = calibrate(110 * hints_at_stride(shares, stride)[:, :2], 1.1, 2.0)
        assert torch.allclose(chroma[0, :, 5 // stride, 9 // stride], torch.tensor([30.0, -20]), atol=0.05)
        assert torch.allclose(chroma[0, :, -1, -1], torch.tensor([5.0, 8]), atol=0.05)


def test_palette_corners_average_to_the_color():
    palette = displayable_palette()
    assert 200 < len(palette) < 320
    chroma = torch.stack([torch.linspace(-30, 40, 20), torch.linspace(50, -20, 20)])[None, :, None]
    corners, weights = palette_corners(chroma, palette)
    mean = (palette[corners] * weights[..., None]).sum(dim=-2)[0, 0]
    assert torch.allclose(mean, chroma[0, :, 0].t(), atol=1e-3)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(1, 1, 20))


def test_palette_holds_every_displayable_color():
    axis = torch.linspace(0, 1, 12)
    rgb = torch.cartesian_prod(axis, axis, axis).t()[None, :, :, None]
    chroma = rgb_to_lab(rgb)[:, 1:]
    palette = displayable_palette()
    corners, weights = palette_corners(chroma, palette)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(weights.shape[:-1]))
    mean = (palette[corners] * weights[..., None]).sum(dim=-2).permute(0, 3, 1, 2)
    assert (mean - chroma).norm(dim=1).max() < 10  # at worst one grid step off, at the gamut's edge


def test_an_encoder_that_does_not_learn_stays_as_it_is():
    generator = Generator(GeneratorConfig(encoder="lite0", decoder_channels=(24, 16, 16), drop_path=0.5)).train()
    assert generator.encoder.training
    generator.encoder.requires_grad_(False)
    generator.train()
    assert generator.training and not generator.encoder.training


def test_unknown_preset_lists_the_valid_ones():
    with pytest.raises(TrainingError, match="default, pix2pix"):
        preset_config("nope")


def test_hints_spread_only_from_hinted_cells():
    """Every cell gets a mixture of the hints and of nothing; without hints, nothing."""
    spread = HintSpread(8)
    torch.manual_seed(0)
    x, hints = torch.randn(2, 8, 5, 7), torch.zeros(2, 3, 5, 7)
    assert (spread(x, hints) == 0).all()
    hints[0, :, 1, 1] = torch.tensor([0.5, -0.2, 1.0])
    hints[0, :, 4, 6] = torch.tensor([-0.1, 0.4, 1.0])
    a, b, share = spread(x, hints)[0]
    assert (share > 0).all() and (share < 1).all()
    # Between the two hints' colors, in the proportion that one unknown share of the first hint explains.
    first = (a + 0.1 * share) / 0.6
    assert torch.allclose(b, -0.2 * first + 0.4 * (share - first), atol=1e-6)
    assert (first >= 0).all() and (first <= share).all()
    assert (spread(x, hints)[1] == 0).all()


@pytest.mark.parametrize("gains", [(1.0, 1.0), (0.6, 1.8), (1.3, 1.3), (0.7, 1.4)])
def test_hints_are_uncalibrated(gains):
    chroma = torch.randn(2, 2, 6, 6) * torch.linspace(1, 40, 6)
    assert torch.allclose(calibrate(uncalibrate(chroma, *gains), *gains), chroma, rtol=0.02, atol=0.05)


def test_tint_is_lowered_but_not_where_hints_are_heeded():
    source = torch.Generator().manual_seed(0)
    chroma, unhinted = torch.randn(2, 2, 4, 4, generator=source) + 10, torch.ones(2, 1, 4, 4)
    unhinted[1, :, :2] = 0
    lowered = lower_tint(chroma, unhinted, 0.7)
    assert torch.allclose(lowered[0], chroma[0] - 0.3 * chroma[0].mean(dim=(1, 2), keepdim=True), atol=0.01)
    assert torch.equal(lowered[1, :, :2], chroma[1, :, :2])
    assert torch.allclose(lowered[1, :, 2:].mean(dim=(1, 2)), 0.7 * chroma[1, :, 2:].mean(dim=(1, 2)), atol=0.01)
    assert torch.allclose(lower_tint(chroma, torch.zeros(2, 1, 4, 4), 0.7), chroma)
