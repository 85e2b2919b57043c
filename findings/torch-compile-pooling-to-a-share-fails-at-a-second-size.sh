#!/usr/bin/env bash
# A network that pools its input to the size of another one (adaptive_avg_pool2d to height // 4, width // 4, as in a PatchGAN).
# One would guess that torch.compile, as it is by default, takes pictures of a second size or leaves them to eager mode.
# torch 2.13.0 compiles the first size, and at the second one raises InductorError ("cannot determine truth value of
# Relational"); with dynamic=False it compiles both. A fixed output size is fine, too. Source: pytorch/pytorch#185575, #185369.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 setuptools==80.9.0
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from torch.nn.functional import adaptive_avg_pool2d

print("torch", torch.__version__)


def to_a_quarter(picture):
    return adaptive_avg_pool2d(picture, (picture.shape[2] // 4, picture.shape[3] // 4))


def to_seven(picture):
    return adaptive_avg_pool2d(picture, 7)


def outcomes(function, **settings):
    torch._dynamo.reset()
    compiled, found = torch.compile(function, **settings), []
    for side in (64, 96):
        picture = torch.rand(1, 3, side, side)
        try:
            assert torch.allclose(compiled(picture), function(picture), atol=1e-6)
            found.append("right")
        except torch._inductor.exc.InductorError as error:
            found.append("fails: " + str(error).splitlines()[0][:80])
    print(function.__name__, settings or "as it is by default", found)
    return [each.split(":")[0] for each in found]


assert outcomes(to_a_quarter) == ["right", "fails"]
assert outcomes(to_a_quarter, dynamic=False) == ["right", "right"]
assert outcomes(to_seven) == ["right", "right"]
PYTHON
