"""FID and LPIPS as in published tables, by the usual libraries; an extra, because they need torchvision.

FID on the Inception network of the original TensorFlow weights (torch-fidelity, the same as pytorch-fid);
LPIPS on AlexNet (lpips, Zhang et al. 2018, arXiv 1801.03924). Both download their weights on first use.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from photochrom.errors import MissingExtra


def check_installed() -> None:
    """Raises MissingExtra."""
    try:
        import lpips  # noqa: F401
        import torch_fidelity  # noqa: F401
    except ImportError as error:
        raise MissingExtra("FID and LPIPS", "published") from error


def published_distances(pictures: NDArray[np.uint8], true_pictures: NDArray[np.uint8]) -> dict[str, float]:
    """FID of 8-bit sRGB pictures (N, S, S, 3) to the true ones, and their mean LPIPS. Raises MissingExtra."""
    check_installed()
    import lpips
    import torch_fidelity

    with tempfile.TemporaryDirectory(prefix="photochrom-published-") as scratch:
        folders = [_write_folder(Path(scratch, name), p) for name, p in (("a", pictures), ("b", true_pictures))]
        fid = torch_fidelity.calculate_metrics(
            input1=str(folders[0]), input2=str(folders[1]), fid=True, cuda=torch.cuda.is_available(), verbose=False
        )
    network = lpips.LPIPS(net="alex", verbose=False).eval()
    with torch.inference_mode():
        pairs = zip(pictures, true_pictures, strict=True)
        lpips_values = [network(_plus_minus_one(one), _plus_minus_one(other)).item() for one, other in pairs]
    return {"fid_inception": float(fid["frechet_inception_distance"]), "lpips_alex": float(np.mean(lpips_values))}


def _write_folder(folder: Path, pictures: NDArray[np.uint8]) -> Path:
    folder.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:06d}.png")
    return folder


def _plus_minus_one(rgb8: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(rgb8).permute(2, 0, 1)[None].float() / 127.5 - 1
