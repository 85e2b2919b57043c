"""Measure `photochrom archive` beside `photochrom colorize`, and write benchmarks/ARCHIVE.md.

Usage: python benchmarks/archive.py PHOTOS [--limit 2000] [--rows 1000000] [--thumbnails 100000]

PHOTOS is a folder of photographs. Nothing else should run on the machine. Needs the dev extra.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from onnx import TensorProto, helper
from skimage import data
from speed_parts import machine

from photochrom.archive.manifest import DONE, Row, append_rows, read_manifest
from photochrom.archive.run import plan
from photochrom.archive.stores import Entry, Store, open_store
from photochrom.archive.worker import Work
from photochrom.coloring import Request
from photochrom.inference.onnx_file import FORMAT_VERSION, METADATA_KEY
from photochrom.photo.photograph import Photograph
from photochrom.settings import READABLE_SUFFIXES

RESULTS = Path(__file__).with_name("ARCHIVE.md")
MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--limit", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the manifest for planning")
    parser.add_argument("--thumbnails", type=int, default=100_000, help="thumbnails to measure Ray's own cost")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sources = gather(options.photographs, Path(folder) / "sources", options.limit)
        sections = [
            "# Archives",
            "Written by `benchmarks/archive.py` in one run. Compare the ratios, not the seconds: machines differ.",
            f"Machine: {machine()}.",
            side_by_side(sources, Path(folder)),
            planning(Path(folder) / "planned", options.rows),
            engine_alone(Path(folder), options.thumbnails),
        ]
    RESULTS.write_text("\n\n".join(sections) + "\n")
    print(RESULTS.read_text())


def gather(photographs: Path, folder: Path, limit: int) -> Path:
    """Make a folder of `limit` photographs; if there are fewer, some of them are there twice."""
    found = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in READABLE_SUFFIXES)
    folder.mkdir()
    for number in range(limit):
        source = found[number % len(found)]
        shutil.copy(source, folder / f"{number:06}{source.suffix.lower()}")
    return folder


def side_by_side(sources: Path, folder: Path) -> str:
    count = len(list(sources.iterdir()))
    plain = ["colorize", str(sources), "-o", str(folder / "plain"), "--jobs", "2"]
    runs = {"`photochrom colorize --jobs 2`": plain}
    for workers in (1, 2):
        arguments = ["archive", str(sources), str(folder / f"archive-{workers}"), "--workers", str(workers)]
        runs[f"`photochrom archive --workers {workers}`"] = arguments
    lines = [
        f"## {count:,} photographs",
        "",
        "| | seconds | photographs/s | ÷ colorize | memory, MB: after a quarter | at its end | most |",
        "|---|---|---|---|---|---|---|",
    ]
    first = None
    for title, arguments in runs.items():
        seconds, sizes = watch([sys.executable, "-m", "photochrom", *arguments])
        first = first or seconds
        quarter, end, most = sizes[len(sizes) // 4], sizes[-2], max(sizes)
        lines.append(
            f"| {title} | {seconds:.0f} | {count / seconds:.1f} | {first / seconds:.2f} | {quarter:.0f} | {end:.0f} "
            f"| {most:.0f} |"
        )
    names = [path.name for path in sources.iterdir()]
    equal, _, _ = filecmp.cmpfiles(folder / "archive-1", folder / "archive-2", names, shallow=False)
    lines += ["", f"Outputs of the two archive runs: {len(equal):,} of {count:,} byte-identical."]
    return "\n".join(lines)


def watch(command: list[str]) -> tuple[float, list[float]]:
    """Seconds of a command, and the memory of its whole process tree (proportional set size, MB) every half second."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sizes: list[float] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.5):
            sizes.append(sum(map(proportional_size, tree(process.pid))) / MB)

    thread = threading.Thread(target=sample)
    thread.start()
    assert process.wait() == 0
    seconds = time.perf_counter() - began
    done.set()
    thread.join()
    return seconds, sizes


