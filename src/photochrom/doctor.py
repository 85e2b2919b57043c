"""What a bug report needs: versions, formats, the model, and whether a photograph can be colored here."""

from __future__ import annotations

import locale
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from photochrom import __version__
from photochrom.errors import PhotochromError, reason_of
from photochrom.settings import DEFAULT_MODEL

TEST_SIDE = 256  # pixels of the picture that is colored as a test


@dataclass(frozen=True)
class Finding:
    """A line of the report. fine: False if photochrom can't color because of this."""

    subject: str
    text: str
    fine: bool = True


def diagnose() -> Iterator[Finding]:
    """Check this installation and machine. Only a temporary file is written, and nothing is sent."""
    yield Finding("photochrom", f"{__version__} in {_without_home(Path(__file__).parent)}")
    yield Finding(
        "Python", f"{platform.python_version()} ({platform.python_implementation()}) on {platform.platform()}"
    )
    yield Finding("machine", f"{os.cpu_count()} cores, {_memory()}")
    yield Finding("encoding", f"{locale.getpreferredencoding(False)}, files {sys.getfilesystemencoding()}")
    yield _temporary_folder()
    for extra, packages in _requirements().items():
        yield Finding(f"extra {extra}" if extra else "needs", ", ".join(_installed(name) for name in packages))
    yield from (_libvips(), _devices(), _model(), _coloring())


def _requirements() -> dict[str, list[str]]:
    """Names of the dependencies of every extra; "" for those that are always needed."""
    found: dict[str, list[str]] = {}
    for requirement in requires("photochrom") or []:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name and name[0] != "photochrom" and (extra is None or extra[1] not in ("dev", "docs")):
            found.setdefault(extra[1] if extra else "", []).append(name[0])
    return found


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} -"


def _temporary_folder() -> Finding:
    try:
        with tempfile.NamedTemporaryFile(prefix="photochrom-") as file:
            free = shutil.disk_usage(Path(file.name).parent).free
        return Finding("temporary files", f"writable, {free / 1e9:.1f} GB free")
    except OSError as error:
        return Finding("temporary files", f"cannot be written: {reason_of(error)}; set TMPDIR", False)


def _libvips() -> Finding:
    try:
        from photochrom.photo.vips import pyvips

        suffixes = sorted(set(pyvips.get_suffixes()))
        numbers = ".".join(str(pyvips.version(part)) for part in range(3))
        return Finding("libvips", f"{numbers}, writes {' '.join(suffixes)}")
    except Exception as error:  # a broken shared library may raise anything
        return Finding("libvips", f"does not load: {error}", False)


def _devices() -> Finding:
    try:
        from photochrom.inference.onnx_backend import devices_here

        return Finding("devices", ", ".join(devices_here()))
    except Exception as error:  # a broken shared library may raise anything
        return Finding("devices", f"ONNX Runtime does not load: {error}", False)


def _model() -> Finding:
    from photochrom.inference.weights import read_bundled

    try:
        content = read_bundled(DEFAULT_MODEL)
    except PhotochromError as error:
        return Finding("model", str(error), False)
    return Finding("model", f"{DEFAULT_MODEL}, {len(content) / 1e6:.1f} MB, as it was shipped")


def _coloring() -> Finding:
    try:
        import numpy as np

        from photochrom.inference.colorizer import Colorizer

        ramp = np.tile(np.arange(TEST_SIDE, dtype=np.uint8), (TEST_SIDE, 1))
        began = time.perf_counter()
        colorizer = Colorizer()
        loaded = time.perf_counter()
        colorizer.colorize(ramp)
        ended = time.perf_counter()
        seconds = f"model loaded in {loaded - began:.2f} s, a picture in {ended - loaded:.2f} s"
        return Finding("coloring", f"works, on the device {colorizer.device}; {seconds}")
    except Exception as error:
        return Finding("coloring", f"does not work: {type(error).__name__}: {error}", False)


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB"
    except (AttributeError, ValueError, OSError):  # not on Windows
        return "memory unknown"


def _without_home(path: Path) -> str:
    """A path in which ~ stands for the home folder, which often has the user's name."""
    home = os.path.expanduser("~")
    text = str(path)
    return "~" + text[len(home) :] if home != "~" and text.startswith(home + os.sep) else text
