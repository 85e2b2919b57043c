"""Records: a line for every photograph of a run, whatever became of it."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from small_albums import JPEG, colorize, files_in, put

from photochrom.errors import OutputError
from photochrom.records import COLUMNS, FAILED, Line, Record, now


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_record_has_a_line_for_each_picture(tmp_path, kind):
    put(tmp_path / "album", "a.jpg", "b.jpg")
    put(tmp_path / "album", "bad.jpg", content=b"nothing")
    record, out = tmp_path / "records" / f"run.{kind}", tmp_path / "new"
    result = colorize(tmp_path / "album", "-o", out, "--record", record, "--seed", "3", "--variants", "2")
    assert result.exit_code == 1, result.output
    lines = read_record(record)
    assert [line["outcome"] for line in lines] == ["colored"] * 4 + ["failed"]
    first = lines[0]
    assert list(first) == COLUMNS and len(record.read_text().splitlines()) == 5 + (kind == "csv")
    assert first["source"] == str(tmp_path / "album" / "a.jpg") and first["output"] == str(out / "a-1.jpg")
    assert first["source_sha256"] == sha256(JPEG).hexdigest()
    for line in lines[:4]:
        assert line["output_sha256"] == sha256(Path(line["output"]).read_bytes()).hexdigest()
    assert [line["settings"]["seed"] for line in lines] == [3, 4, 3, 4, 3]
    assert first["settings"]["strength"] == 1.0 and first["settings"]["format"] == "jpeg"
    assert first["model"] == "default" and len(first["model_sha256"]) == 64 and first["time"].endswith("Z")
    assert lines[4]["output"] == "" and "bad.jpg is not" in lines[4]["error"]
    assert lines[4]["source_sha256"] == sha256(b"nothing").hexdigest()
    colorize(tmp_path / "album", "-o", out, "--record", record, "--seed", "3", "--variants", "2")
    assert [line["outcome"] for line in read_record(record)[5:]] == ["failed"]  # what is skipped has its line already


def read_record(path: Path) -> list[dict]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        return [row | {"settings": json.loads(row["settings"])} for row in csv.DictReader(file)]


LINE = Line(now(), FAILED, "a\n.jpg", "", "", "", "default", "0" * 64, {"seed": 1}, 0.5, 'why, "so"\nand so')


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_line_that_was_cut_off_is_taken_away(tmp_path, kind):
    path = tmp_path / f"r.{kind}"
    record = Record(path)
    record.add(LINE)
    record.add(replace(LINE, source="b.jpg"))
    record.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    again = Record(path)
    again.add(replace(LINE, source="c.jpg"))
    again.close()
    assert [line["source"] for line in read_record(path)] == ["a\\n.jpg", "c.jpg"]
    assert read_record(path)[0]["error"] == 'why, "so"\\nand so'


@pytest.mark.parametrize("name, content, words", [
    ("r.txt", None, "must end in .jsonl or .csv"),
    ("r.csv", b"a,b\n1,2\n", "not a record"),
    ("r.jsonl", b"[1]\n", "not a record"),
])  # fmt: skip
def test_what_is_no_record_stays_as_it_is(tmp_path, name, content, words):
    put(tmp_path, "a.jpg")
    if content:
        (tmp_path / name).write_bytes(content)
    result = colorize(tmp_path / "a.jpg", "--record", tmp_path / name)
    assert result.exit_code == 2 and words in result.output and result.output.count("\n") == 1
    assert files_in(tmp_path) == {"a.jpg"} | ({name} if content else set())
    assert content is None or (tmp_path / name).read_bytes() == content


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_line_that_finds_no_room_is_not_there_in_part(tmp_path, monkeypatch):
    record = Record(tmp_path / "r.jsonl")
    record.add(LINE)
    before = (tmp_path / "r.jsonl").read_bytes()
    write = os.write
    calls = iter(range(2))

    def half(descriptor, content):
        if next(calls):
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:20])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OutputError, match=r"cannot write the record .*no space left"):
        record.add(LINE)
    assert (tmp_path / "r.jsonl").read_bytes() == before


def test_runs_add_to_one_record_at_once(tmp_path):
    code = (
        "import sys, pathlib; from photochrom.records import *\n"
        "record = Record(pathlib.Path(sys.argv[1]))\n"
        "for n in range(200):\n"
        "    record.add(Line(now(), FAILED, f'{sys.argv[2]}-{n}', '', '', '', '', '', {'x': 'y' * 500}, 0))"
    )
    path = tmp_path / "r.csv"
    processes = [subprocess.Popen([sys.executable, "-c", code, path, str(number)]) for number in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert {line["source"] for line in read_record(path)} == {f"{p}-{n}" for p in range(3) for n in range(200)}


def test_a_looks_hints_stand_in_the_record(tmp_path):
    put(tmp_path, "a.jpg")
    colorize(tmp_path / "a.jpg", "--hint", "10,12,#336699", "--record", tmp_path / "r.jsonl")
    (line,) = read_record(tmp_path / "r.jsonl")
    (hint,) = line["settings"]["hints"]
    assert (hint["x"], hint["y"], hint["color"]) == (10, 12, "#336699")


def test_what_planning_refuses_has_a_line_too(tmp_path):
    put(tmp_path / "one", "a.jpg")
    put(tmp_path / "two", "a.jpg")
    record = tmp_path / "run.jsonl"
    inputs = [tmp_path / "one" / "a.jpg", tmp_path / "two" / "a.jpg", tmp_path / "nowhere.jpg"]
    result = colorize(*inputs, "-o", tmp_path / "out", "--record", record)
    assert result.exit_code == 1, result.output
    lines = {line["source"]: line for line in read_record(record)}
    assert [lines[str(path)]["outcome"] for path in inputs] == ["colored", "failed", "failed"]
    assert "would both be written to" in lines[str(inputs[1])]["error"]
    assert "does not exist" in lines[str(inputs[2])]["error"]
