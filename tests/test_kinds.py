"""The Python interface: every kind of photograph comes back as its kind, and wrong values are refused in a sentence."""

import io
import os
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from PIL import Image

import photochrom
from photochrom import Hint, PhotochromError
from photochrom.photo.color import luminance_of
from photochrom.photo.vips import pyvips

EXIF_ORIENTATION = 0x0112
OPAQUE = ("1", "L", "P", "RGB", "RGBX", "YCbCr", "HSV", "CMYK", "LAB")  # modes of Pillow's images
TRANSPARENT = ("LA", "RGBA", "PA", "La", "RGBa")


def test_the_public_names_are_what_people_look_for():
    import photochrom.album  # a module that is imported becomes an attribute, and is no public name

    shown = dir(photochrom)
    assert {"colorize", "Colorizer", "Hint", "PhotochromError", "InputError", "OutputError"} <= set(shown)
    assert shown == sorted(photochrom.__all__) and not [name for name in shown if name[0] == "_" and name[1] != "_"]
    errors = [getattr(photochrom, name) for name in shown if name.endswith("Error")]
    assert all(issubclass(error, PhotochromError) for error in errors)


def as_floats(array):
    return array / np.float64(255 if array.dtype == np.uint8 else 65535 if array.dtype == np.uint16 else 1)


@pytest.mark.parametrize(
    "kind, tolerance",
    [
        ("uint8", 1 / 255),
        ("uint16", 1 / 255),
        (">u2", 1 / 255),
        ("float32", 1 / 255),
        ("float64", 1 / 255),
        ("float16", 2e-3),
    ],
)
def test_arrays_of_every_type_are_the_same_photograph(gray, kind, tolerance):
    expected = as_floats(photochrom.colorize(gray))
    given = gray * np.uint16(257) if kind.endswith("2") or kind == "uint16" else gray
    given = (gray / 255).astype(kind) if kind.startswith("float") else given.astype(kind)
    colored = photochrom.colorize(given)
    assert colored.shape == (*gray.shape, 3) and colored.dtype == np.dtype(kind).newbyteorder("=")
    assert np.abs(as_floats(colored) - expected).max() <= 1.5 / 255


def test_gray_and_transparency_may_have_channels_of_their_own(gray, rgb):
    plain, alpha = photochrom.colorize(gray), np.arange(gray.size, dtype=np.uint8).reshape(gray.shape)
    assert np.array_equal(photochrom.colorize(gray[..., None]), plain)
    both = photochrom.colorize(np.dstack([gray, alpha]))
    assert np.array_equal(both[..., :3], plain) and np.array_equal(both[..., 3], alpha)
    rgba = photochrom.colorize(np.dstack([rgb, alpha]))
    assert np.array_equal(rgba[..., :3], photochrom.colorize(rgb)) and np.array_equal(rgba[..., 3], alpha)
    sketch = photochrom.colorize(gray > 100)
    assert np.array_equal(sketch, photochrom.colorize(np.where(gray > 100, 255, 0).astype(np.uint8)))


def test_the_colorizer_takes_the_same_arrays(colorizer, gray):
    alpha = np.full_like(gray, 7)
    one = colorizer.colorize(np.dstack([gray, alpha]))
    assert np.array_equal(one[..., :3], colorizer.colorize(gray)) and (one[..., 3] == 7).all()
    first, second = colorizer.colorize_batch([gray / 255, gray])
    assert first.dtype == np.float64 and second.dtype == np.uint8


