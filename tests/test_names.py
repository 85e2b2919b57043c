"""Names of files and of outputs: odd ones, the same ones, and those that a disk takes for one."""

import json
import os

import pytest
from small_albums import GRAY, colorize, files_in, photochrom, posix_only, put

from photochrom import Photograph, planning
from photochrom.errors import InputError, one_line
from photochrom.names import from_text, to_text
from photochrom.planning import plan

# Names


ODD = ["new\nline.jpg", "tab\t.jpg", "back\\slash.jpg", "looks\\n.jpg", "looks\\xdf.jpg", "two\\\\.jpg", "é😀 .jpg",
       "stra\udcdfe.jpg", "\x1b[31mred.jpg", "both\\\udce9\n.jpg", "trailing \\"]  # fmt: skip


def test_names_become_text_and_names_again():
    texts = [to_text(name) for name in ODD]
    assert [from_text(text) for text in texts] == ODD and len(set(texts)) == len(ODD)
    for text in texts:
        assert text.encode() and len(text.splitlines()) == 1 and text.isprintable()
    assert to_text("ordinary name é.jpg") == "ordinary name é.jpg" and to_text("back\\slash.jpg") == "back\\slash.jpg"
    assert to_text("stra\udcdfe.jpg") == "stra\\xdfe.jpg" and to_text("new\nline.jpg") == "new\\nline.jpg"


@posix_only
def test_names_of_any_bytes_are_colored_and_named_in_one_line(tmp_path):
    names = [name for name in ODD if name.endswith(".jpg")]
    put(tmp_path / "album", *names)
    put(tmp_path / "album", "broken\n\udcdf.jpg", content=b"nothing")
    result = photochrom("colorize", tmp_path / "album", "-o", tmp_path / "new", "--record", tmp_path / "r.jsonl")
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    assert sorted(os.listdir(tmp_path / "new")) == sorted(names)
    assert len(result.stderr.splitlines()) == 2 and "broken\\n\\xdf.jpg is not" in result.stderr
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()]
    recorded = {from_text(line["source"]) for line in lines}
    assert recorded == {str(tmp_path / "album" / name) for name in [*names, "broken\n\udcdf.jpg"]}
    missing = photochrom("colorize", "new\nline.jpg", tmp_path / "album" / "none\n.jpg")
    assert missing.returncode == 2 and missing.stderr.count("\n") == 1


def test_messages_are_one_line():
    assert one_line("a\nb\r\x1b\u2028\udcff") == "a\\nb\\r\\x1b\\u2028\\xff" and one_line("é ü\\n") == "é ü\\n"


def test_a_name_that_gets_too_long_fails_alone_and_keeps_its_length_with_out(tmp_path):
    long = "n" * 251 + ".jpg"
    put(tmp_path / "album", "a.jpg", long)
    result = colorize(tmp_path / "album")
    assert result.exit_code == 1 and "file name too long: name a folder with -o" in result.output
    assert (tmp_path / "album" / "a-color.jpg").exists()
    assert colorize(tmp_path / "album", "-o", tmp_path / "new").exit_code == 0
    assert files_in(tmp_path / "new") == {"a.jpg", long}
    several = colorize(tmp_path / "album", "-o", tmp_path / "new", "--variants", 2)
    assert several.exit_code == 1 and "file name too long: give the photograph a shorter name" in several.output


# Names of outputs


def test_photographs_of_one_name_get_color_versions_of_two(tmp_path):
    put(tmp_path / "album", "scan.tif", "scan.jpg", "a.gif", "a.png", "one.gif", "b.tif", "b.png", "sub/scan.tif")

    def outputs(**options):
        tasks = plan([tmp_path / "album"], tmp_path / "new", **options).tasks
        return {str(t.source.relative_to(tmp_path / "album")): t.outputs[0].name for t in tasks}

    assert outputs() == {
        "scan.tif": "scan.tif", "scan.jpg": "scan.jpg", "a.gif": "a.gif.png", "a.png": "a.png", "one.gif": "one.png",
        "b.tif": "b.tif", "b.png": "b.png", "sub/scan.tif": "scan.tif",
    }  # fmt: skip
    assert outputs(format="jpeg") == {
        "scan.tif": "scan.tif.jpg", "scan.jpg": "scan.jpg", "a.gif": "a.gif.jpg", "a.png": "a.png.jpg",
        "one.gif": "one.jpg", "b.tif": "b.tif.jpg", "b.png": "b.png.jpg", "sub/scan.tif": "scan.jpg",
    }  # fmt: skip
    assert outputs(format="jpeg", variants=2)["scan.tif"] == "scan.tif-1.jpg"


