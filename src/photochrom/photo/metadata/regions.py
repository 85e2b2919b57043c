"""Regions of a photograph that XMP marks, faces above all: turned with its pixels."""

from __future__ import annotations

from collections.abc import Iterator

from photochrom.photo.metadata import xmp
from photochrom.photo.metadata.xmp import Node

MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA = "http://ns.adobe.com/xmp/sType/Area#"
DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
MICROSOFT = "http://ns.microsoft.com/photo/1.2/"
MICROSOFT_REGION = "http://ns.microsoft.com/photo/1.2/t/Region#"
ACDSEE = "http://ns.acdsee.com/regions/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
DROPPED = "marked regions, which can't be turned with the picture"


def has_regions(document: Node) -> bool:
    """Whether a document marks regions."""
    return any(_is_of_regions(node) for _, node in xmp.properties(document))


def drop_regions(document: Node) -> bool:
    """Remove all regions. Whether there were any."""
    found = [node for _, node in xmp.properties(document) if _is_of_regions(node)]
    for node in found:
        xmp.remove(node)
    return bool(found)


def _is_of_regions(node: Node) -> bool:
    known = {(MWG, "Regions"), (MICROSOFT, "RegionInfo"), (IPTC, "ImageRegion")}
    return (node.namespaceURI, node.localName) in known or node.namespaceURI == ACDSEE


def turn_regions(document: Node, orientation: int) -> tuple[bool, list[str]]:
    """Turn what can be turned; whether anything changed, and what had to be dropped."""
    changed = False
    dropped: list[str] = []
    for _, node in list(xmp.properties(document)):
        key = node.namespaceURI, node.localName
        try:
            if key == (MWG, "Regions"):
                _turn_mwg(node, orientation)
            elif key == (MICROSOFT, "RegionInfo"):
                _turn_microsoft(node, orientation)
            elif node.namespaceURI == ACDSEE or key == (IPTC, "ImageRegion"):
                raise ValueError("not turned here")
            else:
                continue
        except (ValueError, TypeError, AttributeError):
            xmp.remove(node)
            dropped.append(DROPPED)
        changed = True
    return changed, dropped


def turned_point(x: float, y: float, orientation: int) -> tuple[float, float]:
    """Where a point of the stored picture, in parts of its width and height, is in the upright one."""
    return {
        1: (x, y),
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (1 - y, x),
        7: (1 - y, 1 - x),
        8: (y, 1 - x),
    }[orientation]


def _turn_mwg(regions: Node, orientation: int) -> None:
    """Areas by their centers, in parts of the picture. Raises ValueError for others."""
    for element in _elements(regions):
        unit = _get(element, AREA, "unit")
        x, y, w, h = (_get(element, AREA, name) for name in ("x", "y", "w", "h"))
        if x is not None and y is not None:
            if unit not in (None, "normalized"):
                raise ValueError("an area in pixels")
            turned_x, turned_y = turned_point(float(x), float(y), orientation)
            _set(element, AREA, "x", _number(turned_x))
            _set(element, AREA, "y", _number(turned_y))
            if orientation >= 5 and w is not None and h is not None:
                _set(element, AREA, "w", h)
                _set(element, AREA, "h", w)
        w, h = (_get(element, DIMENSIONS, name) for name in ("w", "h"))
        if orientation >= 5 and w is not None and h is not None:
            _set(element, DIMENSIONS, "w", h)
            _set(element, DIMENSIONS, "h", w)


def _turn_microsoft(info: Node, orientation: int) -> None:
    """Rectangles by their left upper corners. Raises ValueError for what is no rectangle."""
    for element in _elements(info):
        rectangle = _get(element, MICROSOFT_REGION, "Rectangle")
        if rectangle is None:
            continue
        x, y, w, h = (float(part) for part in rectangle.split(","))
        first, second = turned_point(x, y, orientation), turned_point(x + w, y + h, orientation)
        left, top = min(first[0], second[0]), min(first[1], second[1])
        sizes = (abs(first[0] - second[0]), abs(first[1] - second[1]))
        _set(element, MICROSOFT_REGION, "Rectangle", ", ".join(map(_number, (left, top, *sizes))))


def _elements(node: Node) -> Iterator[Node]:
    """An element and all below it."""
    if node.nodeType == node.ELEMENT_NODE:
        yield node
        for child in node.childNodes:
            yield from _elements(child)


def _field(element: Node, namespace: str, name: str) -> Node | None:
    """A field of a structure, an attribute or a child."""
    attribute = element.getAttributeNodeNS(namespace, name)
    if attribute is not None:
        return attribute
    children = (node for node in element.childNodes if (node.namespaceURI, node.localName) == (namespace, name))
    return next(children, None)


def _get(element: Node, namespace: str, name: str) -> str | None:
    field = _field(element, namespace, name)
    return None if field is None else xmp.text_of(field)


def _set(element: Node, namespace: str, name: str, value: str) -> None:
    field = _field(element, namespace, name)
    assert field is not None
    if field.nodeType == field.ATTRIBUTE_NODE:
        field.value = value
        return
    for node in list(field.childNodes):
        field.removeChild(node)
    field.appendChild(field.ownerDocument.createTextNode(value))


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"
