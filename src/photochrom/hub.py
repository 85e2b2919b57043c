"""Models on the Hugging Face Hub, with the hub library's mixin: `from_pretrained`, `save_pretrained`, `push_to_hub`.

The Python API and `photochrom export` need no hub. This is for people who keep their models there (extra `hub`). A
repository holds `model.onnx`, `config.json` and a model card. ONNX files hold no code that runs on loading.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

try:
    from huggingface_hub import ModelCard, ModelCardData, ModelHubMixin, hf_hub_download
except ImportError as error:
    from photochrom.errors import MissingExtra

    raise MissingExtra("the Hugging Face Hub", "hub") from error

from photochrom.errors import WeightsError
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Colorizer
from photochrom.inference.weights import BUNDLED_MODELS, read_bundled
from photochrom.settings import AUTO, DEFAULT_MODEL

MODEL_FILE = "model.onnx"
TAGS = ["colorization", "image-colorization", "gan", "onnx"]
CARD = """
# {preset} generator, {steps} training steps

Colors black-and-white photographs: a U-Net that was trained as a conditional GAN in CIE L\\*a\\*b\\* space by
photochrom. The colors are plausible ones, not evidence.

```python
from photochrom import read_photograph
from photochrom.hub import HubColorizer

colorizer = HubColorizer.from_pretrained("NAME/OF-THIS-MODEL")
rgb = colorizer.colorize(read_photograph("old.jpg").pixels)
```

Noise channels: {noise}. Working size: {working_size} pixels. The training's configuration is in the file's metadata.
Say here what the model was trained on, under which terms, how good it is (`photochrom evaluate`) and where it fails.
"""


class HubColorizer(Colorizer, ModelHubMixin, library_name="photochrom", tags=list(TAGS)):
    """A Colorizer that can be loaded from the hub and sent to it.

    model: a bundled model's name or the path of an exported .onnx file. working_size, threads, device: as for
    Colorizer.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        working_size: int = DEFAULT_WORKING_SIZE,
        threads: int = 0,
        device: str = AUTO,
    ) -> None:
        super().__init__(model, working_size=working_size, threads=threads, device=device)
        self.model = model
        self._hub_mixin_config = {"working_size": working_size}  # other settings depend on the machine

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """A model card in the hub's format, to be filled in."""
        data = ModelCardData(library_name="photochrom", pipeline_tag="image-to-image", tags=list(TAGS))
        info = self.backend.info
        steps = info.details.get("step", "an unknown number of")
        text = CARD.format(preset=info.preset, steps=steps, noise=info.noise_channels, working_size=self.working_size)
        return ModelCard(f"---\n{data.to_yaml()}\n---\n{text}")

    def _save_pretrained(self, save_directory: Path) -> None:
        if self.model in BUNDLED_MODELS:
            content = read_bundled(self.model)
        else:
            path = Path(self.model)
            if path.suffix != ".onnx":
                raise WeightsError(f"{path} is not an .onnx file: `photochrom export` makes one from a training run")
            content = path.read_bytes()
        (save_directory / MODEL_FILE).write_bytes(content)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        working_size: int = DEFAULT_WORKING_SIZE,
        threads: int = 0,
        device: str = AUTO,
        **unknown: Any,
    ) -> HubColorizer:
        if Path(model_id).is_dir():
            path = Path(model_id) / MODEL_FILE
            if not path.exists():
                raise WeightsError(f"{model_id} has no {MODEL_FILE}: it is not a model that photochrom saved")
        else:
            path = Path(
                hf_hub_download(
                    model_id, MODEL_FILE, revision=revision, cache_dir=cache_dir, force_download=force_download,
                    local_files_only=local_files_only, token=token,
                )
            )  # fmt: skip
        return cls(str(path), working_size=working_size, threads=threads, device=device)
