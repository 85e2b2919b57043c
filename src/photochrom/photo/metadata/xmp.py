"""XMP packets: reading, removing and adding properties.

The standard library's DOM keeps prefixes, order and structure of what other programs wrote. A packet that declares
entities is not read: XMP has none, and expanding them can fill the memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from xml.dom import minidom
from xml.parsers.expat import ExpatError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMLNS = "http://www.w3.org/2000/xmlns/"
XML = "http://www.w3.org/XML/1998/namespace"
EMPTY = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
    '<rdf:Description rdf:about=""/></rdf:RDF></x:xmpmeta>'
)
BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
END = '<?xpacket end="w"?>'
MAX_PACKET = 64_000_000  # bytes: a larger one is not read
LONG = 1000  # characters: longer properties of ours stand in the extension of a JPEG, if there is one
MAX_DEPTH = 100  # elements in one another: a deeper packet is not read, because what looks through it is recursive
UNWRITABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # characters that XML can't hold

NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "stRef": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "photochrom": "urn:uuid:5d0e2a5c-3c0b-5d6c-9f5e-6a1f2c8f7b10#",  # ours; docs/metadata.md says what it has
}


Node = Any  # of minidom, whose types say nothing of which node has what


class Property(NamedTuple):
    """One property to add.

    kind: "text", "alt" (a text in the default language), "seq", "bag", or "event" and "reference", whose values are
    pairs of a field's name and its text.
    """

    prefix: str
    name: str
    value: Any
    kind: str = "text"


def parse(packet: bytes) -> Node | None:
    """The packet's document, an empty one for no packet; None for one that can't be read."""
    content = packet.strip(b"\0 \r\n\t")
    if not content:
        return minidom.parseString(EMPTY)
    if len(content) > MAX_PACKET or b"<!" in content.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        return None
    try:
        document = minidom.parseString(content)
        if _depth(document.documentElement) > MAX_DEPTH:
            return None
    except (ExpatError, ValueError, LookupError, RecursionError):
        return None
    return document if document.getElementsByTagNameNS(RDF, "RDF") else None


def _depth(element: Node) -> int:
    """How many elements stand in one another, without recursion."""
    deepest, level = 0, [element]
    while level:
        deepest += 1
        level = [child for node in level for child in node.childNodes if child.nodeType == child.ELEMENT_NODE]
    return deepest


def pack(document: Node) -> bytes:
    """A packet of the document, without the padding that other programs leave for changes."""
    parts = [BEGIN]
    _write(document.documentElement, parts)
    return "".join([*parts, END]).encode("utf-8")


def _write(element: Node, parts: list[str]) -> None:
    """Write an element, with line ends in attributes, which minidom's own writer loses."""
    parts.append("<" + element.tagName)
    for name, value in element.attributes.items():
        parts.append(f' {name}="{_escaped(value, True)}"')
    if not element.childNodes:
        parts.append("/>")
        return
    parts.append(">")
    for node in element.childNodes:
        if node.nodeType == node.ELEMENT_NODE:
            _write(node, parts)
        elif node.nodeType in (node.TEXT_NODE, node.CDATA_SECTION_NODE):
            parts.append(_escaped(node.data, False))
    parts.append(f"</{element.tagName}>")


def _escaped(text: str, attribute: bool) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")
    return text.replace('"', "&quot;").replace("\n", "&#xA;").replace("\t", "&#x9;") if attribute else text


def descriptions(document: Node) -> list[Node]:
    """The elements whose attributes and children are the properties."""
    found = []
    for root in document.getElementsByTagNameNS(RDF, "RDF"):
        found += [node for node in root.childNodes if (node.namespaceURI, node.localName) == (RDF, "Description")]
    return found


def properties(document: Node) -> Iterator[tuple[Node, Node]]:
    """Every top-level property, as (description, attribute or element)."""
    for description in descriptions(document):
        for index in range(description.attributes.length):
            attribute = description.attributes.item(index)
            if attribute.namespaceURI not in (RDF, XMLNS, XML):
                yield description, attribute
        for node in description.childNodes:
            if node.nodeType == node.ELEMENT_NODE:
                yield description, node


def find(document: Node, prefix: str, name: str) -> Node | None:
    """The property of a known prefix and a name, an attribute or an element."""
    wanted = (NAMESPACES[prefix], name)
    return next((node for _, node in properties(document) if (node.namespaceURI, node.localName) == wanted), None)


def text_of(node: Node | None) -> str:
    """All text of an attribute or an element."""
    if node is None:
        return ""
    if node.nodeType == node.ATTRIBUTE_NODE:
        return node.value
    if node.nodeType in (node.TEXT_NODE, node.CDATA_SECTION_NODE):
        return node.data
    resource = node.getAttributeNS(RDF, "resource") if node.nodeType == node.ELEMENT_NODE else ""
    return (resource or "".join(map(text_of, node.childNodes))).strip()


