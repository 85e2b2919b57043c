"""The evaluator: contestants, protocols, reports, old photographs."""

import csv
import html
import json
import os
import re
import sys
import types

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from photochrom import cli
from photochrom.commands.evaluate import PROTOCOL_NAMES
from photochrom.errors import InputError
from photochrom.evaluation.contestants import Contestant, match_colorfulness
from photochrom.evaluation.historic import STRENGTHS, WAYS, make_historic
from photochrom.evaluation.html import format_html
from photochrom.evaluation.protocols import PROTOCOLS, Protocol, Truths, flat_names, gray_of, read_truths
from photochrom.evaluation.report import format_table, write_report
from photochrom.evaluation.table import Table, blocks_to_html, blocks_to_markdown
from photochrom.photo.collections import Member
from photochrom.photo.color import colorfulness, luminance_of
from photochrom.photo.joining import join

pytest.importorskip("torch")
from photochrom.evaluation.evaluate import evaluate, random_true_hints
from photochrom.evaluation.results import MEASURES, Evaluation, Scores, TrueMeasures

SIDE = 64
SMALL = Protocol("small", side=SIDE)
FAULTS = ("95th percentile of ΔE2000", "left gray", "patchy ÷ truth", "green or purple skin")


def run(*arguments):
    return CliRunner().invoke(cli.main, ["evaluate", *map(str, arguments)])


@pytest.fixture(scope="session")
def truths(training_folder) -> Truths:
    return read_truths([training_folder], SMALL, limit=4)


@pytest.fixture(scope="session")
def report(training_folder, tmp_path_factory):
    """A report with everything in it, and what the command printed, on squares of 64 pixels."""
    folder = tmp_path_factory.mktemp("evaluation") / "a report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROTOCOLS, "default", SMALL)
        result = run(
            training_folder, "--out", folder, "--limit", 4, "--samples", 3, "--hints", "1,20", "--historic",
            "--working-size", SIDE, "--inputs", folder / "inputs",
        )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_tables(report):
    _, output = report
    for row in ("truth", "gray", "mean ab", "default", "default, 0.5 x", "default, 1.5 x"):
        assert f"| {row} |" in output
    for column in ("÷ gray", "ΔCF of means", "mean ΔCF", "PSNR", "SSIM", "FD-lite", "KID-lite", "skin tones", *FAULTS):
        assert column in output
    assert "EfficientNet-Lite0" in output and "the best of 3 samples" in output
    assert output.count("default: ") >= len(WAYS) * len(STRENGTHS)