def encoded(pixels, format, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_give_bytes_of_the_same_format_with_its_metadata(gray, format, kind):
    content = encoded(gray, format, dpi=(300, 300))
    colored = photochrom.colorize(kind(content))
    picture = Image.open(io.BytesIO(colored))
    assert type(colored) is bytes and picture.format == format and picture.mode == "RGB"
    assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_path_gives_a_photograph(gray, tmp_path):
    (tmp_path / "old.png").write_bytes(encoded(gray, "PNG"))
    expected = photochrom.colorize(gray)
    for path in (tmp_path / "old.png", str(tmp_path / "old.png")):
        colored = photochrom.colorize(path)
        assert isinstance(colored, photochrom.Photograph) and np.array_equal(colored.pixels, expected)


@pytest.mark.parametrize("mode", [*OPAQUE, *TRANSPARENT])
def test_pillows_images_give_images_whatever_their_mode(rgb, mode):
    given = Image.fromarray(rgb)
    if mode in ("La", "RGBa", "PA"):
        given = given.convert("LA" if mode == "La" else "RGBA")
    given = given.convert(mode)
    colored = photochrom.colorize(given)
    assert colored.mode == ("RGBA" if mode in TRANSPARENT else "RGB") and colored.size == given.size
    if mode != "1":
        off = np.abs(luminance_of(np.asarray(colored)[..., :3]) - luminance_of(rgb))
        assert off.mean() < (6 if mode == "P" else 2.5 if mode in ("CMYK", "LAB") else 1.5)


def test_deep_images_of_pillow(gray):
    expected = np.asarray(photochrom.colorize(Image.fromarray(gray)))
    for deep in (gray * np.uint16(257), gray.astype(np.float32) / 255):
        assert np.abs(np.asarray(photochrom.colorize(Image.fromarray(deep))).astype(int) - expected).max() <= 1


def test_an_image_of_pillow_comes_upright_and_in_srgb(rgb):
    """As from the file that it was read from."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    profile = bytes(pyvips.Image.profile_load("p3"))
    content = encoded(rgb, "PNG", exif=exif, icc_profile=profile)
    colored = photochrom.colorize(Image.open(io.BytesIO(content)))
    assert colored.size == rgb.shape[:2] and EXIF_ORIENTATION not in colored.getexif()
    from_bytes = Image.open(io.BytesIO(photochrom.colorize(content)))
    assert np.abs(np.asarray(colored).astype(int) - np.asarray(from_bytes)).max() <= 1
    ignored = photochrom.colorize(Image.fromarray(np.rot90(rgb, -1)))
    assert np.abs(np.asarray(colored).astype(int) - np.asarray(ignored)).mean() > 0.3


@pytest.mark.parametrize(
    "wrong, words",
    [
        (None, "not None"),
        ([[1, 2], [3, 4]], "of type list"),
        (io.BytesIO(b"x"), "of type BytesIO"),
        (b"", "empty"),
        (b"hello", "unknown format"),
        (np.zeros((0, 3)), "not (0, 3)"),
        (np.zeros((9, 9, 5), np.uint8), "1 to 4 channels"),
        (np.zeros(9, np.uint8), "not (9,)"),
        (np.full((9, 9), np.nan), "without NaN"),
        (np.full((9, 9), np.inf), "in [0, 1]"),
        (np.full((9, 9), 2.0), "divide it by its white"),
        (np.zeros((9, 9), np.int64), "not int64"),
        (np.zeros((9, 9), complex), "not complex128"),
        (np.zeros((9, 9), object), "not object"),
        (np.zeros((9, 9), "U3"), "not <U3"),
        (Image.new("I", (9, 9)), "mode I"),
        (Image.new("F", (9, 9), 3.0), "in [0, 1]"),
        (Image.new("L", (0, 0)), "image"),
    ],
)
def test_what_is_no_photograph_is_said_in_a_sentence(wrong, words):
    with pytest.raises(PhotochromError) as refused:
        photochrom.colorize(wrong)
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("alpha", [np.zeros((5, 9), "u1"), np.zeros((9, 9, 1), "u1"), np.zeros((9, 9)), [[0] * 9] * 9])
def test_transparency_has_the_size_and_type_of_the_pixels(alpha):
    with pytest.raises(PhotochromError, match="of the same size and type as its pixels"):
        photochrom.Photograph(np.zeros((9, 9), np.uint8), alpha)


def test_an_image_whose_file_is_damaged(gray):
    lazy = Image.open(io.BytesIO(encoded(gray, "JPEG")[:1500]))
    with pytest.raises(PhotochromError, match="Pillow can't give the pixels"):
        photochrom.colorize(lazy)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"strength": 10**400}, "the strength is a number from 0 to 10, not 1000"),
        ({"strength": 10**5000}, "the strength is a number from 0 to 10, not a number of type int with thousands of"),
        ({"warmth": -(10**400)}, "the warmth is a number from -1 to 1, not -1000"),
        ({"strength": np.zeros((2, 2))}, "the strength is a number from 0 to 10, not array"),
        ({"device": ["cpu"] * 1000}, "no device"),
        ({"working_size": 10**400}, "a whole number from 32 to 1024"),
        ({"working_size": Fraction(64)}, "a whole number from 32 to 1024"),
        ({"strength": "a"}, "the strength is a number from 0 to 10, not 'a'"),
        ({"strength": None}, "the strength is a number"),
        ({"strength": True}, "the strength is a number"),
        ({"strength": float("nan")}, "the strength is 0 to 10, not nan"),
        ({"seed": 1.5}, "a seed is a whole number"),
        ({"seed": "3"}, "a seed is a whole number"),
        ({"hints": 5}, "hints are a list of hints"),
        ({"hints": [(1, 2, "#ffffff")]}, "hints are a list of hints"),
        ({"model": None}, "a model is a name or a path"),
        ({"model": []}, "a model is a name or a path"),
        ({"model": "nonesuch"}, "no model 'nonesuch'"),
        ({"working_size": 64.5}, "a whole number from 32 to 1024"),
        ({"working_size": []}, "a whole number from 32 to 1024"),
    ],
)
def test_wrong_options_are_said_in_a_sentence(gray, options, words):
    with pytest.raises(PhotochromError, match=words) as refused:
        photochrom.colorize(gray, **options)
    assert len(str(refused.value)) < 250 and "\n" not in str(refused.value)


def test_numbers_of_numpy_are_numbers(gray):
    options: dict[str, Any] = {"strength": np.float32(1.5), "seed": np.int64(3), "working_size": np.int32(64)}
    x: Any = np.int64(30)
    y: Any = np.float32(20)
    hints = [Hint(x, y, "#2040c0")]
    content = encoded(gray, "PNG")
    one, two = photochrom.colorize(gray, **options), photochrom.colorize(content, **options, hints=hints)
    expected = photochrom.colorize(content, strength=1.5, seed=3, working_size=64, hints=[Hint(30, 20, "#2040c0")])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(two))), np.asarray(Image.open(io.BytesIO(expected))))
    assert np.array_equal(one, photochrom.colorize(gray, strength=1.5, seed=3, working_size=64))


def test_fractions_are_numbers(gray):
    options: dict[str, Any] = {"strength": Fraction(3, 2), "warmth": Fraction(1, 2)}
    third: Any = Fraction(1, 3)
    content, hint = encoded(gray, "PNG"), Hint(30 + third, 20, "#2040c0", 1 + third)
    assert (type(hint.x), type(hint.radius)) == (float, float)
    same = photochrom.colorize(content, strength=1.5, warmth=0.5, hints=[Hint(30 + 1 / 3, 20, "#2040c0", 4 / 3)])
    assert photochrom.colorize(content, **options, hints=[hint]) == same
    assert np.array_equal(photochrom.Colorizer().colorize(gray, **options), photochrom.colorize(gray, **options))


@pytest.mark.parametrize(
    "values",
    [
        (None, 1, "#ffffff"),
        (1, "2", "#ffffff"),
        (1, 2, None),
        (1, 2, "#ffffff", "3"),
        (1, 2, "#" + "f" * 100_000),
        (10**400, 2, "#ffffff"),
        (1, 2, "#ffffff", 10**400),
        *((1, 2, "#ffffff", None, path) for path in ([(1, 10**400)], ((3, 4, 5),), ((3,),), (3, 4), None, 5, "abc")),
        *((1, 2, "#ffffff", None, path) for path in ((("3", "4"),), ("ab",), np.array(5), np.zeros((2, 3)), {1: 2})),
    ],
    ids=lambda values: repr(values)[:40],
)
def test_wrong_hints_are_said_in_a_sentence(values):
    with pytest.raises(PhotochromError, match="a hint's") as refused:
        Hint(*values)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("make", [list, np.array, lambda points: [np.array(p, np.float32) for p in points]])
def test_a_path_may_be_a_list_or_an_array(make, gray):
    path = [(30.0, 20.0), (50.5, 40.0)]
    hint, same = Hint(10, 10, "#ff0000", path=make(path)), Hint(10, 10, "#ff0000", path=tuple(path))
    assert hint == same and hash(hint) == hash(same)
    content = encoded(gray, "PNG")
    assert photochrom.colorize(content, hints=[hint]) == photochrom.colorize(content, hints=[same])


def test_a_path_has_no_more_points_than_a_mark_can_have():
    with pytest.raises(PhotochromError, match="a hint has 10001 points, more than the limit of 10000"):
        Hint(1, 1, "#ff0000", path=((2, 2),) * 10_000)


@pytest.mark.parametrize("path, words", [(3, "of type int"), (None, "of type NoneType"), ("a\0.jpg", "cannot write")])
def test_places_where_nothing_can_be_saved(gray, path, words):
    with pytest.raises(PhotochromError, match=words):
        photochrom.Photograph(gray).save(path)


def python(code: str, home) -> str:
    environment = {**os.environ, "HOME": str(home)}
    for name in ("ORT_DISABLE_TELEMETRY", "VIPS_WARNING", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


COLOR = "import numpy, photochrom; photochrom.colorize(numpy.zeros((64, 64), 'uint8'), working_size=64);"


def test_importing_changes_nothing_and_coloring_two_variables(tmp_path):
    """As docs/reference.md says; and nothing is left in the user's home."""
    code = "import os; before = dict(os.environ); import photochrom; assert before == dict(os.environ);"
    code += COLOR + "print(sorted(set(os.environ.items()) - set(before.items())))"
    assert python(code, tmp_path) == "[('ORT_DISABLE_TELEMETRY', '1'), ('VIPS_WARNING', '0')]\n"
    assert not list(tmp_path.rglob("*"))


def test_onnx_runtime_reports_nothing_even_if_it_was_imported_first(tmp_path):
    code = "import onnxruntime; calls = [];"
    code += "onnxruntime.disable_telemetry_events = lambda: calls.append(1);" + COLOR + "print(calls)"
    assert python(code, tmp_path) == "[1]\n"