def tree(root: int) -> list[int]:
    """A process and all below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def proportional_size(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def planning(folder: Path, rows: int) -> str:
    """Time and memory that the driver needs to plan a rerun of `rows` photographs, a tenth of them new."""
    destination = open_store(str(folder))
    folder.mkdir()
    work = Work.of_model("default", 256, "", str(folder), Request(), 3, 300.0)
    row = Row("", 1, 1, "0" * 64, "", "0" * 64, DONE, 1, "", work.model_digest, work.settings, 0.1)
    names = [f"box {number // 1000:05}/scan {number:08}.tif" for number in range(rows)]
    known = names[: rows - rows // 10]
    for first in range(0, len(known), 100_000):
        changed = [Row(**(vars(row) | {"source": n, "output": n})) for n in known[first : first + 100_000]]
        append_rows(destination, changed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    missing, summary = plan(work, Listing(names), Listing(known, destination), retry=False)
    seconds = time.perf_counter() - began
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    assert len(missing) == rows // 10 and summary.settled == len(known)
    return (
        f"## Planning a rerun of {rows:,} photographs\n\n"
        f"Reading the manifest ({size / MB:.0f} MB of Parquet) and comparing it with the listings: {seconds:.0f} s, "
        f"{memory / MB:.0f} MB in the driver, {memory / rows:.0f} bytes a photograph. The listings themselves, which "
        "depend on the store, are not in it."
    )


def engine_alone(folder: Path, count: int) -> str:
    """What Ray costs per photograph, in an archive of `count` photographs and in one of a tenth of that.

    The photographs are thumbnails, and the model answers gray at once, so that nearly all of the cost is Ray's.
    """
    model = folder / "gray.onnx"
    model.write_bytes(gray_model())
    thumbnail = Photograph(data.camera()[::16, ::16]).encode("jpeg", 90)
    lines = [
        f"## The engine alone: {count:,} thumbnails and a model that answers gray",
        "",
        "| thumbnails | seconds | core-seconds a thumbnail | memory, MB: after a quarter | most |",
        "|---|---|---|---|---|",
    ]
    for number in (count // 10, count):
        sources = folder / f"thumbnails-{number}"
        for i in range(number):
            path = sources / f"box {i // 1000:05}" / f"scan {i:08}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(thumbnail)
        arguments = ["archive", str(sources), str(folder / f"gray-{number}"), "--model", str(model)]
        command = [sys.executable, "-m", "photochrom", *arguments, "--working-size", "32", "--workers", "2"]
        seconds, sizes = watch(command)
        rows = read_manifest(open_store(str(folder / f"gray-{number}")))
        assert len(rows) == number and all(row.state == DONE for row in rows.values())
        cost = seconds * (os.cpu_count() or 1) / number
        lines.append(f"| {number:,} | {seconds:.0f} | {cost:.4f} | {sizes[len(sizes) // 4]:.0f} | {max(sizes):.0f} |")
    return "\n".join(lines)


def gray_model() -> bytes:
    """A model that `photochrom` accepts, and that predicts no color for everything."""
    planes = {"luminance": ["N", 1, "H", "W"], "hints": ["N", 3, "H", "W"], "noise": ["N", 1]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in planes.items()]
    output = helper.make_tensor_value_info("chroma", TensorProto.FLOAT, ["N", 2, "h", "w"])
    nodes = [
        helper.make_node("AveragePool", ["luminance"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Sub", ["small", "small"], ["nothing"]),
        helper.make_node("Concat", ["nothing", "nothing"], ["chroma"], axis=1),
    ]
    graph = helper.make_graph(nodes, "gray", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    description = {"format": FORMAT_VERSION, "preset": "gray", "size_multiple": 32, "noise_channels": 1, "details": {}}
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(description))
    return model.SerializeToString()


class Listing(Store):
    """A store that lists names whose files need not exist. Its manifest is a real one."""

    def __init__(self, names: list[str], real: Store | None = None):
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "real", real)

    def entries(self, below=""):
        return self.real.entries(below) if below else (Entry(name, 1, 1) for name in self.names)

    def read(self, name):
        return self.real.read(name)

    def write(self, name, content):
        self.real.write(name, content)

    def delete(self, name):
        self.real.delete(name)


if __name__ == "__main__":
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    main()
