"""Archives' stores and manifest, and what a run plans to do by them."""

import errno
import hashlib
import os
import subprocess
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("ray")

from small_archives import make_work, rows_of

from photochrom import Photograph
from photochrom.archive.exports import checksum_line
from photochrom.archive.finishing import line_of
from photochrom.archive.manifest import DONE, FAILED, FOLDER, FOREIGN, MANY_PARTS, Row, append_rows, read_manifest
from photochrom.archive.run import plan
from photochrom.archive.stores import open_store, without_secrets
from photochrom.archive.worker import Work
from photochrom.coloring import Output, Request
from photochrom.errors import InputError

pytestmark = pytest.mark.xdist_group("ray")


@pytest.mark.parametrize("kind", ["folder", "file URL", "memory URL"])
def test_stores(kind, tmp_path):
    url = {"folder": str(tmp_path), "file URL": tmp_path.as_uri(), "memory URL": f"memory://{tmp_path}"}[kind]
    store = open_store(url)
    store.write("a/b c.txt", b"one")
    store.write("a/b c.txt", b"three")
    store.write("d.txt", b"")
    assert [(entry.name, entry.size) for entry in store.entries()] == [("a/b c.txt", 5), ("d.txt", 0)]
    assert store.read("a/b c.txt") == b"three"
    store.delete("d.txt")
    assert [entry.name for entry in store.entries("a")] == ["a/b c.txt"] and not list(store.entries("nowhere"))


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    store = open_store(str(tmp_path))
    store.write("a.txt", b"old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        store.write("a.txt", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and store.read("a.txt") == b"old"


def test_manifests_of_versions_without_a_column_are_read(tmp_path):
    store, row = open_store(str(tmp_path)), Row("a", 1, 2, "", "b", "", DONE, 1, "", "m", "{}", 0.5, "the sound")
    append_rows(store, [row])
    (part,) = (tmp_path / FOLDER).iterdir()
    pq.write_table(pq.read_table(part).drop(["left_out"]), part)
    assert read_manifest(store) == {"a": replace(row, left_out="")}


def test_secrets_in_urls_are_in_no_message_or_record(tmp_path):
    url = "s3://KEY:SE%2FCRET@museum/scans?region=eu"
    work = replace(make_work(tmp_path, tmp_path), source=url)
    row = Row("a b?.jpg", 1, 2, "", "b", "", FAILED, 1, "", "m", "{}", 0.5)
    assert line_of(row, work).source == "s3://museum/scans/a b?.jpg"
    assert without_secrets("scans?/x@y") == "scans?/x@y"
    with pytest.raises(InputError) as caught:
        open_store("nothing://KEY:SECRET@museum/scans")
    assert "SECRET" not in str(caught.value) and "nothing://museum/scans" in str(caught.value)


def test_the_last_row_counts_and_many_parts_are_merged(tmp_path):
    store = open_store(str(tmp_path))
    row = Row("a.jpg", 1, 2, "c", "a.jpg", "d", FAILED, 1, "why", "m", "s", 0.5)
    for number in range(MANY_PARTS + 1):
        append_rows(store, [replace(row, source=f"{number % 5}.jpg", tries=number)])
    expected = {f"{n % 5}.jpg": replace(row, source=f"{n % 5}.jpg", tries=n) for n in range(MANY_PARTS + 1)}
    assert read_manifest(store) == expected
    assert len(list(store.entries(FOLDER))) == 1 and read_manifest(store) == expected


def test_a_damaged_manifest_says_so(tmp_path):
    open_store(str(tmp_path)).write(f"{FOLDER}/1.parquet", b"no")
    with pytest.raises(InputError, match=r"1\.parquet"):
        rows_of(tmp_path)


def test_outputs_of_one_name_get_their_sources_whole_names(tmp_path, scans):
    for suffix in ("jpg", "png", "tif"):
        Photograph(np.zeros((20, 20), np.uint8)).save(tmp_path / f"a.{suffix}")
    store = open_store(str(tmp_path))
    work = make_work(tmp_path, scans, request=Request(output=Output("png")))
    missing, _ = plan(work, store, open_store(str(scans)), retry=False)
    assert {job.entry.name: job.output for job in missing} == {
        "a.jpg": "a.jpg.png", "a.png": "a.png", "a.tif": "a.tif.png",
    }  # fmt: skip


def test_what_was_written_once_is_known_whatever_failed_since(tmp_path, scans):
    store, source = open_store(str(tmp_path)), open_store(str(scans))
    work = make_work(scans, tmp_path)
    row = Row("scan-00.jpg", 1, 2, "c", "scan-00.jpg", "d" * 64, DONE, 1, "", work.model_digest, work.settings, 0.5)
    append_rows(store, [row, replace(row, output="scan-00.png", output_checksum="e" * 64)])
    for number in range(MANY_PARTS + 1):
        append_rows(store, [replace(row, source=f"{number}.jpg", output=f"{number}.jpg", output_checksum="")])
    for _ in range(2):  # also after the parts are merged
        jobs, _ = plan(work, source, store, retry=False)
        assert next(job.known for job in jobs if job.output == "scan-00.jpg") == "d" * 64
    png, _ = plan(replace(work, request=Request(output=Output("png"))), source, store, retry=False)
    assert next(job.known for job in png if job.output == "scan-00.png") == "e" * 64


def test_a_foreign_file_that_was_moved_away_is_no_failure_any_more(tmp_path, scans):
    store, source = open_store(str(tmp_path)), open_store(str(scans))
    work = make_work(scans, tmp_path)
    entry = next(entry for entry in source.entries() if entry.name == "scan-00.jpg")
    model = (work.model_digest, work.settings, 0.5)
    row = Row("scan-00.jpg", entry.size, entry.modified, "c", "scan-00.jpg", "", FOREIGN, 1, "is there already", *model)
    append_rows(store, [row])
    (tmp_path / "scan-00.jpg").write_bytes(b"someone's")

    def is_planned(**changes):
        return "scan-00.jpg" in {job.output for job in plan(replace(work, **changes), source, store, retry=False)[0]}

    assert not is_planned() and is_planned(overwrite=True)
    assert plan(work, source, store, retry=False)[1].before == ["scan-00.jpg: is there already"]
    (tmp_path / "scan-00.jpg").unlink()
    assert is_planned()


@pytest.mark.parametrize("name", ["a.jpg", "new\nline.jpg", "back\\slash", "cr\r.jpg", "stra\udcdfe.jpg", "\\n.jpg"])
def test_checksum_lines_are_those_of_sha256sum(tmp_path, name):
    (tmp_path / name).write_bytes(b"content")
    printed = subprocess.run(["sha256sum", "--", name], cwd=tmp_path, capture_output=True, check=True).stdout
    assert checksum_line(name, hashlib.sha256(b"content").hexdigest()) == printed


def test_relative_folders_reach_workers_as_absolute_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work = Work("scans", "s3://museum/color", Request(), "default", "digest", 256).anywhere()
    assert (work.source, work.destination, work.model) == (str(tmp_path / "scans"), "s3://museum/color", "default")
    assert replace(work, model="mine.onnx").anywhere().model == str(tmp_path / "mine.onnx")


def test_outputs_have_the_format_of_their_names():
    work = Work("scans", "color", Request(), "default", "digest", 256)
    names = {"a.gif": "a.png", "b/c.heic": "b/c.heic", "d.JPG": "d.JPG", "e.tif": "e.tif"}
    assert {name: work.output_name(name) for name in names} == names
    assert [work.format_of_output(name) for name in names] == ["png", "heic", "jpeg", "tiff"]
    assert replace(work, request=Request(output=Output("webp"))).output_name("d.JPG") == "d.webp"
