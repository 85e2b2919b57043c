"""onnxruntime-web: the files that the page needs of it, and where they come from.

They are 14 MB, so no wheel has them. They are downloaded once from the npm registry and kept in the user's cache, or
taken from a folder: the package's `dist`, as `npm install onnxruntime-web` puts it into node_modules.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from photochrom.disk import write_whole
from photochrom.errors import InputError, OutputError, reason_of

VERSION = "1.30.0"
REGISTRY = "https://registry.npmjs.org"
TARBALL_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
MODULE, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
SHA256 = {
    MODULE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
TIMEOUT = 60  # seconds without a byte


def read_runtime(folder: Path | None, tell: Callable[[str], None] = print) -> dict[str, bytes]:
    """The files by their name: of a folder, or from the cache, into which they are downloaded first if need be.

    Raises InputError for a folder that lacks them, or has those of another version.
    """
    if folder is not None:
        found = _read(folder)
        if found is None:
            raise InputError(f"{folder} has no onnxruntime-web {VERSION}: name the folder dist of its npm package")
        return found
    cache = cache_folder()
    found = _read(cache)
    if found is None:
        tell(f"Downloading onnxruntime-web {VERSION} (33 MB) from {registry()}, once.")
        found = _unpacked(_download())
        try:
            cache.mkdir(parents=True, exist_ok=True)
            for name, content in found.items():
                write_whole(cache / name, content)
        except OSError as error:
            raise OutputError(f"cannot write {cache}: {reason_of(error)}") from error
    return found


def cache_folder() -> Path:
    """Where the files are kept."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "photochrom" / f"onnxruntime-web-{VERSION}"


def registry() -> str:
    """The address of the npm registry: npm's own variable NPM_CONFIG_REGISTRY may name a mirror."""
    return (os.environ.get("NPM_CONFIG_REGISTRY") or REGISTRY).rstrip("/")


def _read(folder: Path) -> dict[str, bytes] | None:
    """The files of a folder; None if one is missing or another than we know."""
    try:
        found = {name: (folder / name).read_bytes() for name in SHA256}
    except OSError:
        return None
    return found if all(hashlib.sha256(found[name]).hexdigest() == digest for name, digest in SHA256.items()) else None


def _download() -> bytes:
    address = f"{registry()}/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
    try:
        with urlopen(address, timeout=TIMEOUT) as answer:
            content: bytes = answer.read()
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"cannot download {address}: {reason}; run npm install onnxruntime-web@{VERSION} elsewhere, "
            "and name its folder with --runtime node_modules/onnxruntime-web/dist"
        ) from error
    if hashlib.sha256(content).hexdigest() != TARBALL_SHA256:
        raise InputError(f"what {address} gave is not onnxruntime-web {VERSION}: its SHA-256 is another one")
    return content


def _unpacked(tarball: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        members = {name: archive.extractfile(f"package/dist/{name}") for name in SHA256}
        return {name: member.read() for name, member in members.items() if member is not None}
