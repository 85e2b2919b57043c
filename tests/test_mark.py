"""The mark of a color version: what it says, that it is the same every time, and what reads it."""

import hashlib
import io
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import photochrom
from photochrom import cli
from photochrom.coloring import Look, Output, Request, color, look_of
from photochrom.errors import InputError
from photochrom.inference.weights import bundled_digest
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.hints import Hint, HintFile
from photochrom.photo.label import check_label, draw_label
from photochrom.photo.marked import read_marked
from photochrom.photo.metadata import xmp
from photochrom.photo.metadata.mark import Mark
from photochrom.photo.metadata.marking import COLORED, is_unchanged, read_mark
from photochrom.photo.metadata.reading import read_metadata
from photochrom.photo.metadata.record import Metadata
from photochrom.photo.photograph import Photograph
from photochrom.settings import FORMATS
from photochrom.video.mark import with_mark

GRAY = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
HINTS = (Hint(5, 6.25, "#aa3311"), Hint(40, 30, "#2244aa"))
MARKED = [name for name in FORMATS if name != "bmp"]
SCANNED = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{xmp.RDF}"><rdf:Description rdf:about="" '
    f'xmlns:Iptc4xmpExt="{xmp.NAMESPACES["Iptc4xmpExt"]}" xmlns:xmpMM="{xmp.NAMESPACES["xmpMM"]}" '
    f'xmlns:stEvt="{xmp.NAMESPACES["stEvt"]}" xmpMM:DocumentID="xmp.did:7" xmpMM:InstanceID="xmp.iid:8" '
    'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/print"><xmpMM:History><rdf:Seq>'
    '<rdf:li stEvt:action="created"/></rdf:Seq></xmpMM:History></rdf:Description></rdf:RDF></x:xmpmeta>'
).encode()


def run(*arguments, stdin=None):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments], input=stdin)


LOOK, NOTHING = Look(1.5, 7, HINTS, warmth=-0.4), Metadata()


def colored_by(loud, format: str, look: Look = LOOK, metadata: Metadata = NOTHING, **output) -> bytes:
    source = Photograph(GRAY, metadata=metadata).encode("png")
    (one,) = color(source, "x", Request(look, Output(format, **output)), loud)
    return one.content


@pytest.mark.parametrize("format", MARKED)
def test_the_mark_says_how_it_was_made(loud, format):
    content = colored_by(loud, format, metadata=Metadata(xmp=SCANNED))
    metadata = read_metadata(content)
    source = Photograph(GRAY, metadata=Metadata(xmp=SCANNED)).encode("png")
    mark = read_mark(metadata)
    assert mark is not None
    assert (mark.strength, mark.warmth, mark.seed) == (1.5, -0.4, 7)
    assert (mark.hints, mark.size) == (HINTS, (64, 48))
    assert (mark.version, mark.model, mark.working_size) == (photochrom.__version__, "fake", 256)
    assert mark.source_sha256 == hashlib.sha256(source).hexdigest() and mark.format == format
    assert mark.source_type.endswith("/print")
    document = xmp.parse(metadata.xmp)
    assert xmp.value_of(document, "Iptc4xmpExt", "DigitalSourceType") == COLORED
    assert xmp.value_of(document, "Iptc4xmpExt", "AISystemUsed") == "photochrom"
    assert "seed 7" in xmp.value_of(document, "Iptc4xmpExt", "AIPromptInformation")
    assert xmp.value_of(document, "xmpMM", "DerivedFrom") == "xmp.did:7xmp.iid:8"
    history = xmp.find(document, "xmpMM", "History")
    assert len(history.getElementsByTagNameNS(xmp.RDF, "li")) == 2 and "created" in history.toxml()
    assert mark.source_sha256 in xmp.text_of(history) and "strength 1.5; warmth -0.4" in xmp.text_of(history)


