"""Hugging Face conventions: a model is saved to a folder as it would be sent to the hub, and loaded again."""

import json

import numpy as np
import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from photochrom import Colorizer
from photochrom.errors import WeightsError
from photochrom.hub import HubColorizer
from photochrom.inference.weights import read_bundled


def test_to_a_folder_and_back(photographs, tmp_path):
    HubColorizer(working_size=128).save_pretrained(tmp_path / "saved")
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {"README.md", "config.json", "model.onnx"}
    assert json.loads((tmp_path / "saved" / "config.json").read_text()) == {"working_size": 128}
    loaded = HubColorizer.from_pretrained(tmp_path / "saved")
    assert loaded.working_size == 128
    gray = photographs["coffee"][..., 1]
    assert np.array_equal(loaded.colorize(gray), Colorizer(working_size=128).colorize(gray))
    loaded.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "model.onnx").read_bytes() == read_bundled("default")


def test_what_goes_to_the_hub(tmp_path, monkeypatch):
    sent = {}

    class Hub:
        def __init__(self, **_):
            pass

        def create_repo(self, repo_id, **_):
            return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

        def upload_folder(self, repo_id, folder_path, **_):
            sent.update({path.name: path.read_bytes() for path in folder_path.iterdir()})

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Hub)
    HubColorizer().push_to_hub("me/my-model")
    assert sent["model.onnx"] == read_bundled("default") and set(sent) == {"README.md", "config.json", "model.onnx"}
    card = huggingface_hub.ModelCard(sent["README.md"].decode())
    assert card.data.library_name == "photochrom" and card.data.pipeline_tag == "image-to-image"
    assert "colorization" in card.data.tags and "from_pretrained" in card.text
    assert str(tmp_path) not in sent["README.md"].decode() + sent["config.json"].decode()


def test_the_bundled_models_card_is_in_the_hubs_format():
    from pathlib import Path

    card = huggingface_hub.ModelCard.load(Path(__file__).parents[1] / "MODEL_CARD.md")
    assert card.data.library_name == "photochrom" and card.data.license == "apache-2.0"


def test_other_folders_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r"model\.onnx"):
        HubColorizer.from_pretrained(tmp_path)
