"""The evaluator: contestants, protocols, reports, old photographs."""

import csv
import json
import re
import sys
import types

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from photochrom import cli
from photochrom.commands.evaluate import PROTOCOL_NAMES
from photochrom.evaluation.contestants import Contestant, match_colorfulness
from photochrom.evaluation.historic import STRENGTHS, WAYS, make_historic
from photochrom.evaluation.html import format_html
from photochrom.evaluation.metrics import colorfulness
from photochrom.evaluation.protocols import PROTOCOLS, Protocol, Truths, read_truths
from photochrom.photo.color import join, luminance_of

pytest.importorskip("torch")
from photochrom.evaluation.evaluate import Evaluation, evaluate, random_true_hints


def run(*arguments):
    return CliRunner().invoke(cli.main, ["evaluate", *map(str, arguments)])


@pytest.fixture
def truths(training_folder) -> Truths:
    return read_truths([training_folder], PROTOCOLS["default"], limit=4)


@pytest.fixture(scope="module")
def report(training_folder, tmp_path_factory):
    """A report with everything in it, and what the command printed."""
    folder = tmp_path_factory.mktemp("evaluation") / "a report"
    result = run(
        training_folder, "--out", folder, "--limit", 4, "--samples", 3, "--hints", "1,20", "--historic",
        "--working-size", 128, "--inputs", folder / "inputs",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_tables(report):
    _, output = report
    for row in ("truth", "gray", "mean ab", "default", "default, 0.5 x", "default, 1.5 x"):
        assert f"| {row} |" in output
    for column in ("÷ gray", "ΔCF of means", "mean ΔCF", "PSNR", "SSIM", "FD-lite", "KID-lite", "skin tones"):
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
    mean = np.mean([float(row["default: delta_e"]) for row in rows])
    assert mean == pytest.approx(scores["default"]["delta_e"], abs=1e-3)


def test_report_for_people(report):
    folder, _ = report
    page = (folder / "report.html").read_text()
    pictures = set(re.findall(r"src='([^']+)'", page))
    assert pictures and all((folder / name).exists() for name in pictures)
    assert not re.findall(r"https?://", page)  # it stands alone
    for kind in ("best", "median", "worst"):
        assert f"<h2>default: {kind}</h2>" in page
    assert Image.open(folder / sorted(pictures)[0]).size == (3 * 256, 256)  # gray | default | truth
    assert Image.open(folder / "sheet.jpg").size == (3 * 256, 4 * 256)


def test_names_are_escaped():
    evaluation = Evaluation(["<script>"], np.ones(1), [])
    evaluation.chosen, evaluation.scores = {}, []
    assert "<script>" not in format_html(evaluation, "<script>\n\n| <b> |\n|---|\n| <i> |")


def test_other_tools_are_measured_alike(training_folder, report, tmp_path):
    """Pictures that are the truth itself score 0; gray ones score as gray does."""
    folder, _ = report
    truths = read_truths([training_folder], PROTOCOLS["default"], limit=4)
    (tmp_path / "perfect").mkdir()
    for name, rgb8 in zip(truths.names, truths.rgb8, strict=True):
        Image.fromarray(rgb8).save(tmp_path / "perfect" / f"{name}.png")
    found = evaluate(
        [training_folder], [], outputs={"perfect": tmp_path / "perfect", "dull": folder / "inputs"}, limit=4
    )
    assert found["perfect"].measures["delta_e"].max() < 0.05 and found["perfect"].measures["psnr"].min() > 50
    assert found.ratio("perfect")[1] == pytest.approx(1, abs=0.01)
    assert found.ratio("dull")[0] == pytest.approx(1, abs=0.01)
    assert found["perfect"].distances["kid_lite"] == pytest.approx(0, abs=0.1)
    skin = found["perfect"].measures["skin_chroma"]
    assert np.nanmax(np.abs(skin - 1)) < 0.01
    assert found.contestants == ["perfect", "dull"]


def test_inputs_keep_the_luminance(training_folder, report):
    folder, _ = report
    truths = read_truths([training_folder], PROTOCOLS["default"], limit=4)
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
            assert one.shape == (1, 3, 256, 256) and one.min() >= -1 and one.max() <= 1
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
        [training_folder, "--limit", 2, "--outputs", f"other={tmp_path / 'half'}"],
        [training_folder, "--limit", 2, "--published"],
    ):
        result = run(*arguments)
        assert result.exit_code == 2 and "Traceback" not in result.output, arguments
        assert len(result.output.strip().splitlines()) == 1, result.output
