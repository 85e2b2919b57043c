"""--crop-border: prints on desks and in scanners are found, and what is no print on a desk stays whole."""

import numpy as np
import pytest
from click.testing import CliRunner
from desks import DESKS, lay
from PIL import Image
from skimage import data

from photochrom import Hint, cli
from photochrom.coloring import Look, Request, color
from photochrom.errors import InputError
from photochrom.photo.arranging import crop_to_print
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.marked import read_marked
from photochrom.photo.metadata import xmp
from photochrom.photo.metadata.marking import read_mark
from photochrom.photo.metadata.reading import read_metadata
from photochrom.photo.photograph import Photograph
from photochrom.photo.print_border import Box, find_print

FACE = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"><mwg-rs:Regions rdf:parseType="Resource"/>
<dc:source>an album</dc:source></rdf:Description></rdf:RDF></x:xmpmeta>"""


def run(*arguments, stdin=None):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments], input=stdin)


def box_of(scan) -> Box:
    box = find_print(decode_photograph(scan.read_bytes()).pixels)
    assert box is not None
    return box


def picture_of(name: str) -> np.ndarray:
    return getattr(data, name)()


@pytest.mark.parametrize("kind", DESKS)
@pytest.mark.parametrize("name, angle", [("camera", 0), ("chelsea", -1.5), ("astronaut", 3), ("coffee", 6)])
@pytest.mark.parametrize("border", [0, 0.06])
def test_a_print_is_found(kind, name, angle, border):
    picture, own, (width, height) = lay(picture_of(name), kind, angle, border, (0.4, 0.6))
    box = find_print(picture)
    assert box is not None
    part = np.s_[box.top : box.top + box.height, box.left : box.left + box.width]
    assert own[part].mean() > 0.99  # nothing of the desk, but for a few pixels
    lost = abs(np.tan(np.radians(angle)))  # of an upright rectangle inside a turned one
    most = (width - height * lost) * (height - width * lost)
    assert box.width * box.height > 0.92 * most  # and, with its border, all of the print


@pytest.mark.parametrize("kind", DESKS)
def test_a_print_in_the_corner_of_the_bed(kind):
    picture, _, size = lay(picture_of("camera"), kind, 0, 0.05, (0, 0))
    box = find_print(picture)
    assert box is not None and (box.left, box.top) == (0, 0)
    assert abs(box.width - size[0]) <= 4 and abs(box.height - size[1]) <= 4


@pytest.mark.parametrize("name", ["astronaut", "camera", "chelsea", "coffee", "rocket", "coins", "page", "grass"])
@pytest.mark.parametrize("border", [0, 0.05])
def test_a_photograph_that_fills_the_picture_stays_whole(name, border):
    """Also one with the white border of its own paper, which is not a scanner's lid."""
    picture = picture_of(name)
    edge = round(border * min(picture.shape[:2]))
    sides = ((edge, edge), (edge, edge), (0, 0))[: picture.ndim]
    assert find_print(np.pad(picture, sides, constant_values=238)) is None