def value_of(document: Node, prefix: str, name: str) -> str:
    """The text of a property; empty if there is none."""
    return text_of(find(document, prefix, name))


def remove(node: Node) -> None:
    """Remove an attribute or an element from what it stands in."""
    if node.nodeType == node.ATTRIBUTE_NODE:
        node.ownerElement.removeAttributeNode(node)
    else:
        node.parentNode.removeChild(node)


def add(document: Node, new: Iterable[Property]) -> None:
    """Add properties in a description of their own. Lists of a name that is there already get longer."""
    first = descriptions(document)
    about = first[0].getAttributeNS(RDF, "about") if first else ""
    root = document.getElementsByTagNameNS(RDF, "RDF")[0]
    rdf = root.prefix or "rdf"
    if not root.prefix:  # RDF is the default namespace, which attributes can't have
        root.setAttributeNS(XMLNS, "xmlns:rdf", RDF)
    description = document.createElementNS(RDF, f"{rdf}:Description")
    description.setAttributeNS(RDF, f"{rdf}:about", about)
    for one in new:
        existing = find(document, one.prefix, one.name) if one.kind in ("seq", "bag", "event") else None
        lists = [n for n in existing.childNodes if n.namespaceURI == RDF] if existing is not None else []
        if lists:
            _extend(document, lists[0], one, rdf)
        else:
            description.appendChild(_element(document, one, rdf))
    if description.childNodes:
        for prefix in sorted({node.prefix for node in description.childNodes} | {"stEvt", "stRef"}):
            description.setAttributeNS(XMLNS, f"xmlns:{prefix}", NAMESPACES[prefix])
        root.appendChild(description)


def _element(document: Node, one: Property, rdf: str) -> Node:
    element = document.createElementNS(NAMESPACES[one.prefix], f"{one.prefix}:{one.name}")
    if one.kind == "text":
        element.appendChild(document.createTextNode(_clean(str(one.value))))
    elif one.kind == "reference":
        _fill(document, element, one, "stRef", rdf)
    else:
        name = {"alt": "Alt", "bag": "Bag"}.get(one.kind, "Seq")
        items = element.appendChild(document.createElementNS(RDF, f"{rdf}:{name}"))
        _extend(document, items, one, rdf)
    return element


def _extend(document: Node, items: Node, one: Property, rdf: str) -> None:
    for value in (one.value,) if one.kind in ("alt", "event") or isinstance(one.value, str) else one.value:
        item = items.appendChild(document.createElementNS(RDF, f"{rdf}:li"))
        if one.kind == "event":
            item.setAttributeNS(XMLNS, "xmlns:stEvt", NAMESPACES["stEvt"])
            _fill(document, item, one, "stEvt", rdf)
            continue
        if one.kind == "alt":
            item.setAttributeNS(XML, "xml:lang", "x-default")
        item.appendChild(document.createTextNode(_clean(str(value))))


def _fill(document: Node, element: Node, one: Property, prefix: str, rdf: str) -> None:
    """Give an element the fields of a structure."""
    element.setAttributeNS(RDF, f"{rdf}:parseType", "Resource")
    for name, text in one.value:
        field = element.appendChild(document.createElementNS(NAMESPACES[prefix], f"{prefix}:{name}"))
        field.appendChild(document.createTextNode(_clean(text)))


def _clean(text: str) -> str:
    return UNWRITABLE.sub("\ufffd", text)


def split_mark(packet: bytes, limit: int) -> tuple[bytes, bytes]:
    """A packet too large for one segment of a JPEG, as a small one of at most `limit` bytes and an extension.

    The small one has our mark, which is in the last description, and 32 zeros in place of the extension's GUID. If the
    mark is too large itself, what is long in it is in the extension.
    """
    document = parse(packet)
    assert document is not None  # we wrote it
    small = minidom.parseString(EMPTY)
    (only,) = descriptions(small)
    only.setAttributeNS(XMLNS, "xmlns:xmpNote", NAMESPACES["xmpNote"])
    only.setAttributeNS(NAMESPACES["xmpNote"], "xmpNote:HasExtendedXMP", "0" * 32)
    if value_of(document, "photochrom", "SourceSHA256"):
        last = descriptions(document)[-1]
        root = small.getElementsByTagNameNS(RDF, "RDF")[0]
        ours = root.appendChild(small.importNode(last, True))
        is_large = len(pack(small)) > limit  # hints may be tens of thousands of points
        for here, there in zip(list(ours.childNodes), list(last.childNodes), strict=True):
            remove(here if is_large and len(here.toxml()) > LONG else there)
        if not last.childNodes:
            remove(last)
    parts: list[str] = []
    _write(document.documentElement, parts)
    return pack(small), "".join(parts).encode("utf-8")