def test_report_for_programs(report):
    folder, _ = report
    found = json.loads((folder / "report.json").read_text())
    scores = found["scores"]
    assert scores["gray"]["delta_e_ratio"] == 1 and scores["gray"]["colorfulness"] < 0.01
    assert scores["default"]["delta_e"] < scores["gray"]["delta_e"]
    low, high = scores["default"]["delta_e_ratio_interval"]
    assert low < scores["default"]["delta_e_ratio"] < high
    assert found["hints"]["default"]["20"] < found["hints"]["default"]["1"] < scores["gray"]["delta_e"]
    assert found["diversity"]["default"]["best_over_single"] < 1
    assert found["settings"]["models"]["default"] and found["settings"]["versions"]["numpy"] == np.__version__
    assert len(found["historic"]) == len(WAYS) * len(STRENGTHS)
    with (folder / "photographs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    for measure in ("delta_e", "delta_e_95", "region_spread", "region_chroma"):
        mean = np.mean([float(row[f"default: {measure}"]) for row in rows])
        assert mean == pytest.approx(scores["default"][measure], abs=1e-3)
    assert scores["gray"]["left_gray"] == 1 and scores["gray"]["patchy_ratio"] is None
    for fault in ("delta_e_95", "delta_e_95_ratio", "left_gray", "patchy_ratio", "wrong_skin"):
        low, high = scores["default"][f"{fault}_interval"]
        assert low <= scores["default"][fault] <= high


def test_report_for_people(report):
    folder, _ = report
    page = (folder / "report.html").read_text()
    pictures = set(re.findall(r"src='([^']+)'", page))
    assert pictures and all((folder / name).exists() for name in pictures)
    assert not re.findall(r"https?://", page)  # it stands alone
    for kind in ("best", "median", "worst"):
        assert f"<h2>default: {kind}</h2>" in page
    assert Image.open(folder / sorted(pictures)[0]).size == (3 * SIDE, SIDE)  # gray | default | truth
    assert Image.open(folder / "sheet.jpg").size == (3 * SIDE, 4 * SIDE)


def test_the_page_has_the_tables_that_are_printed(report):
    folder, output = report
    page = html.unescape((folder / "report.html").read_text())
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and set(line) != {"|", "-"}:
            found = [f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>" for tag in ("th", "td")]
            assert any(row in page for row in found), line


def test_tables_in_markdown_and_html():
    blocks: list[Table | str] = ["a < b", Table(["", "x|y"], [["<i> & c", ""], ["1", "2"]])]
    assert blocks_to_markdown(blocks) == "a < b\n\n| | x\\|y |\n|---|---|\n| <i> & c | |\n| 1 | 2 |"
    assert blocks_to_html(blocks) == (
        "<p>a &lt; b</p>\n<table><tr><th></th><th>x|y</th></tr>"
        "<tr><td>&lt;i&gt; &amp; c</td><td></td></tr><tr><td>1</td><td>2</td></tr></table>"
    )


def test_names_are_escaped():
    page = format_html(evaluation_of("<i>", name="<script>"), ["<script>", Table(["<b>"], [["<b>"]])])
    assert not any(tag in page for tag in ("<script>", "<b>", "<i>"))


def evaluation_of(*photographs: str, name: str, **measures) -> Evaluation:
    """An evaluation of one contestant with these measures; all others are 1. Every photograph is shown."""
    ones = np.ones(len(photographs))
    everything = {m: np.asarray(measures.get(m, ones), float) for m in MEASURES}
    true = TrueMeasures(*(np.asarray(measures.get(f"true_{m}", ones), float) for m in vars(TrueMeasures(*[ones] * 4))))
    found = Evaluation(list(photographs), true, [Scores(n, everything) for n in ("gray", "mean ab", name)])
    found.chosen = {name: {"median": list(range(len(photographs)))}}
    found.strips = {i: np.zeros((8, 24, 3), np.uint8) for i in range(len(photographs))}
    return found


def test_faults_by_hand(tmp_path):
    """Three photographs: the second without colorful pixels, the third without skin and without regions."""
    found = evaluation_of(
        "1", "2", "3", name="a",
        delta_e_95=[9, 12, 15],
        left_gray=[0.5, np.nan, 0.2], true_colorful=[0.2, 0, 0.6],
        region_spread=[10, 2, np.nan], region_chroma=[20, 10, np.nan],
        true_region_spread=[4, 2, np.nan], true_region_chroma=[30, 10, np.nan],
        skin_hue=[50, np.nan, np.nan], skin_chroma=[0.9, 0, np.nan],
    )  # fmt: skip
    faults = found.faults("a")
    assert faults["delta_e_95"].value == pytest.approx(12) and faults["delta_e_95_ratio"].value == pytest.approx(1)
    assert faults["left_gray"].value == pytest.approx((0.5 * 0.2 + 0.2 * 0.6) / 0.8)  # of all colorful pixels
    assert faults["patchy_ratio"].value == pytest.approx((12 / 30) / (6 / 40))
    assert faults["wrong_skin"].value == pytest.approx(1 / 2)
    write_report(found, tmp_path)
    scores = json.loads((tmp_path / "report.json").read_text())["scores"]["a"]
    assert {name: scores[name] for name in faults} == {name: figure.value for name, figure in faults.items()}


def test_nothing_to_measure_is_empty(tmp_path):
    unmeasured = ("left_gray", "region_spread", "region_chroma", "skin_hue", "skin_chroma")
    nothing = {measure: [np.nan] for measure in unmeasured}
    found = evaluation_of("1", name="a", true_colorful=[0], **nothing)
    assert "| a | 1.00 (1.00-1.00) | 1.000 (1.000-1.000) | | | |" in format_table(found)
    write_report(found, tmp_path)
    text = (tmp_path / "report.json").read_text()
    scores = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["scores"]["a"]
    assert scores["left_gray"] is None and scores["wrong_skin_interval"] is None


def test_a_photographs_name_may_be_no_text(tmp_path):
    """Linux keeps file names as bytes; Python reads a stray one as half of a character."""
    write_report(evaluation_of(os.fsdecode(b"caf\xe9"), name="a"), tmp_path)
    for name in ("report.html", "photographs.csv"):
        assert "caf\\udce9" in (tmp_path / name).read_text(encoding="utf-8")


def test_names_of_contestants_can_have_bars_and_brackets(truths, tmp_path):
    Image.fromarray(truths.rgb8[0]).save(tmp_path / "one.png")
    found = evaluate([tmp_path], [], outputs={"a|b <i>": tmp_path}, protocol=SMALL)
    table = format_table(found)
    assert "| a\\|b <i>, 0.5 x |" in table and "| a\\|b <i>, matched (" in table
    write_report(found, tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<td>a|b &lt;i&gt;</td>" in page and "<i>" not in page


def test_95th_percentile_and_left_gray_in_pictures(tmp_path):
    """Of 64 rows of a red photograph 4 (6.25 %) are left gray, or 3 (4.7 %)."""
    from skimage import color

    red = np.full((SIDE, SIDE, 3), (180, 60, 50), np.uint8)
    for name, rows in (("four", 4), ("three", 3)):
        picture = red.copy()
        picture[:rows] = gray_of(red)[:rows]
        for folder, pixels in (("photographs", red), (name, picture)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / "red.png")
    outputs = {name: tmp_path / name for name in ("four", "three")}
    found = evaluate([tmp_path / "photographs"], [], outputs=outputs, protocol=SMALL)
    lab = color.rgb2lab(red)[0, 0]
    expected = color.deltaE_ciede2000(lab, lab * [1, 0, 0])
    assert found["four"].measures["delta_e_95"] == pytest.approx([expected], abs=0.1)
    assert found["three"].measures["delta_e_95"] == pytest.approx([0], abs=0.1)
    assert found["four"].measures["delta_e"] == pytest.approx([expected * 4 / 64], abs=0.1)
    assert found.faults("four")["left_gray"].value == pytest.approx(4 / 64)
    assert found.faults("gray")["left_gray"].value == 1 and found.faults("gray")["delta_e_95_ratio"].value == 1


def test_other_tools_are_measured_alike(training_folder, truths, report, tmp_path):
    """Pictures that are the truth itself score 0; gray ones score as gray does."""
    folder, _ = report
    (tmp_path / "perfect").mkdir()
    for name, rgb8 in zip(truths.names, truths.rgb8, strict=True):
        Image.fromarray(rgb8).save(tmp_path / "perfect" / f"{name}.png")
    outputs = {"perfect": tmp_path / "perfect", "dull": folder / "inputs"}
    found = evaluate([training_folder], [], outputs=outputs, protocol=SMALL, limit=4)
    assert found["perfect"].measures["delta_e"].max() < 0.05 and found["perfect"].measures["psnr"].min() > 50
    assert found.ratio("perfect")[1] == pytest.approx(1, abs=0.01)
    assert found.ratio("dull")[0] == pytest.approx(1, abs=0.01)
    assert found["perfect"].distances["kid_lite"] == pytest.approx(0, abs=0.1)
    skin = found["perfect"].measures["skin_chroma"]
    assert np.nanmax(np.abs(skin - 1)) < 0.01
    assert found.contestants == ["perfect", "dull"]
    faults = found.faults("perfect")
    assert faults["patchy_ratio"].value == pytest.approx(1, abs=0.01)
    assert faults["left_gray"].value == faults["wrong_skin"].value == 0 and faults["delta_e_95"].value < 0.1


def test_inputs_keep_the_luminance(truths, report):
    folder, _ = report
    for name, rgb8 in zip(truths.names, truths.rgb8, strict=True):
        gray = np.asarray(Image.open(folder / "inputs" / f"{name}.png"))
        assert np.abs(luminance_of(gray) - luminance_of(rgb8)).max() < 0.5
        assert gray.ndim == 2 or (gray[..., 0] == gray[..., 2]).all()


def test_matched_colorfulness_is_the_truths(truths):
    dull = Contestant("dull", np.stack([np.moveaxis(truths.lab(i)[..., 1:], -1, 0) * 0.4 for i in range(4)]))
    matched = match_colorfulness(dull, truths)
    assert matched.strength == pytest.approx(2.5, abs=0.1)
    color = [colorfulness(join(truths.lab(i)[..., 0], matched.chroma(i))) for i in range(4)]
    expected = [colorfulness(rgb8 / 255) for rgb8 in truths.rgb8]
    assert np.mean(color) == pytest.approx(np.mean(expected), rel=0.01)


def test_protocols(training_folder):
    assert set(PROTOCOLS) == set(PROTOCOL_NAMES)
    first = read_truths([training_folder], Protocol("two", first=2))
    assert first.names == ["astronaut-0", "astronaut-1"] and first.rgb8.shape == (2, 256, 256, 3)
    cut = read_truths([training_folder], Protocol("cut", first=1)).rgb8[0]
    whole = read_truths([training_folder], Protocol("whole", first=1, crop=False)).rgb8[0]
    picture = Image.open(training_folder / "astronaut-0.jpg")
    assert np.abs(whole - np.asarray(picture.resize((256, 256), Image.Resampling.BICUBIC), int)).mean() < 3
    square = picture.crop((10, 0, 190, 180)).resize((256, 256), Image.Resampling.BICUBIC)
    assert np.abs(cut - np.asarray(square, int)).mean() < 3


def test_names_without_folders(tmp_path):
    for name in ("a/one.png", "b/one.png", "b/one.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (32, 32)).save(tmp_path / name)
    names = read_truths([tmp_path], PROTOCOLS["default"]).names
    assert len(set(names)) == 3 and set(names) == {"a_one", "b_one", "b_one_png"}


def test_every_photograph_has_a_name_of_its_own(tmp_path):
    """Two photographs of one name were one file of --inputs."""
    names = ("a/x.png", "b/x.png", "c/x.png", "c/X.png", "c/x.jpg", "c_x.png", "/d/x.png")
    members = [Member(tmp_path, name) for name in names]
    assert flat_names(members) == ["a_x", "b_x", "c_x", "c_X_png", "c_x_jpg", "c_x_png_2", "d_x"]
    for folder in ("one", "two", "three"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / folder / "x.png")
    sources = [tmp_path / folder for folder in ("one", "two", "three")]
    assert read_truths(sources, SMALL).names == ["x", "x_png", "x_png_2"]
    assert read_truths(sources, SMALL, limit=2).names == ["x", "x_png_2"]  # a part has the names of the whole


def test_true_hints_are_true(truths):
    for hint in random_true_hints(truths.rgb8[0], 20, seed=1):
        x, y = int(hint.x), int(hint.y)
        mean = truths.rgb8[0][y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1))
        assert np.abs([int(hint.color[i : i + 2], 16) for i in (1, 3, 5)] - mean).max() <= 0.5


@pytest.mark.parametrize("way", WAYS)
def test_old_photographs_get_worse_with_strength(way, truths):
    """Farther from the photograph's own luminance at each strength, by a damage that is the same every time."""
    rgb8 = truths.rgb8[0]
    clean = luminance_of(rgb8)
    old = [make_historic(rgb8, way, strength, 7) for strength in STRENGTHS]
    distances = [np.abs(luminance_of(picture) - clean).mean() for picture in old]
    assert distances == sorted(distances) and distances[0] > 0.3, distances
    assert old[0].shape == rgb8.shape and old[0].dtype == np.uint8
    assert (make_historic(rgb8, way, "middle", 7) == old[1]).all()


def test_orthochromatic_film_is_blind_to_red():
    red_and_blue = np.zeros((16, 16, 3), np.uint8)
    red_and_blue[:8, :, 0], red_and_blue[8:, :, 2] = 200, 200
    old = make_historic(red_and_blue, "orthochromatic", "heavy", 0)
    assert old[:8].max() == 0 and old[8:].min() > 90


def test_published_distances_go_through_the_known_libraries(monkeypatch, truths):
    """The libraries themselves can't be installed everywhere: here stand-ins check what they are given."""
    import torch

    from photochrom.evaluation.fid_lpips import published_distances

    seen = {}

    def calculate_metrics(input1, input2, **options):
        seen["files"] = [len(list(map(str, __import__("pathlib").Path(p).iterdir()))) for p in (input1, input2)]
        return {"frechet_inception_distance": 12.5}

    class LPIPS(torch.nn.Module):
        def __init__(self, net, verbose):
            super().__init__()
            seen["net"] = net

        def forward(self, one, other):
            assert one.shape == (1, 3, SIDE, SIDE) and one.min() >= -1 and one.max() <= 1
            return (one - other).abs().mean()

    monkeypatch.setitem(sys.modules, "torch_fidelity", types.SimpleNamespace(calculate_metrics=calculate_metrics))
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=LPIPS))
    found = published_distances(truths.rgb8, truths.rgb8)
    assert found == {"fid_inception": 12.5, "lpips_alex": 0} and seen == {"files": [4, 4], "net": "alex"}


def test_mistakes_are_one_line(training_folder, tmp_path, report):
    (tmp_path / "empty").mkdir()
    (tmp_path / "half").mkdir()
    Image.new("RGB", (256, 256)).save(tmp_path / "half" / "astronaut-0.png")
    for arguments in (
        [tmp_path / "empty"],
        [training_folder, "--hints", "few"],
        [training_folder, "--model", "nonesuch"],
        [training_folder, "--outputs", "nameless"],
        [training_folder, "--outputs", f"other={tmp_path / 'missing'}"],
        [training_folder, "--outputs", "other="],
        [training_folder, "--hints", "-5"],
        [training_folder, "--hints", "1,1001"],
        [training_folder, "--hints", "99999999999999999999"],
        [training_folder, "--limit", 2, "--outputs", f"other={tmp_path / 'half'}"],
        [training_folder, "--limit", 2, "--published"],
    ):
        result = run(*arguments)
        assert result.exit_code == 2 and "Traceback" not in result.output, arguments
        assert len(result.output.strip().splitlines()) == 1, result.output


@pytest.mark.parametrize(
    "names, message",
    [
        (["gray"], "like a row"),
        (["mean ab"], "like a row"),
        (["truth"], "like a row"),
        (["one", "one"], "'one' twice"),
        ([" "], "is empty"),
        (["one\ntwo"], "can't be printed"),
        (["one\udce9"], "can't be printed"),
        (["default"], "two contestants are named 'default'"),
        (["default, 1.5 x"], "like a copy of 'default'"),
        (["one, matched (2.00 x)", "one"], "like a copy of 'one'"),
    ],
)
def test_names_that_collide_or_cannot_be_shown(names, message, training_folder, tmp_path):
    """Two rows of one name were a ValueError, or one of them was lost."""
    outputs = [argument for name in names for argument in ("--outputs", f"{name}={tmp_path}")]
    result = run(training_folder, "--model", "default", *outputs)
    assert result.exit_code == 2 and message in result.output and "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_model_is_named_once(training_folder):
    with pytest.raises(InputError, match="two contestants are named 'default'"):
        evaluate([training_folder], ["default", "default"])


def test_gray_photographs_are_no_truth(tmp_path):
    Image.new("RGB", (SIDE, SIDE), (90, 90, 90)).save(tmp_path / "gray.png")
    with pytest.raises(InputError, match="all gray"):
        evaluate([tmp_path], [], protocol=SMALL)
