"""Training photographs: decoded at their own size, kept in a mapped file, drawn in a balanced order."""

import io
import os
import shutil
import threading
import time
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageCms

torch = pytest.importorskip("torch")

from photochrom.errors import InputError, TrainingError
from photochrom.photo.collections import Member
from photochrom.training import photographs as module
from photochrom.training.decoding import decode, decode_all
from photochrom.training.photographs import load_photographs, read_some, set_of
from photochrom.training.schedule import SampleOrder


def picture(width, height, photographs):
    """A colorful picture of this size."""
    return Image.fromarray(photographs["astronaut"]).resize((width, height))


def encoded(image, suffix, **options):
    buffer = io.BytesIO()
    image.save(buffer, suffix, **options)
    return buffer.getvalue()


@pytest.fixture
def sources(tmp_path, photographs):
    """A folder with a set in a folder below it, and an archive with two more sets, in four formats."""
    folder, archive = tmp_path / "album", tmp_path / "mixed.zip"
    (folder / "beach").mkdir(parents=True)
    picture(300, 100, photographs).save(folder / "wide.jpg")
    picture(50, 60, photographs).save(folder / "beach" / "small.png")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("food10-w0001.avif", encoded(picture(120, 90, photographs), "avif"))
        file.writestr("food10-w0002.webp", encoded(picture(90, 120, photographs), "webp"))
        file.writestr("cars-00001.webp", encoded(picture(80, 80, photographs), "webp", lossless=True))
    return [folder, archive]


def test_photographs_keep_their_size_and_shape(sources, tmp_path, photographs):
    """The short side is made smaller if it must be, never larger; what is longer than 3 : 2 is cut."""
    found, left_out = load_photographs(sources, 80, 3.0, tmp_path / "cache")
    shapes = [tuple(found[number].shape) for number in range(len(found))]
    assert shapes == [(60, 50, 3), (80, 120, 3), (80, 80, 3), (80, 107, 3), (107, 80, 3)] and left_out == 0
    assert [found.sets[number] for number in found.index[:, 3]] == ["beach", "album", "cars", "food10", "food10"]
    assert np.array_equal(found[2].numpy(), np.asarray(picture(80, 80, photographs)))
    assert (tmp_path / "cache" / "photographs.u8").stat().st_size == 3 * sum(h * w for h, w, _ in shapes)


@pytest.mark.parametrize(
    "source, name, expected",
    [
        ("album", "beach/deep/1.jpg", "beach"),
        ("album", "1-2.jpg", "album"),
        ("photos.zip", "food10-w0001.avif", "food10"),
        ("photos.zip", "in/a/folder/cars-orig-00001.webp", "cars-orig"),
        ("photos.zip", "food10w-0001.avif", "food10"),
        ("photos.zip", "w-1.avif", "w"),
        ("photos.zip", "beach/1.jpg", "beach"),
        ("photos.zip", "1.jpg", "photos"),
    ],
)
def test_sets_are_folders_or_prefixes(tmp_path, source, name, expected):
    path = tmp_path / source
    path.mkdir() if source == "album" else path.touch()
    assert set_of(Member(path, name)) == expected


@pytest.mark.parametrize("suffix", ["avif", "webp", "jpeg", "png"])
def test_every_format_is_decoded_alike(suffix, photographs):
    """At its own size; from the middle of a panorama; made smaller, close to what libvips makes of it."""
    import pyvips

    image = Image.fromarray(photographs["coffee"])  # 600 x 400
    data = encoded(image, suffix)
    assert np.abs(decode(data, 400).astype(int) - photographs["coffee"]).mean() < 6
    assert decode(data, 1000).shape == (400, 600, 3)
    small = pyvips.Image.thumbnail_buffer(data, 150, height=100).numpy()[..., :3]
    assert np.abs(decode(data, 100).astype(int) - small).mean() < 4
    strip = np.concatenate([np.zeros((100, 200, 3)), np.full((100, 100, 3), 200)], axis=1).astype(np.uint8)
    middle = decode(encoded(Image.fromarray(strip), suffix), 100)  # columns 75 to 225 of 300
    assert middle.shape == (100, 150, 3) and middle[:, :115].mean() < 8 and middle[:, 135:].mean() > 190


