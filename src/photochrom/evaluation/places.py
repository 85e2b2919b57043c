"""Where an evaluation writes: never over what it compares, nor among its photographs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from photochrom.errors import InputError
from photochrom.evaluation.protocols import flat_names
from photochrom.photo.collections import Member, find_photographs

SUMMARY, MEASURES_FILE, PAGE, SHEET, STRIPS = "report.json", "photographs.csv", "report.html", "sheet.jpg", "strips"


def check_places(sources: Sequence[Path], outputs: Sequence[Path], inputs: Path | None, report: Path | None) -> None:
    """Check that no photograph, and no other tool's picture, is where something will be written.

    sources: folders and ZIP archives of photographs. outputs: of other tools' pictures. inputs: the folder of the gray
    photographs; one below a source is refused too, because next time they would be among the photographs. report: the
    report's folder. One that holds a report already is no source. Raises InputError.
    """
    for option, folder in (("--inputs", inputs), ("--out", report)):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise InputError(f"{option} {folder} is a file: name a folder")
    for source in sources:
        if inputs is not None and source.is_dir() and _real(inputs).is_relative_to(_real(source)):
            raise InputError(f"--inputs {inputs} lies in {source}, among the photographs: name a folder outside of it")
        if report is not None and _real(report) == _real(source):
            raise InputError(f"--out {report} holds the photographs: name a folder of its own for the report")
    avoid = [report] if report is not None and (report / SUMMARY).exists() else []
    photographs = find_photographs(sources, [*outputs, *avoid])
    compared = [*photographs, *find_photographs(outputs, avoid)]
    if inputs is not None:
        _check(compared, (inputs / f"{name}.png" for name in flat_names(photographs)), "--inputs")
    if report is not None:
        strips = (f"{STRIPS}/{number}.jpg" for number in range(len(photographs)))
        files = (report / name for name in (SUMMARY, MEASURES_FILE, PAGE, SHEET, *strips))
        _check(compared, files, "--out")


def _check(compared: Iterable[Member], files: Iterable[Path], option: str) -> None:
    """Raises InputError for a file that is there already and is one of what is compared, by whatever name."""
    there = {_identity(file): file for file in files if file.exists()}
    if not there:
        return
    for path in {member.source if member.source.is_file() else member.source / member.name for member in compared}:
        if path.exists() and _identity(path) in there:
            raise InputError(f"{option} would replace {path}, which is compared: name another folder")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
