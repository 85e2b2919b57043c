"""Large photographs lie in temporary files while they are colored, and come out as small ones do."""

import hashlib
import os
import tempfile

import numpy as np
import pytest
import pyvips
from desks import lay
from skimage import data

from photochrom.coloring import Request, color
from photochrom.photo import spool
from photochrom.photo.arranging import crop_to_print, side_by_side
from photochrom.photo.decoding import decode_photograph, read_bytes, read_photograph
from photochrom.photo.encoding import to_8_bits
from photochrom.photo.photograph import Photograph


@pytest.fixture
def everything_is_large(monkeypatch):
    """Files and arrays of more than 1,000 bytes count as large."""
    for limit in ("SPOOLED", "LARGE_FILE"):
        monkeypatch.setattr(spool, limit, 1000)
    monkeypatch.setattr(spool, "PIECE", 4096)
    monkeypatch.setattr(spool, "BAND", 5000)


def content(suffix: str, *, deep=False, alpha=False, turned=False, **options) -> bytes:
    """A file of a small gray or, for JPEG, color picture."""
    pixels = data.astronaut()[:90, :120] if suffix == ".jpg" else data.camera()[:90, :120, None]
    if alpha:
        pixels = np.dstack([pixels, np.tile(np.arange(120, dtype=np.uint8) * 2, (90, 1))])
    if deep:
        pixels = pixels.astype(np.uint16) * 257 + np.uint16(3)
    shades = {(False, False): "b-w", (True, False): "grey16", (False, True): "srgb", (True, True): "rgb16"}
    image = pyvips.Image.new_from_array(pixels, interpretation=shades[deep, suffix == ".jpg"])
    if turned:
        image = image.copy()
        image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    return image.write_to_buffer(suffix, **options)


FILES = {
    "jpeg": content(".jpg"),
    "turned": content(".jpg", turned=True),
    "progressive": content(".jpg", interlace=True),
    "png": content(".png"),
    "16 bits": content(".png", deep=True),
    "interlaced": content(".png", interlace=True),
    "transparent": content(".png", alpha=True),
    "tiff": content(".tif", deep=True, compression="lzw"),
    "tiles": content(".tif", tile=True, tile_width=32, tile_height=32, bigtiff=True),
}


@pytest.mark.parametrize("kind", FILES)
def test_large_photographs_come_out_as_small_ones(kind, loud, tmp_path, request):
    path = tmp_path / "old"
    path.write_bytes(FILES[kind])
    (expected,) = color(FILES[kind], "old", Request(), loud)
    request.getfixturevalue("everything_is_large")
    large = read_bytes(path)
    assert isinstance(large, spool.Mapped)
    (colored,) = color(large, "old", Request(), loud)
    assert isinstance(colored.content, spool.Mapped) and bytes(colored.content) == expected.content


def test_pixels_of_large_photographs_are_in_files(everything_is_large, tmp_path):
    path = tmp_path / "old.tif"
    path.write_bytes(FILES["tiff"])
    photograph = read_photograph(path)
    assert spool.is_spooled(photograph.pixels)
    assert np.array_equal(photograph.pixels, data.camera()[:90, :120].astype(np.uint16) * 257 + 3)


def test_damaged_large_files_are_refused_as_small_ones(everything_is_large, tmp_path):
    path = tmp_path / "old.png"
    path.write_bytes(FILES["png"][:-3000])
    with pytest.raises(Exception, match="ends before its picture does"):
        read_photograph(path)


def test_what_is_let_go_is_still_there(everything_is_large):
    array = spool.new_array((300, 100), np.dtype(np.uint16))
    array[:] = np.arange(100)
    spool.let_go(array[10:20], b"bytes", np.zeros(3))
    assert (array == np.arange(100)).all()


