"""The Colorizer: the input's luminance and size, whatever they are; noise, strength, batches."""

import numpy as np
import pytest

from photochrom.errors import InputError, WeightsError
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Colorizer, noise_vector, working_shape
from photochrom.inference.onnx_backend import OnnxBackend
from photochrom.inference.views import VIEWS
from photochrom.inference.weights import load_model, read_bundled
from photochrom.photo.color import luminance_of, rgb_to_lab
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.hints import Hint, rasterize
from photochrom.photo.photograph import Photograph
from photochrom.settings import FORMATS, MAX_SEED


def as_kind(pixels: np.ndarray, kind) -> np.ndarray:
    values = pixels.astype(np.float32) / 255
    return values if kind == np.float32 else np.rint(values * np.iinfo(kind).max).astype(kind)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("backend", ["bundled", "loud"])
def test_output_luminance_is_input_luminance(colorizer, loud, photographs, name, kind, backend):
    pixels = as_kind(photographs[name], kind)
    used = colorizer if backend == "bundled" else loud
    result = used.colorize(pixels)
    assert result.shape == pixels.shape and result.dtype == pixels.dtype
    error = np.abs(luminance_of(result) - luminance_of(pixels))
    assert error.mean() <= 0.3 and np.percentile(error, 99.9) <= 1.0


@pytest.fixture(scope="module")
def color_once(colorizer):
    """Colors each picture once: what lossless formats give is the same picture every time."""
    colored: dict[tuple[object, ...], np.ndarray] = {}

    def color(pixels: np.ndarray) -> np.ndarray:
        key = (pixels.shape, pixels.dtype, pixels.tobytes())
        if key not in colored:
            colored[key] = colorizer.colorize(pixels)
        return colored[key]

    return color


WRITTEN = [(name, False) for name in FORMATS] + [(name, True) for name in FORMATS if FORMATS[name].deep]


@pytest.mark.parametrize(
    "name", ["chelsea", *(pytest.param(name, marks=pytest.mark.slow) for name in ("astronaut", "coffee"))]
)
@pytest.mark.parametrize("format_name, deep", WRITTEN)
def test_luminance_stays_from_file_to_file(color_once, photographs, name, format_name, deep):
    gray = as_kind(photographs[name][..., 1], np.uint16 if deep else np.uint8)
    source = decode_photograph(Photograph(gray).encode(format_name)).pixels
    written = Photograph(color_once(source)).encode(format_name)
    error = np.abs(luminance_of(decode_photograph(written).pixels) - luminance_of(source))
    # WebP (half the chroma resolution) and AVIF lose more of their own: measured at up to 1.59 and 1.15.
    largest = 1.7 if format_name in ("webp", "avif") else 1.0
    assert error.mean() <= 0.3
    assert np.percentile(error, 99.9) <= largest


def test_gray_and_color_of_the_same_luminance_come_out_alike(colorizer, photographs):
    gray = luminance_of(photographs["chelsea"])
    lab = np.zeros((*gray.shape, 3), np.float32)
    lab[..., 0] = gray
    from photochrom.photo.color import lab_to_rgb

    as_gray = np.rint(np.clip(lab_to_rgb(lab)[..., 0], 0, 1) * 65535).astype(np.uint16)
    from_gray = colorizer.colorize(as_gray)
    from_color = colorizer.colorize(as_kind(photographs["chelsea"], np.uint16))
    assert from_gray.shape == from_color.shape
    assert np.abs(from_gray / 65535 - from_color / 65535).mean() < 2e-3


def test_black_stays_black(loud):
    black = np.zeros((64, 64), np.uint8)
    assert loud.colorize(black).max() == 0


