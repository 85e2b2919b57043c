"""The benchmark of public test pictures tells right outputs, refusals, wrong pixels, crashes and hangs apart."""

import io
import os
import struct
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from skimage import data

pytest.importorskip("pebble", reason="needs the extra archive")
sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import corpus
from corpus import Painted
from judging import kinds, pixels, readers, verdict

CAT = Image.fromarray(data.chelsea()[60:156, 120:248])


@pytest.fixture
def folder(tmp_path):
    """A project's test pictures: intact, damaged in two ways, and no picture at all."""
    project = tmp_path / "owner+project"
    project.mkdir()
    CAT.save(project / "right.png")
    CAT.convert("L").save(project / "right.jpg")
    CAT.save(project / "cut.jpg")
    content = (project / "cut.jpg").read_bytes()
    (project / "cut.jpg").write_bytes(content[: len(content) // 2])
    (project / "text.png").write_text("This is not a picture.\n" * 10)
    (tmp_path / "COMMITS.tsv").write_text("owner+project\t0123456789abcdef\t4\n")
    return tmp_path


@pytest.mark.slow
def test_report_names_projects_and_counts_verdicts(folder, capsys):
    corpus.main([str(folder), "--report", str(folder / "report.md")])
    text = capsys.readouterr().out
    assert "| owner/project (0123456789) | 4 | 2 | 0 | 2 | 0 | 0 | 0 | 0 | 0 |" in text
    assert (folder / "report.md").read_text() in text
    lines = (folder / "report.jsonl").read_text().splitlines()
    assert [f'"path": "owner+project/{name}"' in line for name, line in zip(NAMES, lines, strict=True)] == [True] * 4


@pytest.mark.slow
def test_stopped_run_goes_on(folder, capsys):
    report = folder / "report.md"
    corpus.main([str(folder), "--report", str(report), "--match", "right"])
    first = report.with_suffix(".jsonl").read_text().splitlines()
    corpus.main([str(folder), "--report", str(report), "--go-on"])
    lines = report.with_suffix(".jsonl").read_text().splitlines()
    assert lines[:2] == first
    assert len(lines) == 4
    assert "| owner/project (0123456789) | 4 | 2 | 0 | 2 | 0 | 0 | 0 | 0 | 0 |" in capsys.readouterr().out


NAMES = ("cut.jpg", "right.jpg", "right.png", "text.png")


def encoded(image, **options):
    target = io.BytesIO()
    image.save(target, "PNG", **options)
    return target.getvalue()


def odd_painter(path):
    """A program that answers each of four pictures in a bad way."""
    if path.name == "cut.jpg":
        return Painted("refused", message="NAME is damaged: vips read error")
    if path.name == "right.jpg":
        os._exit(3)
    if path.name == "right.png":
        return Painted("colored", encoded(Image.eval(CAT, lambda value: value // 2)))
    time.sleep(60)
    return None


def test_faults_of_a_program_are_told_apart(folder):
    paths = corpus.pictures(folder)
    findings = list(corpus.examine_all(folder, paths, seconds=3, painter=odd_painter))
    assert [finding.verdict for finding in findings] == ["refused", "crash", "wrong", "hang"]
    assert findings[0].internal
    assert "L off by" in findings[2].message


@pytest.mark.parametrize(
    "made, fault",
    [
        (CAT, ""),
        (ImageOps.mirror(CAT), "L off"),
        (CAT.resize((64, 48)), "size 64 x 48 instead of 128 x 96"),
        (CAT.convert("RGBA").point(lambda v: v // 2), "transparency where Pillow sees none"),
    ],
)
def test_outputs_are_compared_with_their_sources(made, fault):
    judged, message = verdict.judge_colors(encoded(CAT), encoded(made))
    assert judged == ("wrong" if fault else "right")
    assert message.startswith(fault)


def test_gamma_of_a_png_counts():
    half = np.full((32, 32, 3), 128, np.uint8)
    profile = encoded(Image.fromarray(half))
    gamma = b"\0\0\0\4gAMA" + (100_000).to_bytes(4, "big")  # light is proportional to the numbers
    marked = profile[:33] + gamma + zlib.crc32(gamma[4:]).to_bytes(4, "big") + profile[33:]
    reading = readers.by_pillow(marked)
    assert reading.rgb[0, 0].tolist() == [188, 188, 188]  # the sRGB curve at 128 / 255
    assert pixels.difference(readers.by_pillow(profile), reading).startswith("L off")


def test_a_claim_of_damage_is_false_if_others_open_the_file():
    assert verdict.judge_refusal(encoded(CAT), "NAME is damaged or incomplete")[0] == "false reason"
    assert verdict.judge_refusal(encoded(CAT)[:2000], "NAME is damaged or incomplete")[0] == "refused"


@pytest.mark.parametrize(
    "message, judged",
    [
        ("NAME is 128 x 96 pixels: too small", "refused"),
        ("NAME is 5 x 5 pixels: too small", "false reason"),
        ("NAME is not supported: PNG / animation (APNG), save one of its pictures", "false reason"),
        ("NAME is not supported: PSD (Photoshop), save it as TIFF", "false reason"),
        ("NAME is not supported: a file of unknown format", "false reason"),
    ],
)
def test_what_a_refusal_says_of_a_file_is_checked(message, judged):
    assert verdict.judge_refusal(encoded(CAT), message)[0] == judged


def test_first_frame_alone_is_wrong():
    moving = io.BytesIO()
    CAT.save(moving, "GIF", save_all=True, append_images=[ImageOps.mirror(CAT)])
    still = encoded(Image.open(moving).convert("RGB"))
    assert verdict.judge_colors(moving.getvalue(), still) == ("wrong", "1 of 2 frames or pages")


def test_dots_of_pure_colors_are_compared_by_their_own_lightness():
    dots = np.zeros((512, 512, 3), np.uint8)
    dots[::2, ::2, 2] = dots[1::2, 1::2, 1] = 255
    reading = readers.by_pillow(encoded(Image.fromarray(dots)))
    assert np.allclose(reading.lightness, (32.3 + 87.7) / 4, atol=0.1)  # blue, green and two black ones


def test_a_profile_that_does_not_tell_colors_apart_is_none():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert pixels.tells_colors(srgb)
    red, green = srgb.index(b"rXYZ"), srgb.index(b"gXYZ")
    same = srgb[green + 4 : green + 12]  # where its numbers stand
    assert not pixels.tells_colors(srgb.replace(srgb[red + 4 : red + 12], same))


def test_files_that_some_readers_take_may_be_rotten_all_the_same():
    content = encoded(CAT)
    checksum = content.index(b"IEND") - 8
    assert not kinds.is_rotten(content)
    assert kinds.is_rotten(content[:checksum] + b"\0\0\0\0" + content[checksum + 4 :])
    moving = io.BytesIO()
    CAT.save(moving, "GIF")
    assert not kinds.is_rotten(moving.getvalue()) and kinds.is_rotten(moving.getvalue()[:-1])
    whole = io.BytesIO()
    CAT.save(whole, "AVIF")
    assert not kinds.is_rotten(whole.getvalue()) and kinds.is_rotten(whole.getvalue()[:-1])


def test_a_chain_of_pages_without_an_end_ends_for_the_judge():
    loop = b"MM\0*" + struct.pack(">IHHI", 14, 0, 0, 0)[:10] + struct.pack(">HI", 0, 14)
    assert verdict.judge_refusal(loop, "NAME is damaged or incomplete: it has no picture")[0] == "refused"


def test_smaller_versions_are_no_pages_and_sizes_are_of_their_page():
    file = io.BytesIO()
    small = CAT.resize((64, 48))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    CAT.save(file, "TIFF", save_all=True, append_images=[small])
    assert verdict.judge_colors(file.getvalue(), encoded(CAT)) == ("right", "")
    claim = "NAME, page 2, declares 64 x 48 pixels, more than the limit"
    assert verdict.judge_refusal(file.getvalue(), claim)[0] == "refused"
    assert verdict.judge_refusal(file.getvalue(), claim.replace("64", "128"))[0] == "false reason"


@pytest.mark.parametrize("frames, expected", [((1, 3), "refused"), ((1, 1), "false reason"), ((), "refused")])
def test_an_animation_is_one_if_any_reader_sees_its_frames(monkeypatch, frames, expected):
    still = readers.by_pillow(encoded(CAT))
    monkeypatch.setattr(verdict, "readings", lambda *_, **__: iter([replace(still, frames=count) for count in frames]))
    moving = "NAME is not supported: PNG / animation (APNG), save one of its pictures"
    assert verdict.judge_refusal(encoded(CAT), moving)[0] == expected


@pytest.mark.skipif(not readers.MAGICK, reason="needs ImageMagick")
def test_imagemagick_obeys_the_profile_of_a_jpeg_2000():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = srgb.replace(struct.pack(">I", 0x26666), struct.pack(">I", 0x10000))  # a gamma of 1 instead of 2.4
    file = io.BytesIO()
    CAT.save(file, "JPEG2000")
    content = file.getvalue()
    place = content.index(b"colr") - 4
    box = struct.pack(">I4s3B", 11 + len(profile), b"colr", 3, 0, 0) + profile
    old = int.from_bytes(content[place : place + 4], "big")
    header = content.index(b"jp2h") - 4
    length = int.from_bytes(content[header : header + 4], "big") - old + len(box)
    content = content[:place] + box + content[place + old :]
    content = content[:header] + struct.pack(">I", length) + content[header + 4 :]
    right, plain = readers.by_pillow(encoded(CAT, icc_profile=profile)), readers.by_pillow(encoded(CAT))
    assert right.lightness.mean() - plain.lightness.mean() > 5
    assert np.abs(readers.by_imagemagick(content).lightness - right.lightness).mean() < 0.5
