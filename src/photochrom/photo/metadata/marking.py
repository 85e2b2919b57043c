"""The mark: what a color version says about how it was made, in XMP, for people, machines and photochrom itself.

docs/metadata.md describes every property. There is no date in it, so the same photograph and settings give the same
bytes.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib

from photochrom.errors import InputError
from photochrom.photo.metadata import png
from photochrom.photo.metadata.ifd import Buffer
from photochrom.photo.metadata.mark import Mark, hints_in_words, hints_text, parse_hints
from photochrom.photo.metadata.record import Metadata
from photochrom.photo.metadata.xmp import Node, Property, add, find, parse, remove, value_of

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COLORED = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
NO_DIGEST = "0" * 64
# The last property, so that the digest of the file can be put into it when all else is written.
SEAL = re.compile(rb"<photochrom:FileSHA256>([0-9a-f]{64})</photochrom:FileSHA256>")
NAMES: tuple[str, ...] = (
    "Model",
    "ModelSHA256",
    "WorkingSize",
    "Strength",
    "Warmth",
    "Seed",
    "Hints",
    "Width",
    "Height",
    "Format",
    "Quality",
)
NAMES += ("Crop", "SideBySide", "Label", "Version", "SourceSHA256", "SourceType", "SettingsSHA256", "FileSHA256")


def put_mark(document: Node, mark: Mark) -> None:
    """Put a mark into XMP. It replaces an earlier one; the history gets longer."""
    former_type = value_of(document, "photochrom", "SourceType") or value_of(
        document, "Iptc4xmpExt", "DigitalSourceType"
    )
    identifiers = [
        (field, value)
        for field, name in (("documentID", "DocumentID"), ("instanceID", "InstanceID"))
        if (value := value_of(document, "xmpMM", name))
    ]
    replaced = [("photochrom", name) for name in NAMES] + [("xmpMM", "InstanceID"), ("xmpMM", "DerivedFrom")]
    replaced += [("Iptc4xmpExt", name) for name in ("DigitalSourceType", "AISystemUsed", "AISystemVersionUsed")]
    replaced += [("Iptc4xmpExt", "AIPromptInformation"), ("Iptc4xmpExt", "AIPromptWriterName")]
    for prefix, name in replaced:
        node = find(document, prefix, name)
        if node is not None:
            remove(node)
    add(document, _properties(mark, former_type, identifiers))


def _properties(mark: Mark, former_type: str, identifiers: list[tuple[str, str]]) -> list[Property]:
    instance = f"xmp.iid:{hashlib.sha256(f'{mark.source_sha256} {mark.settings_sha256}'.encode()).hexdigest()[:32]}"
    event = (
        ("action", "edited"),
        ("instanceID", instance),
        ("softwareAgent", f"photochrom {mark.version}"),
        ("changed", "/"),
        ("parameters", f"colorized: {mark.parameters}"),
    )
    prompt = f"No text prompt. Colors follow from the luminance; strength {mark.strength:g}"
    prompt += f", warmth {mark.warmth:g}" if mark.warmth else ""
    prompt += f", seed {mark.seed}" if mark.seed is not None else ""
    prompt += f", color hints {hints_in_words(mark.hints)}" if mark.hints else ""
    given = [
        Property("Iptc4xmpExt", "DigitalSourceType", COLORED),
        Property("Iptc4xmpExt", "AISystemUsed", "photochrom"),
        Property("Iptc4xmpExt", "AISystemVersionUsed", f"{mark.version}, model {mark.model}"),
        Property("Iptc4xmpExt", "AIPromptInformation", prompt),
        Property("xmpMM", "InstanceID", instance),
        Property("xmpMM", "History", event, "event"),
    ]
    if identifiers:
        given.append(Property("xmpMM", "DerivedFrom", tuple(identifiers), "reference"))
    values = {
        "Version": mark.version,
        "Model": mark.model,
        "ModelSHA256": mark.model_sha256,
        "WorkingSize": str(mark.working_size),
        "Strength": repr(float(mark.strength)),
        "Warmth": repr(float(mark.warmth)) if mark.warmth else "",
        "Seed": "" if mark.seed is None else str(mark.seed),
        "Hints": hints_text(mark.hints),
        "Width": str(mark.size[0]),
        "Height": str(mark.size[1]),
        "Format": mark.format,
        "Quality": str(mark.quality) if mark.quality else "",
        "Crop": mark.crop,
        "SideBySide": "yes" if mark.side_by_side else "",
        "Label": mark.label,
        "SourceSHA256": mark.source_sha256 or "unknown",
        "SourceType": mark.source_type or former_type,
        "SettingsSHA256": mark.settings_sha256,
        "FileSHA256": NO_DIGEST,
    }
    return given + [Property("photochrom", name, value) for name, value in values.items() if value]


def read_mark(metadata: Metadata) -> Mark | None:
    """The mark in a file's metadata; None if it has none. Raises InputError for one that was tampered with."""
    document = parse(metadata.xmp)
    if document is None or find(document, "photochrom", "SettingsSHA256") is None:
        return None
    values = {name: value_of(document, "photochrom", name) for name in NAMES}
    try:
        return Mark(
            values["Version"],
            values["Model"],
            values["ModelSHA256"],
            int(values["WorkingSize"]),
            float(values["Strength"]),
            int(values["Seed"]) if values["Seed"] else None,
            parse_hints(values["Hints"]),
            (int(values["Width"]), int(values["Height"])),
            values["SourceSHA256"].replace("unknown", ""),
            values["Format"],
            int(values["Quality"] or 0),
            values["Label"],
            values["SourceType"],
            float(values["Warmth"] or 0),
            values["Crop"],
            bool(values["SideBySide"]),
        )
    except (ValueError, InputError):
        raise InputError("has a mark of photochrom that can't be read: another program changed it") from None


def sealed(xmp: bytes, digest: str) -> bytes:
    """A packet with the digest of the whole file in its mark."""
    return SEAL.sub(b"<photochrom:FileSHA256>" + digest.encode() + b"</photochrom:FileSHA256>", xmp, count=1)


def is_unchanged(content: bytes) -> bool | None:
    """Whether a file is byte for byte as photochrom wrote it; None if it has no mark.

    The digest in the mark is of the file with zeros in its place, so it is put back to zeros first.
    """
    match = SEAL.search(content)
    if match is None:
        return None
    pieces: list[Buffer] = [content[: match.start(1)], NO_DIGEST.encode(), memoryview(content)[match.end(1) :]]
    if content.startswith(png.SIGNATURE):
        for kind, _, start, end in png.chunks(content):
            if start < match.start(1) < end:
                inside = sealed(content[start + 8 : end - 4], NO_DIGEST)
                checksum = struct.pack(">I", zlib.crc32(kind + inside))
                view = memoryview(content)
                pieces = [view[: start + 8], inside, checksum, view[end:]]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest().encode() == match[1]