def test_memory_is_used_where_no_file_can_be_made(everything_is_large, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    array = spool.new_array((300, 100), np.dtype(np.uint8))
    assert not spool.is_spooled(array) and array.shape == (300, 100)
    assert not spool.is_spooled(spool.to_array(pyvips.Image.black(300, 100)))


def test_parts_are_joined_and_hashed(everything_is_large):
    parts: list[spool.Buffer] = [b"ab" * 3000, memoryview(b"cd" * 3000)[2:], bytearray(b"e")]
    whole = b"".join(parts)
    assert isinstance(spool.joined(parts), spool.Mapped) and bytes(spool.joined(parts)) == whole
    assert spool.sha256_of(*parts) == hashlib.sha256(whole).hexdigest()
    assert b"".join(spool.pieces(whole)) == whole


def test_a_large_content_is_used_like_bytes(everything_is_large, tmp_path):
    path = tmp_path / "content"
    path.write_bytes(b"II*\0" + bytes(2000) + b"end")
    with path.open("rb") as file:
        mapped = spool.content_of(file)
    assert mapped.startswith(b"II*\0") and not mapped.startswith(b"MM")
    assert b"end" in mapped and b"And" not in mapped and mapped[-3:] == b"end"


def test_what_is_no_file_is_read_whole(everything_is_large):
    read, write = os.pipe()
    os.write(write, b"x" * 3000)
    os.close(write)
    with open(read, "rb") as pipe:
        assert spool.content_of(pipe) == b"x" * 3000


def test_deep_pixels_are_rounded_band_by_band(everything_is_large):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(to_8_bits(values), np.round(values / 257).astype(np.uint8))


def spooled(pixels: np.ndarray) -> np.ndarray:
    array = spool.new_array(pixels.shape, pixels.dtype)
    array[:] = pixels
    return array


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_prints_of_large_photographs_are_cut_into_files(everything_is_large, dtype):
    picture, _, _ = lay(data.chelsea(), "white lid", 2)
    pixels = spooled(picture.astype(dtype) * dtype(np.iinfo(dtype).max // 255))
    cropped, box = crop_to_print(Photograph(pixels, spooled(pixels[..., 0])))
    assert box is not None and cropped.alpha is not None
    assert spool.is_spooled(cropped.pixels) and spool.is_spooled(cropped.alpha)
    expected = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
    assert cropped.pixels.flags.c_contiguous and cropped.pixels.dtype == dtype
    assert np.array_equal(cropped.pixels, expected) and np.array_equal(cropped.alpha, expected[..., 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_large_photographs_side_by_side_are_in_files(everything_is_large, channels):
    after = spooled(data.astronaut()[:90, :120])
    before = spooled(after[..., 1] if channels == 1 else after[:, ::-1])
    both = side_by_side(before, Photograph(after, spooled(after[..., 0])))
    assert both.alpha is not None and spool.is_spooled(both.pixels) and spool.is_spooled(both.alpha)
    left = np.dstack([before] * 3) if channels == 1 else before
    assert np.array_equal(both.pixels, np.hstack([left, after]))
    assert np.array_equal(both.alpha, np.hstack([after[..., 0]] * 2))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="Linux alone says this")
def test_many_pixels_take_little_memory(loud, tmp_path):
    """A photograph of 59 megapixels and its result are 177 MB each, and neither is in memory as a whole."""
    path = tmp_path / "old.jpg"
    pyvips.Image.new_from_array(data.astronaut()).resize(15, kernel="linear").write_to_file(str(path))
    before = resident()
    (colored,) = color(read_bytes(path), "old", Request(), loud)
    assert most_resident() - before < 150
    assert decode_photograph(colored.content).pixels.shape == (7680, 7680, 3)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="Linux alone says this")
def test_many_pixels_are_cropped_and_put_side_by_side_in_little_memory():
    """Of a print on 61 megapixels, 182 MB, and itself twice; none of it is in memory as a whole."""
    picture = pyvips.Image.new_from_array(lay(data.chelsea(), "white lid", 2)[0])
    scan = Photograph(spool.to_array(picture.resize(15, kernel="nearest")))
    assert spool.is_spooled(scan.pixels)
    before = resident()
    cropped, box = crop_to_print(scan)
    assert box is not None
    assert side_by_side(cropped.pixels, cropped).pixels.nbytes > 100e6
    assert most_resident() - before < 100


def resident() -> int:
    """Memory in MB now; `most_resident` counts from here."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return most_resident()


def most_resident() -> int:
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1]) // 1024