@pytest.mark.parametrize("format", MARKED)
def test_the_same_gives_the_same_bytes_and_a_change_is_noticed(loud, format):
    content = colored_by(loud, format)
    assert content == colored_by(loud, format) and is_unchanged(content) is True
    for place in (40, len(content) // 2, len(content) - 20):
        changed = bytearray(content)
        changed[place] ^= 1
        assert is_unchanged(bytes(changed)) is not True
    assert is_unchanged(content + b"x") is False
    assert is_unchanged(colored_by(loud, format, mark=False)) is None


def test_every_setting_changes_the_digest_of_settings():
    mark = Mark("0.1", "m", "d", 256, 1.0, None, (), (64, 48), "s", "jpeg", 95)
    others = [
        replace(mark, model_sha256="e"),
        replace(mark, working_size=128),
        replace(mark, strength=1.1),
        replace(mark, warmth=0.1),
        replace(mark, seed=0),
        replace(mark, hints=HINTS),
        replace(mark, format="png"),
        replace(mark, quality=90),
        replace(mark, label="AI"),
    ]
    assert len({each.settings_sha256 for each in (mark, *others)}) == 10
    assert replace(mark, source_sha256="t", version="2").settings_sha256 == mark.settings_sha256


@pytest.mark.parametrize(
    "hints",
    [
        (),
        HINTS,
        (Hint(1.5, 2, "#aabbcc", 7.25), Hint(3, 4, "#000000")),
        (Hint(63.99999999999, 47.99999999999, "#aabbcc", 1 / 3),),  # 64 x 48 would be outside
        (Hint(1 / 3, 2, "#aabbcc", None, ((5.0, 6.0),)), Hint(3, 4, "#000000", 2.0)),
        (Hint(1, 2, "#aabbcc", 3.5, ((5.0, 6.0), (7.0, 9.0)), filled=True),),
    ],
)
def test_every_kind_of_hint_is_read_back(loud, hints):
    mark = read_mark(read_metadata(colored_by(loud, "png", Look(hints=hints))))
    assert mark is not None and mark.hints == hints


@pytest.mark.parametrize(
    "hints",
    [
        tuple(Hint(n % 60 + 0.125, n % 45 + 0.375, "#336699", 1.25) for n in range(1000)),
        (Hint(1, 2, "#aabbcc", 3.5, tuple((n % 60 + 0.125, n % 45 + 0.375) for n in range(9000)), filled=True),),
    ],
    ids=["points", "area"],
)
def test_more_hints_than_a_segment_of_a_jpeg_holds(hints):
    mark = Mark("0.1", "m", "d", 256, 1.0, None, hints, (64, 48), "s")
    content = Photograph(GRAY, None, "jpeg", Metadata(xmp=SCANNED, mark=mark)).encode()
    read = read_mark(read_metadata(content))
    assert read is not None and read.hints == hints and read.source_type.endswith("/print")
    assert is_unchanged(content) is True and is_unchanged(content + b"x") is False


def test_the_quality_of_lossless_formats_does_not_count(loud):
    digests = {read_mark(read_metadata(colored_by(loud, "png", quality=q))).settings_sha256 for q in (80, 95)}
    assert len(digests) == 1


def test_a_color_version_that_is_colored_again_has_one_mark(loud):
    first = colored_by(loud, "jpeg", metadata=Metadata(xmp=SCANNED))
    (again,) = color(first, "x", Request(Look(0.5)), loud)
    packet = read_metadata(again.content).xmp
    assert packet.count(b"photochrom:Strength>0.5") == 1 and packet.count(b"<photochrom:FileSHA256>") == 1
    mark = read_mark(read_metadata(again.content))
    assert mark.source_sha256 == hashlib.sha256(first).hexdigest() and mark.source_type.endswith("/print")
    assert is_unchanged(again.content) is True
    (bare,) = color(first, "x", Request(output=Output(mark=False)), loud)
    assert read_mark(read_metadata(bare.content)) is None and b"FileSHA256" not in bare.content


def test_bmp_has_no_mark_and_says_so(loud):
    (one,) = color(Photograph(GRAY).encode("png"), "x", Request(output=Output("bmp")), loud)
    assert one.left_out == ("the mark that its colors were made by AI, which BMP can't hold",)
    (one,) = color(Photograph(GRAY).encode("png"), "x", Request(output=Output("bmp", mark=False)), loud)
    assert one.left_out == ()


def test_without_a_mark_metadata_stay_as_they_are(loud):
    assert read_metadata(colored_by(loud, "tiff", metadata=Metadata(xmp=SCANNED), mark=False)).xmp == SCANNED


def test_python_marks_too(tmp_path, cat):
    source, target = tmp_path / "cat.jpg", tmp_path / "cat.webp"
    source.write_bytes(cat)
    photochrom.colorize(source, seed=2, working_size=32).save(target, quality=80)
    mark, unchanged = read_marked(target).mark, read_marked(target).unchanged
    assert unchanged and (mark.seed, mark.format, mark.quality) == (2, "webp", 80)
    assert mark.model_sha256 == bundled_digest("default")
    assert mark.source_sha256 == hashlib.sha256(cat).hexdigest()
    photochrom.colorize(source, working_size=32, mark=False).save(target)
    with pytest.raises(InputError, match="doesn't say how it was made"):
        read_marked(target)


def test_the_command_line_marks_tells_and_repeats(tmp_path, cat):
    source, first, second = tmp_path / "cat.jpg", tmp_path / "first.jpg", tmp_path / "second.jpg"
    source.write_bytes(cat)
    options = ("--seed", 4, "--strength", 1.2, "--hint", "100,80,#2244aa", "--working-size", 64)
    assert run("colorize", source, "-o", first, *options).exit_code == 0
    told = run("info", first)
    assert told.exit_code == 0
    facts = dict(line.split(":", 1) for line in told.output.splitlines())
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts["seed"] == "4" and facts["strength"] == "1.2" and facts["hints"] == "100,80,#2244aa"
    assert facts["since then"] == "unchanged" and facts["written as"] == "JPEG, quality 95"
    assert facts["source"].endswith(hashlib.sha256(cat).hexdigest())
    result = run("colorize", source, "-o", second, "--as", first)
    assert (result.exit_code, result.output) == (0, "")
    assert second.read_bytes() == first.read_bytes()
    assert run("colorize", source, "-o", second, "--as", first, "--seed", 9, "--overwrite").exit_code == 0
    mark = read_marked(second).mark
    assert (mark.seed, mark.strength, len(mark.hints)) == (9, 1.2, 1)
    first.write_bytes(first.read_bytes() + b"\0")
    assert "changed: another program" in run("info", first).output
    streamed = CliRunner().invoke(cli.main, ["colorize", "-", "--as", str(first)], input=cat)
    assert streamed.exit_code == 0 and read_mark(read_metadata(streamed.stdout_bytes)).seed == 4


def test_hints_of_another_shape_are_left_out_and_named(tmp_path, cat):
    source, first = tmp_path / "cat.jpg", tmp_path / "first.jpg"
    source.write_bytes(cat)
    options = ("--hint", "100,80,#2244aa", "--working-size", 64)
    assert run("colorize", source, "-o", first, *options).exit_code == 0
    turned, small = tmp_path / "turned.png", tmp_path / "small.png"
    Image.open(io.BytesIO(cat)).rotate(90, expand=True).save(turned)
    Image.open(io.BytesIO(cat)).resize((226, 150)).save(small)
    result = run("colorize", turned, "-o", tmp_path / "a.png", "--as", first)
    assert result.exit_code == 0 and "left out: hints, because the photograph has another shape" in result.output
    assert read_marked(tmp_path / "a.png").mark.hints == ()
    assert run("colorize", small, "-o", tmp_path / "b.png", "--as", first).output == ""
    (hint,) = read_marked(tmp_path / "b.png").mark.hints
    assert (hint.x, hint.y) == pytest.approx((100 * 226 / 451, 40), abs=0.01)


def test_info_of_several_files_names_those_without_a_mark(tmp_path, loud):
    first, plain, last = (tmp_path / name for name in ("a.jpg", "b.jpg", "c.png"))
    first.write_bytes(colored_by(loud, "jpeg"))
    plain.write_bytes(Photograph(GRAY).encode("jpeg"))
    last.write_bytes(colored_by(loud, "png"))
    told = run("info", first, plain, last)
    assert told.exit_code == 1 and told.output.count("made by:") == 2
    assert "b.jpg doesn't say how it was made" in told.output


def test_a_mark_of_somebody_else_writes_no_lines_of_its_own(tmp_path):
    mark = Mark("0.1", "m\nsince then:          unchanged\x9b2J", "d", 256, 1.0, None, (), (64, 48), "s")
    path = tmp_path / "a\nb.png"
    path.write_bytes(Photograph(GRAY, metadata=Metadata(mark=mark)).encode("png") + b"changed")
    told = run("info", path).output
    assert told.count("\nsince then:") == 1 and "\x9b" not in told and "a\\nb.png" in told


def test_mistakes_with_info_and_as(tmp_path, cat, loud):
    plain, foreign = tmp_path / "plain.jpg", tmp_path / "foreign.jpg"
    plain.write_bytes(cat)
    foreign.write_bytes(colored_by(loud, "jpeg"))
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(colored_by(loud, "jpeg").replace(b"Strength>1.5<", b"Strength>abc<"))
    for arguments, message in (
        (("info", plain), "plain.jpg doesn't say how it was made"),
        (("info", tmp_path / "none.jpg"), "cannot read"),
        (("info", damaged), "damaged.jpg has a mark of photochrom that can't be read"),
        (("info", tmp_path), "is a folder"),
        (("colorize", plain, "--as", plain), "plain.jpg doesn't say how it was made"),
        (("colorize", plain, "--as", foreign), "foreign.jpg was colored with another model"),
        (("colorize", plain, "--label", " "), "the label has no text"),
        (("colorize", plain, "--label", "a\nb"), "a label is one line"),
        (("colorize", plain, "--label", "a\u202eb"), "characters that can't be drawn: U+202E"),
        (("colorize", plain, "--label", "\U00012000"), "no font here has these letters"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2 and message in result.output and result.output.count("\n") == 1, arguments


def test_what_is_left_out_is_said_once(tmp_path, cat):
    folder = tmp_path / "album"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(cat)
    result = run("colorize", folder, "-o", tmp_path / "out", "--format", "bmp", "--working-size", 32)
    line = "photochrom: left out of 2 photographs: the mark that its colors were made by AI, which BMP can't hold\n"
    assert (result.exit_code, result.output) == (0, line)


def test_look_of_a_mark():
    mark = Mark("0.1", "m", "d", 256, 0.7, 3, HINTS, (64, 48), "s")
    assert look_of(mark) == Look(0.7, 3, hint_file=HintFile(HINTS, (64, 48), only_same_shape=True))
    assert look_of(replace(mark, hints=())).hint_file is None


# Films


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_films_say_how_they_were_made(tmp_path, suffix):
    av = pytest.importorskip("av")
    source, target = tmp_path / f"old{suffix}", tmp_path / f"new{suffix}"
    with av.open(str(source), "w") as container:
        container.metadata["comment"] = "from the attic\nbox 7"
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(3):
            picture = np.repeat(np.roll(GRAY, number, axis=1)[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))))
        container.mux(stream.encode())
    arguments = ("video", source, target, "--seed", 5, "--working-size", 32)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    told = run("info", target)
    assert told.exit_code == 0
    facts = facts_in(told.output)
    assert facts["made by"] == f"photochrom {photochrom.__version__}" and facts["seed"] == "5"
    assert facts["model"] == f"default (SHA-256 {bundled_digest('default')})"
    assert facts["digital source type"] == COLORED
    assert facts["source"] == f"SHA-256 {hashlib.sha256(source.read_bytes()).hexdigest()}"
    with av.open(str(target)) as container:
        comment = next(value for key, value in container.metadata.items() if key.lower() == "comment")
    assert comment.startswith("from the attic\nbox 7\n")
    assert run(*arguments, "--overwrite", "--no-mark").exit_code == 0
    result = run("info", target)
    assert result.exit_code == 2 and "doesn't say how it was made" in result.output
    assert run("info", tmp_path / "none.mp4").exit_code == 2


def facts_in(told: str) -> dict[str, str]:
    return {name: value.strip() for name, value in (line.split(":", 1) for line in told.splitlines())}


def test_info_has_the_same_words_for_films_as_for_photographs(tmp_path, loud, monkeypatch):
    """It printed a film's mark as it is: `to: null`, `hints: []`."""
    photograph, film = tmp_path / "cat.jpg", tmp_path / "cat.mp4"
    photograph.write_bytes(colored_by(loud, "jpeg", Look()))
    film.touch()
    said: dict[str, object] = {"colorized by": "photochrom 1", "model": "m", "model SHA-256": "d", "seed": None}
    said |= {"working size": 256, "strength": 1.0, "warmth": 0.0, "hints": [], "steady": True}
    said |= {"deinterlaced": False, "codec": "h264", "crf": "18", "from": None, "to": 2.5, "source SHA-256": "s"}
    monkeypatch.setattr("photochrom.video.mark.read_film_mark", lambda path: said)
    facts, others = facts_in(run("info", film).output), facts_in(run("info", photograph).output)
    shared = {"file", "made by", "since then", "model", "working size", "strength", "seed", "hints", "source"}
    assert {*facts} & {*others} == shared
    assert [facts[name] for name in ("seed", "hints", "strength")] == ["none: the likeliest coloring", "none", "1"]
    assert [others[name] for name in ("seed", "hints", "strength")] == ["none: the likeliest coloring", "none", "1"]
    assert (facts["steady"], facts["deinterlaced"], facts["to"]) == ("yes", "no", "2.5 s")
    assert not {"from", "warmth"} & {*facts} and "null" not in facts.values()
    said |= {"hints": ["at 1 s: 5,5,#2244aa", "at 2 s: 6,6,#2244aa"], "warmth": 0.3, "new": {"of": "tomorrow"}}
    facts = facts_in(run("info", film).output)
    assert facts["hints"] == "at 1 s: 5,5,#2244aa; at 2 s: 6,6,#2244aa" and facts["warmth"] == "0.3" and "new" in facts


def test_a_film_has_one_mark():
    mark = '{"colorized by": "photochrom 1"}'
    assert with_mark(f"a\n{mark}", mark) == f"a\n{mark}" and with_mark("", mark) == mark


# Labels


@pytest.mark.parametrize("shape", [(20, 16, 3), (96, 128, 3), (1500, 2000, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_label_stands_in_the_corner(shape, kind):
    white = np.iinfo(kind).max
    pixels = np.full(shape, white // 2, kind)
    draw_label(pixels, "Colorized by AI")
    changed = np.argwhere((pixels != white // 2).any(axis=2))
    assert changed[:, 0].max() == shape[0] - 1 and changed[:, 1].max() == shape[1] - 1
    if shape[0] > 50:
        assert changed[:, 0].min() > shape[0] * 0.8 and changed[:, 1].min() > 0
        assert pixels.max() > white * 0.85 and pixels.min() < white * 0.4


@pytest.mark.parametrize("format", MARKED)
def test_hints_of_ten_thousand_points_are_in_the_mark(loud, format):
    points = [(i % 97 + i / 7919 % 1, i % 61 + i / 6007 % 1) for i in range(10_000)]
    stroke = Hint(points[0][0] % GRAY.shape[1], points[0][1] % GRAY.shape[0], "#aa3322", 2.0)
    path = tuple((x % GRAY.shape[1], y % GRAY.shape[0]) for x, y in points[1:])
    content = colored_by(loud, format, Look(hints=(replace(stroke, path=path),)))
    mark = read_mark(read_metadata(content))
    assert mark is not None and mark.hints == (replace(stroke, path=path),)
    assert is_unchanged(content) is True


def test_info_of_several_files_tells_what_it_can(tmp_path, loud):
    (tmp_path / "made.png").write_bytes(colored_by(loud, "png"))
    (tmp_path / "foreign.png").write_bytes(Photograph(GRAY).encode("png"))
    result = CliRunner().invoke(cli.main, ["info", str(tmp_path / "foreign.png"), str(tmp_path / "made.png")])
    assert result.exit_code == 1 and "made by:" in result.stdout
    assert result.stderr.count("\n") == 1 and "doesn't say how it was made" in result.stderr


def test_labels_are_drawn_and_marked(loud):
    plain, labeled = colored_by(loud, "png"), colored_by(loud, "png", label=check_label(" AI "))
    difference = decode_photograph(plain).pixels != decode_photograph(labeled).pixels
    assert difference[24:].any() and not difference[:24].any()
    assert read_mark(read_metadata(labeled)).label == "AI"
    assert check_label("Couleurs\u202f: IA\xa0!") == "Couleurs : IA !"


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool, the independent reader, is not installed")
def test_exiftool_reads_the_mark(tmp_path, loud):
    for format in MARKED:
        path = tmp_path / f"x{FORMATS[format].suffixes[0]}"
        path.write_bytes(colored_by(loud, format))
    ran = subprocess.run(["exiftool", "-j", "-G1", str(tmp_path)], capture_output=True, text=True, check=True)
    for said in json.loads(ran.stdout):
        assert said["XMP-iptcExt:DigitalSourceType"] == COLORED
        assert said["XMP-xmpMM:HistorySoftwareAgent"] == f"photochrom {photochrom.__version__}"
        assert said["XMP-photochrom:Seed"] == 7