def test_beside_their_inputs_too_and_a_second_run_knows_them(tmp_path):
    put(tmp_path, "scan.jpg")
    Photograph(GRAY).save(tmp_path / "scan.tif")
    for _ in range(2):
        result = colorize(tmp_path, "--format", "jpeg")
        assert result.exit_code == 0, result.output
        assert files_in(tmp_path) == {"scan.jpg", "scan.tif", "scan-color.jpg", "scan.tif-color.jpg"}
    assert "2 skipped" in result.output
    named = colorize(*sorted(tmp_path.iterdir()), "--format", "jpeg")  # as a shell writes out *
    assert named.exit_code == 0 and "2 skipped" in named.output and len(files_in(tmp_path)) == 4


def test_the_same_names_in_two_folders_lose_only_the_second(tmp_path):
    put(tmp_path, "one/a.jpg", "two/a.jpg", "two/b.jpg")
    result = colorize(tmp_path / "one", tmp_path / "two", "-o", tmp_path / "new")
    assert result.exit_code == 1 and "both be written to" in result.output and "another -o" in result.output
    assert files_in(tmp_path / "new") == {"a.jpg", "b.jpg"}
    twice = colorize(tmp_path / "one" / "a.jpg", tmp_path / "one" / ".." / "one" / "a.jpg", "-o", tmp_path / "other")
    assert twice.exit_code == 0 and files_in(tmp_path / "other") == {"a.jpg"}


@pytest.mark.parametrize("name", ["scans.2024/", "new.png/"])
def test_a_slash_behind_the_output_makes_it_a_folder(tmp_path, name):
    put(tmp_path, "a.jpg", "b.jpg")
    one = colorize(tmp_path / "a.jpg", "-o", f"{tmp_path}/one/{name}")
    both = colorize(tmp_path / "a.jpg", tmp_path / "b.jpg", "-o", f"{tmp_path}/both/{name}")
    assert one.exit_code == both.exit_code == 0, one.output + both.output
    assert files_in(tmp_path / "one" / name) == {"a.jpg"} and files_in(tmp_path / "both" / name) == {"a.jpg", "b.jpg"}


def test_a_missing_input_does_not_stop_the_others(tmp_path):
    put(tmp_path, "a.jpg")
    result = colorize(tmp_path / "none.jpg", tmp_path / "a.jpg", "-o", tmp_path / "new")
    assert result.exit_code == 1 and "none.jpg does not exist" in result.output
    assert files_in(tmp_path / "new") == {"a.jpg"}


@pytest.mark.parametrize("name", ["IMG.JPG", "Scan.TIF", "x.Jpeg"])
def test_a_second_run_knows_the_color_version_of_a_name_in_capitals(tmp_path, name):
    put(tmp_path, name)
    (task,) = plan([tmp_path]).tasks
    put(tmp_path, task.outputs[0].name)
    planned = plan([tmp_path])
    assert (planned.tasks, planned.failures) == ([task], [])
    assert plan(sorted(tmp_path.iterdir())).tasks == [task]  # as with *


def test_color_versions_never_replace_photographs(tmp_path):
    put(tmp_path, "a.jpg", "b.png")
    with pytest.raises(InputError, match=r"overwrite the photograph .*a\.jpg"):
        plan([tmp_path / "a.jpg", tmp_path / "b.png"], tmp_path)


def test_a_disk_that_ignores_case_has_one_place_for_two_names(tmp_path, monkeypatch):
    put(tmp_path / "one", "a.jpg")
    put(tmp_path / "two", "A.jpg")
    inputs = [tmp_path / "one" / "a.jpg", tmp_path / "two" / "A.jpg"]
    assert len(plan(inputs, tmp_path / "new").tasks) == 2  # this disk keeps them apart
    monkeypatch.setattr(planning, "_ignores_case", lambda folder: True)
    planned = plan(inputs, tmp_path / "new")
    assert [task.source for task in planned.tasks] == inputs[:1]
    assert "would both be written to" in str(planned.failures[0].error)


def test_whether_a_disk_ignores_case_is_seen_by_names_that_are_there(tmp_path, monkeypatch):
    put(tmp_path, "photo.jpg")
    assert not planning._ignores_case(str(tmp_path / "not there yet"))
    monkeypatch.setattr(os.path, "samefile", lambda one, other: one.casefold() == other.casefold())
    assert planning._ignores_case(str(tmp_path / "not there yet"))