@pytest.mark.parametrize("shape", [(8, 8), (8, 700), (40, 30, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_without_anything(shape, dtype):
    for value in (0, np.iinfo(dtype).max):
        assert find_print(np.full(shape, value, dtype)) is None
    noise = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    assert find_print(noise) is None


def test_two_prints_are_not_guessed_at():
    one, _, _ = lay(picture_of("camera"), "dark bed", 0, 0, (0, 0))
    other, own, _ = lay(picture_of("chelsea"), "dark bed", 8, 0, (1, 1))
    assert find_print(np.where(own[..., None], other, one)) is None


def test_16_bits_transparency_and_pages_are_cropped_alike():
    picture, _, _ = lay(picture_of("chelsea"), "white lid", 2)
    box = find_print(picture)
    deep = picture.astype(np.uint16) * 257
    page = Photograph(deep, format="tiff")
    cropped, found = crop_to_print(Photograph(deep, deep[..., 0], "tiff", pages=(page,)))
    assert found == box
    for each in (cropped, cropped.pages[0]):
        assert each.pixels.shape == (box.height, box.width, 3)
    assert cropped.alpha.shape == (box.height, box.width)
    assert np.array_equal(cropped.pixels, deep[box.top : box.top + box.height, box.left : box.left + box.width])


@pytest.fixture
def scan(tmp_path):
    """A print in a scanner, with a face marked in it and a size and a subject in its EXIF."""
    picture, _, _ = lay(picture_of("camera"), "dark bed", 1, 0.05)
    exif = Image.Exif()
    exif[0x8769] = {0xA002: 600, 0xA003: 450, 0x9214: (300, 200)}
    path = tmp_path / "scan.jpg"
    Image.fromarray(picture).save(path, exif=exif.tobytes(), xmp=FACE.encode(), quality=95)
    return path


def test_on_the_command_line(scan):
    whole = run("colorize", scan, "-o", scan.with_name("whole.jpg"))
    assert whole.exit_code == 0
    result = run("colorize", scan, "--crop-border")
    assert result.exit_code == 0 and "left out: marked regions" in result.output
    made = scan.with_name("scan-color.jpg")
    box = box_of(scan)
    with Image.open(made) as picture:
        assert picture.size == (box.width, box.height)
        inner = picture.getexif().get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == picture.size
        assert inner[0x9214] == (300 - box.left, 200 - box.top)
    document = xmp.parse(read_metadata(made.read_bytes()).xmp)
    assert b"Regions" not in made.read_bytes() and xmp.value_of(document, "dc", "source") == "an album"
    assert read_marked(made).mark.crop == ",".join(map(str, box))
    assert f"{box.width} x {box.height} from {box.left}, {box.top}" in run("info", made).output
    assert read_marked(scan.with_name("whole.jpg")).mark.crop == ""


def test_what_is_not_found_stays_whole_and_is_named(tmp_path, photographs):
    path = tmp_path / "cat.png"
    Image.fromarray(photographs["chelsea"]).convert("L").save(path)
    result = run("colorize", path, "--crop-border")
    assert result.exit_code == 0 and f"left out: the crop of {path}, because no edges" in result.output
    with Image.open(tmp_path / "cat-color.png") as picture:
        assert picture.size == (451, 300)
    assert "no print was found" in run("info", tmp_path / "cat-color.png").output


def test_hints_keep_their_places(loud, scan):
    """They are in the pixels of the scan, which is what the user sees."""
    box = box_of(scan)
    look = Look(hints=(Hint(300, 200, "#2244aa", 20),))
    (cropped,) = color(scan.read_bytes(), "scan", Request(look, crop_border=True), loud)
    mark = read_mark(read_metadata(cropped.content))
    assert mark is not None and mark.hints == (Hint(300 - box.left, 200 - box.top, "#2244aa", 20),)
    red, _, blue = decode_photograph(cropped.content).pixels[200 - box.top, 300 - box.left].astype(int)
    assert blue > red + 30
    outside = Look(hints=(Hint(2, 2, "#2244aa"),))
    with pytest.raises(InputError, match=r"outside the print that was found in scan: from \d+,\d+ to"):
        list(color(scan.read_bytes(), "scan", Request(outside, crop_border=True), loud))


def test_sidecars_lose_their_regions(scan):
    scan.with_suffix(".xmp").write_text(FACE)
    assert run("colorize", scan, "--crop-border", "--sidecars").exit_code == 0
    carried = scan.with_name("scan-color.xmp").read_text()
    assert "an album" in carried and "Regions" not in carried


def test_side_by_side(scan, tmp_path):
    plain = tmp_path / "plain.png"
    run("colorize", scan, "-o", plain)
    result = run("colorize", scan, "--side-by-side", "--format", "png")
    assert result.exit_code == 0 and "marked regions" in result.output
    both = tmp_path / "scan-before-after.png"
    with Image.open(both) as picture, Image.open(scan) as before, Image.open(plain) as after:
        assert picture.size == (1200, 450)
        halves = np.asarray(picture)[:, :600], np.asarray(picture)[:, 600:]
        assert np.array_equal(halves[1], np.asarray(after))
        assert np.abs(halves[0].astype(int) - np.asarray(before)).max() <= 2  # decoders of JPEG differ by so much
    mark = read_marked(both).mark
    assert mark.side_by_side and mark.size == (600, 450)
    assert "side by side:        yes" in run("info", both).output
    again = run("colorize", tmp_path, "-o", tmp_path / "out", "--recolor")  # what stands beside it is no photograph
    assert again.exit_code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"scan.jpg", "plain.png"}


def test_side_by_side_of_a_gray_photograph_with_transparency(loud):
    gray = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))
    source = Photograph(gray, gray).encode("png")
    from photochrom.coloring import Output

    (made,) = color(source, "x", Request(output=Output(side_by_side=True)), loud)
    photograph = decode_photograph(made.content)
    assert photograph.pixels.shape == (40, 96, 3) and np.array_equal(photograph.pixels[:, :48, 1], gray)
    assert photograph.alpha is not None and np.array_equal(photograph.alpha, np.hstack([gray, gray]))