@pytest.mark.parametrize("shape", [(8, 8), (33, 57), (100, 31), (64, 800), (1500, 40), (300, 300)])
def test_any_size(loud, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert loud.colorize(pixels).shape == (*shape, 3)
    largest = max(view.scale for view in VIEWS) * DEFAULT_WORKING_SIZE
    assert max(loud.backend.seen[-1][2:]) <= 4 * largest + 32  # the network's cost is bounded


def test_bundled_model_on_extreme_strips(colorizer):
    for shape in ((16, 640), (640, 16)):
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        assert colorizer.colorize(pixels).shape == (*shape, 3)


@pytest.mark.parametrize(
    "size, expected", [((480, 640), (256, 341)), ((640, 480), (341, 256)), ((100, 4000), (26, 1024))]
)
def test_working_shape(size, expected):
    height, width = size
    assert working_shape(height, width, 256) == expected


@pytest.mark.slow
def test_seeds_differ_and_repeat(colorizer, photographs):
    pixels = photographs["coffee"]
    plain, first, again, other = (colorizer.colorize(pixels, seed=s).astype(int) for s in (None, 1, 1, 2))
    assert np.array_equal(first, again)
    for one, two in ((plain, first), (plain, other), (first, other)):
        assert np.abs(one - two).mean() > 0.5
    assert np.array_equal(plain, colorizer.colorize(pixels))


def test_noise_vector():
    assert not noise_vector(None, 8).any()
    assert noise_vector(3, 8).dtype == np.float32
    assert noise_vector(MAX_SEED, 8).any()
    for seed in (-1, MAX_SEED + 1, 10**400, 10**5000):
        with pytest.raises(InputError, match="a seed is a whole number from 0 to 9007199254740991, not") as refused:
            noise_vector(seed, 8)
        assert len(str(refused.value)) < 200


def test_strength(colorizer, photographs):
    pixels = photographs["chelsea"]
    chroma = [
        np.abs(rgb_to_lab(colorizer.colorize(pixels, strength=s) / np.float32(255))[..., 1:]).mean()
        for s in (0, 0.5, 1)
    ]
    assert chroma[0] < 0.3 and chroma[1] == pytest.approx(chroma[2] / 2, rel=0.1)


@pytest.mark.slow
def test_batch_is_the_same_as_one_by_one(colorizer, photographs):
    pictures = [photographs["chelsea"], photographs["coffee"], photographs["chelsea"][:, ::-1].copy()]
    for one, of_batch in zip(map(colorizer.colorize, pictures), colorizer.colorize_batch(pictures), strict=True):
        assert np.abs(one.astype(int) - of_batch).max() <= 1


def test_batch_runs_equal_shapes_together(loud, photographs):
    loud.colorize_batch([photographs["chelsea"]] * 3 + [photographs["coffee"]])
    assert sorted(shape[0] for shape in loud.backend.seen) == [1, 1, 3, 3]  # each in both views


def test_input_is_left_alone(colorizer, photographs):
    pixels = photographs["chelsea"].copy()
    colorizer.colorize(pixels)
    assert np.array_equal(pixels, photographs["chelsea"])


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((8, 8, 5), np.uint8),
        np.zeros(8, np.uint8),
        np.zeros((8, 8), np.int32),
        np.full((8, 8), np.nan, np.float32),
        np.full((8, 8), 1.5, np.float32),
        np.zeros((0, 8), np.uint8),
    ],
)
def test_bad_arrays_are_named(loud, pixels):
    with pytest.raises(InputError):
        loud.colorize(pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((64, 64)),
        np.zeros((64, 64), bool),
        np.full((64, 64), 1.5, np.float32),
        np.r_[np.zeros((63, 64), np.float32), np.full((1, 64), np.nan, np.float32)],
        np.zeros((64, 64, 4), np.uint8),
        [[0] * 64] * 64,
        None,
    ],
    ids=["float64", "bool", "above 1", "NaN", "four channels", "list", "None"],
)
def test_apply_refuses_what_predict_refuses(loud, pixels):
    coloring = loud.predict_one(np.zeros((64, 64), np.uint8))
    messages = []
    for use in (loud.predict_one, lambda pixels: loud.apply(pixels, coloring)):
        with pytest.raises(InputError) as refused:
            use(pixels)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("coloring", [None, np.zeros((2, 64, 64), np.float32)], ids=["None", "array"])
def test_apply_needs_a_coloring(loud, coloring):
    with pytest.raises(InputError, match="a coloring is what predict returns"):
        loud.apply(np.zeros((64, 64), np.uint8), coloring)


HINT = Hint(5, 5, "#2060c0")


@pytest.mark.parametrize(
    "count, hints", [(2, [[HINT]]), (1, [[], []]), (1, HINT), (2, []), (1, 5)], ids=["few", "many", "one", "none", "5"]
)
def test_predict_takes_a_list_of_hints_for_each_photograph(loud, gray, count, hints):
    with pytest.raises(InputError, match=f"one for each photograph, and so {count} in all"):
        loud.predict([gray] * count, hints=hints)