def test_photographs_on_their_side_are_turned(photographs):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image = Image.fromarray(photographs["coffee"])
    plain, turned = decode(encoded(image, "jpeg"), 100), decode(encoded(image, "jpeg", exif=exif), 100)
    assert plain.shape == (100, 150, 3) and turned.shape == (150, 100, 3)
    assert np.abs(np.rot90(plain, -1).astype(int) - turned).mean() < 2
    gray = decode(encoded(image.convert("L"), "jpeg", exif=exif), 100)  # this one by libvips
    assert gray.shape == (150, 100, 3)


def test_other_kinds_of_photographs_become_srgb(photographs):
    """With a color profile, in CMYK, with a palette, with transparency on white."""
    image = picture(60, 40, photographs)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for data in encoded(image, "png", icc_profile=profile), encoded(image.quantize(255), "png"):
        assert np.abs(decode(data, 64).astype(int) - np.asarray(image)).mean() < 8
    assert decode(encoded(image.convert("CMYK"), "jpeg"), 64).shape == (40, 60, 3)
    clear = image.copy()
    clear.putalpha(0)
    assert (decode(encoded(clear, "png"), 64) == 255).all()


def test_decoding_takes_few_threads(tmp_path, photographs, monkeypatch):
    seen = set()
    monkeypatch.setattr("photochrom.training.decoding.decode", lambda data, side: seen.add(threading.get_ident()))
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    picture(40, 40, photographs).save(tmp_path / "one.jpg")
    list(decode_all([Member(tmp_path, "one.jpg")] * 300, 40))
    assert 1 <= len(seen) <= 4


def test_useless_photographs_are_left_out(training_folder, tmp_path):
    folder = tmp_path / "photographs"
    shutil.copytree(training_folder, folder)
    first = Image.open(next(folder.glob("*.jpg")))
    first.convert("L").save(folder / "gray.jpg")
    first.resize((31, 40)).save(folder / "tiny.jpg")
    for suffix in ("jpg", "webp", "avif", "tif"):
        (folder / f"damaged.{suffix}").write_bytes(b"nothing")
    found, left_out = load_photographs([folder], 64, 3.0, tmp_path / "cache")
    assert len(found) == 12 and left_out == 6
    with pytest.raises(TrainingError, match="damaged, tiny or gray"):
        load_photographs([folder], 64, 200.0, tmp_path / "none")


def test_photographs_are_decoded_once(sources, tmp_path, photographs, monkeypatch):
    found, _ = load_photographs(sources, 80, 3.0, tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(module, "decode_all", None)
        again, _ = load_photographs(sources, 80, 3.0, tmp_path / "cache")
        assert torch.equal(found.pixels, again.pixels) and np.array_equal(found.index, again.index)
        assert found.sets == again.sets
    picture(200, 90, photographs).save(sources[0] / "wide.jpg")  # another photograph of the same name
    other, _ = load_photographs(sources, 80, 3.0, tmp_path / "cache")
    assert len(other) == 5 and not torch.equal(found[1], other[1]) and torch.equal(found[2], other[2])


def test_an_unfinished_cache_is_not_used(sources, tmp_path, monkeypatch):
    def cut_short(members, side):
        yield from list(decode_all(members[:2], side))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "decode_all", cut_short)
        with pytest.raises(KeyboardInterrupt):
            load_photographs(sources, 80, 3.0, tmp_path / "cache")
    assert len(load_photographs(sources, 80, 3.0, tmp_path / "cache")[0]) == 5


def test_photographs_are_not_read_into_memory(tmp_path, monkeypatch):
    """A cache of 50 GB, more than most machines' memory: a file with a hole."""
    monkeypatch.setattr(
        module, "decode_all", lambda members, side: iter([np.eye(40, dtype=np.uint8)[..., None] * [9, 0, 0]])
    )
    (tmp_path / "one.jpg").touch()
    load_photographs([tmp_path], 80, 0.0, tmp_path / "cache")
    size = 50 * 2**30
    os.truncate(tmp_path / "cache" / "photographs.u8", size)
    np.save(tmp_path / "cache" / "index.npy", np.array([[0, 40, 40, 0], [size - 4800, 40, 40, 0]]))
    found, _ = load_photographs([tmp_path], 80, 0.0, tmp_path / "cache")
    assert found.pixels.nbytes == size and found[1].shape == (40, 40, 3) and not found[1].any()


