"""What one container says in IPTC, comments or texts and another can only say in XMP.

The names are those that IPTC's and Adobe's documents give for the fields of the older forms.
"""

from __future__ import annotations

from collections.abc import Iterable

from photochrom.photo.metadata.iptc import fields
from photochrom.photo.metadata.record import Text
from photochrom.photo.metadata.xmp import Node, Property, find, value_of

# IIM's number in record 2: prefix, name, kind
IPTC_FIELDS = {
    4: ("Iptc4xmpCore", "IntellectualGenre", "text"),
    5: ("dc", "title", "alt"),
    10: ("photoshop", "Urgency", "text"),
    12: ("Iptc4xmpCore", "SubjectCode", "bag"),
    15: ("photoshop", "Category", "text"),
    20: ("photoshop", "SupplementalCategories", "bag"),
    25: ("dc", "subject", "bag"),
    40: ("photoshop", "Instructions", "text"),
    55: ("photoshop", "DateCreated", "date"),
    80: ("dc", "creator", "seq"),
    85: ("photoshop", "AuthorsPosition", "text"),
    90: ("photoshop", "City", "text"),
    92: ("Iptc4xmpCore", "Location", "text"),
    95: ("photoshop", "State", "text"),
    100: ("Iptc4xmpCore", "CountryCode", "text"),
    101: ("photoshop", "Country", "text"),
    103: ("photoshop", "TransmissionReference", "text"),
    105: ("photoshop", "Headline", "text"),
    110: ("photoshop", "Credit", "text"),
    115: ("photoshop", "Source", "text"),
    116: ("dc", "rights", "alt"),
    120: ("dc", "description", "alt"),
    122: ("photoshop", "CaptionWriter", "text"),
}
IMPLIED = {(2, 0), (2, 60), (1, 90), (1, 0)}  # the version, the time (it is part of the date), the character set
PNG_KEYWORDS = {
    "Title": ("dc", "title", "alt"),
    "Author": ("dc", "creator", "seq"),
    "Description": ("dc", "description", "alt"),
    "Copyright": ("dc", "rights", "alt"),
    "Creation Time": ("xmp", "CreateDate", "text"),
    "Software": ("xmp", "CreatorTool", "text"),
    "Source": ("dc", "source", "text"),
    "Comment": ("exif", "UserComment", "alt"),
}
OTHER_TEXTS = ("photochrom", "Texts", "bag")  # of a PNG, as "keyword: text"


def missing(document: Node, iptc: bytes, texts: tuple[Text, ...]) -> list[Property]:
    """The properties that a document needs to say what IPTC fields and the texts of a PNG say.

    A text that the document says otherwise goes to `OTHER_TEXTS`.
    """
    new = [each for each in from_iptc(iptc)[0] if find(document, each.prefix, each.name) is None]
    named: set[tuple[str, str]] = {(each.prefix, each.name) for each in new}
    others = []
    for text in texts:
        prefix, name, kind = PNG_KEYWORDS.get(text.keyword, OTHER_TEXTS)
        if (prefix, name, kind) == OTHER_TEXTS or (prefix, name) in named:
            others.append(f"{text.keyword}: {text.text}")
        elif find(document, prefix, name) is None:
            new.append(_property(prefix, name, kind, [text.text]))
            named.add((prefix, name))
        elif not _says(document, prefix, name, [text.text]):
            others.append(f"{text.keyword}: {text.text}")
    return new + ([Property(*OTHER_TEXTS[:2], tuple(others), "bag")] if others else [])


def says_all(document: Node, iptc: bytes) -> bool:
    """Whether a document, with what `missing` adds, says all that IPTC fields say."""
    found, complete = from_iptc(iptc)
    return complete and all(
        find(document, each.prefix, each.name) is None
        or _says(document, each.prefix, each.name, each.value if isinstance(each.value, tuple) else [each.value])
        for each in found
    )


def from_iptc(iptc: bytes) -> tuple[list[Property], bool]:
    """The properties that stand for IPTC fields, and whether there are fields that none stands for."""
    lists: dict[tuple[str, str, str], list[str]] = {}
    complete = True
    found = fields(iptc)
    time = next((text for record, number, text in found if (record, number) == (2, 60)), "")
    for record, number, text in found:
        if record == 2 and number in IPTC_FIELDS:
            prefix, name, kind = IPTC_FIELDS[number]
            lists.setdefault((prefix, name, kind), []).append(_date(text, time) if kind == "date" else text)
        elif (record, number) not in IMPLIED:
            complete = False
    return [_property(*key, values) for key, values in lists.items()], complete


def _says(document: Node, prefix: str, name: str, values: Iterable[str]) -> bool:
    """Whether a property has these values, apart from spaces."""
    return "".join(value_of(document, prefix, name).split()) == "".join("".join(values).split())


def _property(prefix: str, name: str, kind: str, values: list[str]) -> Property:
    if kind in ("seq", "bag"):
        return Property(prefix, name, tuple(values), kind)
    return Property(prefix, name, values[0], "text" if kind == "date" else kind)


def _date(day: str, time: str) -> str:
    """IIM's 19310501 and 120000+0100 as 1931-05-01T12:00:00+01:00."""
    if len(day) != 8 or not day.isdigit():
        return day
    parts = [part for part in (day[:4], day[4:6], day[6:]) if part.strip("0")]
    date = "-".join(parts)
    if len(parts) < 3 or len(time) != 11:
        return date
    return f"{date}T{time[:2]}:{time[2:4]}:{time[4:6]}{time[6:9]}:{time[9:]}"