def test_photographs_may_come_one_by_one(loud, gray):
    (expected,) = loud.predict([gray], hints=[[HINT]])
    (found,) = loud.predict((gray for _ in range(1)), hints=([HINT] for _ in range(1)))
    assert np.array_equal(found.chroma, expected.chroma)
    one, other = loud.colorize_batch(iter([gray, gray]))
    assert np.array_equal(one, other) and np.array_equal(one, loud.colorize(gray))
    for use in (loud.predict, loud.colorize_batch):
        with pytest.raises(InputError, match="photographs are a list of arrays"):
            use(None)


@pytest.mark.parametrize("options", [{"strength": -1}, {"strength": 11}])
def test_bad_options(loud, options):
    with pytest.raises(InputError):
        loud.colorize(np.zeros((64, 64), np.uint8), **options)


def test_bad_working_size():
    with pytest.raises(InputError, match="working size"):
        Colorizer(working_size=5)


def test_unknown_model():
    with pytest.raises(WeightsError, match="default"):
        load_model("nonesuch")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"\x08\x07garbage", "not a readable"),
        (read_bundled("default")[:100_000], "not a readable"),
    ],
)
def test_foreign_weights_are_named_for_what_they_are(content, message):
    with pytest.raises(WeightsError, match=message):
        OnnxBackend(content, "model.onnx")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_altered_weights_are_named(place):
    content = bytearray(read_bundled("default"))
    content[int(place * len(content))] ^= 1
    with pytest.raises(WeightsError, match="altered"):
        OnnxBackend(bytes(content), "model.onnx")


def test_another_programs_onnx():
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "other",
        [onnx.helper.make_tensor_value_info("x", 1, [1])],
        [onnx.helper.make_tensor_value_info("y", 1, [1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    with pytest.raises(WeightsError, match="not one that"):
        OnnxBackend(model.SerializeToString(), "other.onnx")


def test_altered_bundled_weights(monkeypatch):
    import hashlib

    class Wrong:
        def hexdigest(self):
            return "0" * 64

    monkeypatch.setattr(hashlib, "sha256", lambda content: Wrong())
    with pytest.raises(WeightsError, match="altered"):
        read_bundled("default")


def test_bundled_weights_name_no_machine():
    assert b'File "' not in read_bundled("default")


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_the_network_itself_heeds_hints(colorizer, photographs, name):
    """Without the correction afterwards: even this unlikely color draws the prediction a tenth of the way at least."""
    small = colorizer.small_luminance(photographs[name])[:256, :256]
    height, width = (n // 32 * 32 for n in small.shape)
    luminance = small[None, None, :height, :width]
    noise = np.zeros((1, colorizer.backend.info.noise_channels), np.float32)
    hint = Hint(width // 2, height // 2, "#2060c0")
    raster = rasterize((hint,), (height, width), (height, width))[None]
    place = np.s_[0, :, height // 8, width // 8]  # chroma is a quarter of the size
    plain = colorizer.backend.predict(luminance, np.zeros_like(raster), noise)[place]
    hinted = colorizer.backend.predict(luminance, raster, noise)[place]
    assert np.linalg.norm(hinted - hint.chroma) < 0.9 * np.linalg.norm(plain - hint.chroma)


def test_a_faded_photograph_gets_the_colors_of_a_fresh_one(colorizer, photographs):
    gray = photographs["chelsea"][..., 1]
    faded = np.rint(100 + (gray.astype(float) - 100) * 0.35).astype(np.uint8)
    fresh, old = (colorizer.predict([pixels])[0].chroma for pixels in (gray, faded))
    assert np.hypot(*old).mean() > 0.85 * np.hypot(*fresh).mean()
    assert np.abs(luminance_of(colorizer.colorize(faded)) - luminance_of(faded)).mean() < 0.2


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_no_stripes_along_the_edges(colorizer, photographs, name):
    """Weights once painted sky along the upper edge of whatever they saw: their colorfulness was excellent."""
    chroma = colorizer.predict([photographs[name]])[0].chroma
    on_its_side = chroma.swapaxes(1, 2)
    for turned in (chroma, chroma[:, ::-1], on_its_side, on_its_side[:, ::-1]):
        assert np.hypot(*(turned[:, 0] - turned[:, 4])).mean() < 3