def test_progress_is_one_line_on_a_terminal(sources, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "PROGRESS_SECONDS", 0.0)
    load_photographs(sources, 80, 3.0, tmp_path / "quiet")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    load_photographs(sources, 80, 3.0, tmp_path / "shown")
    shown = capsys.readouterr().err
    assert shown.endswith("decoded 5 of 5 photographs\n") and shown.count("\n") == 1 and shown.count("\r") > 1


def test_samples_are_spread_evenly_and_only_they_are_decoded(training_folder, tmp_path):
    chosen = read_some([training_folder], 3, 64)
    names = sorted(training_folder.glob("*.jpg"))
    for photograph, path in zip(chosen, (names[0], names[5], names[11]), strict=True):
        assert np.array_equal(photograph, decode(path.read_bytes(), 64))
    (tmp_path / "damaged.jpg").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="damaged"):
        read_some([tmp_path], 3, 64)


def test_sources_without_photographs(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("hello")
    for source in ("empty", "file.txt", "missing"):
        with pytest.raises(InputError):
            load_photographs([tmp_path / source], 64, 0, tmp_path / "cache")


def test_every_epoch_shows_every_photograph_once_in_another_order():
    order = SampleOrder(np.array([0] * 7 + [1] * 3), balance=1.0, seed=1).at(np.arange(30))
    epochs = order.reshape(3, 10)
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs.tolist())
    assert not np.array_equal(epochs[0], epochs[1])


@pytest.mark.parametrize(
    "balance, expected",
    [(1.0, (0.01, 0.09, 0.9)), (0.5, (10 / 140, 30 / 140, 100 / 140)), (0.0, (1 / 3, 1 / 3, 1 / 3))],
)
def test_sets_are_drawn_by_a_power_of_their_size(balance, expected):
    sets = np.repeat([0, 1, 2], [10, 90, 1000 - 100] if balance == 1.0 else [100, 900, 10_000])
    drawn = sets[SampleOrder(sets, balance, seed=0).at(np.arange(11_000))]
    assert np.bincount(drawn) / 11_000 == pytest.approx(expected, abs=0.002)
    parts = [np.bincount(part, minlength=3) / 1000 for part in drawn.reshape(11, 1000)]  # mixed at any time
    assert np.abs(np.array(parts) - expected).max() < 0.08


def test_a_set_shows_all_its_photographs_before_one_comes_again():
    sets = np.repeat([5, 7], [4, 60])  # the small set is drawn more often than it has photographs
    drawn = SampleOrder(sets, 0.0, seed=3).at(np.arange(256))
    small = drawn[drawn < 4]
    assert len(small) == 128
    epochs = small.reshape(-1, 4)
    assert (np.sort(epochs, axis=1) == np.arange(4)).all() and len(np.unique(epochs, axis=0)) > 5


def test_the_order_depends_on_seed_and_position_alone():
    sets = np.random.default_rng(0).integers(0, 5, 200)
    whole = SampleOrder(sets, 0.5, seed=1).at(np.arange(1000))
    for start in (0, 195, 640, 999):
        assert np.array_equal(
            SampleOrder(sets, 0.5, seed=1).at(np.arange(start, min(1000, start + 40))), whole[start : start + 40]
        )
    backwards = SampleOrder(sets, 0.5, seed=1)
    assert [int(backwards.at(np.array([n]))[0]) for n in range(999, 0, -7)] == whole[999:0:-7].tolist()
    assert not np.array_equal(SampleOrder(sets, 0.5, seed=2).at(np.arange(1000)), whole)


def test_the_order_of_many_photographs_is_quick():
    sets = np.random.default_rng(0).integers(0, 60, 150_000)
    order = SampleOrder(sets, 0.5, seed=0)
    order.at(np.arange(32))
    began = time.process_time()
    for step in range(1, 11):
        order.at(np.arange(32 * step, 32 * step + 32))
    assert (time.process_time() - began) / 10 < 0.02
