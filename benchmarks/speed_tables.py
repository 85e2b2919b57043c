"""The tables of benchmarks/RESULTS.md, and the figures in them that may get better or worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Part = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A number that two runs can be compared by. is_ratio: it can be compared between machines."""

    value: float
    is_ratio: bool = False
    more_is_better: bool = False


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def photographs(part: Part) -> str:
    """Whole processes, JPEG to JPEG."""
    rows = []
    for row in part["rows"]:
        now, before, copy = row["now"], row["before"], row["copy"]
        for name, took in (("now", now), ("before", before), ("copy", copy), ("pix2pix", row.get("pix2pix"))):
            if took:
                ratios = [f"{took[0] / copy[0]:.1f}", f"{before[0] / took[0]:.2f}"]
                label = f"{row['megapixels']:g} megapixels, {part['names'][name]}"
                rows.append([label, f"{took[0]:.2f}", f"{took[1]:.2f}", f"{took[2]:.0f}", *ratios])
    heads = ["JPEG to JPEG", "CPU, s", "wall, s", "peak, MB", "CPU ÷ copy", "CPU of the earlier build ÷ this"]
    text = (
        "The copy is libvips, decoding the same gray JPEG and encoding it as sRGB: quality 95, 4:4:4, optimized.\n"
        "pix2pix is its published generator, untrained, as a run of `--model`: PyTorch instead of ONNX Runtime."
    )
    return f"## `photochrom colorize`, whole process\n\n{table(heads, rows)}\n\n{text}"


def growth(part: Part) -> str:
    """This build, by the photograph's size."""
    rows = [
        [f"{row['megapixels']:g}", row["format"], *(f"{row['now'][i]:.2f}" for i in (0, 1)), f"{row['now'][2]:.0f}"]
        for row in part["rows"]
    ]
    note = "Another run than that of the first table, at another hour: of the same size they give different figures."
    return f"## How it grows\n\n{note}\n\n{table(['megapixels', 'format', 'CPU, s', 'wall, s', 'peak, MB'], rows)}"


def folder(part: Part) -> str:
    """A folder of photographs."""
    count, rows = part["count"], []
    for name in ("before", "now"):
        cpu, wall, peak = part[name]
        figures = [f"{1000 * cpu / count:.0f}", f"{1000 * wall / count:.0f}", f"{peak:.0f}"]
        ratios = [f"{part['before'][i] / part[name][i]:.2f}" for i in (0, 1)]
        rows.append([part["names"][name], *figures, *ratios])
    heads = ["", "CPU a photograph, ms", "wall, ms", "peak, MB", "× CPU", "× wall"]
    return f"## A folder of {count} photographs of a megapixel, `--jobs 2`\n\n{table(heads, rows)}"


def generator(part: Part) -> str:
    """The network alone."""
    ours, theirs = part["default"], part["pix2pix"]
    rows = [
        ["default, ONNX Runtime", f"{1000 * ours:.1f}", "1"],
        ["pix2pix, PyTorch", f"{1000 * theirs:.1f}", f"{theirs / ours:.1f}"],
    ]
    heads = ["", "milliseconds", "× default"]
    return f"## The generator alone, one picture of 256 x 256\n\n{table(heads, rows)}"


def training(part: Part) -> str:
    """Our loop and the published one."""
    rows = []
    for row in part["rows"]:
        (wall, cpu), (their_wall, their_cpu) = row["ours"], row["reference"]
        rates = [f"{row['batch'] / their_wall:.2f}", f"{row['batch'] / wall:.2f}"]
        rows.append(
            [row["preset"], row["size"], row["batch"], *rates, f"{their_wall / wall:.2f}", f"{their_cpu / cpu:.2f}"]
        )
    heads = ["networks of", "pixels", "batch", "pix2pix loop, photographs/s", "ours", "×", "× by CPU time"]
    text = "The same networks, batches and losses in the published loop, in plain PyTorch (`benchmarks/reference.py`)."
    return f"## Training, beside the published loop\n\n{table(heads, rows)}\n\n{text}"


def stages(part: Part) -> str:
    """The presets as they are configured."""
    rows = [
        [row["preset"], row["stage"], row["size"], row["batch"], f"{row['rate']:.1f}"]
        + [f"{row[share]:.0%}" for share in ("data", "generator", "discriminator")]
        for row in part["rows"]
    ]
    heads = ["preset", "stage", "pixels", "batch", "photographs/s", "data", "generator", "discriminator"]
    return f"## Training, as the presets have it\n\n{table(heads, rows)}"


def size(part: Part) -> str:
    """The wheel and an environment."""
    largest = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in part["largest"])
    return (
        f"## Size\n\nThe wheel: {part['wheel']:.1f} MB. Installed without extras: {part['installed']:.0f} MB "
        f"(the largest: {largest})."
    )


TABLES: dict[str, Callable[[Part], str]] = {
    "photographs": photographs,
    "growth": growth,
    "folder": folder,
    "generator": generator,
    "training": training,
    "stages": stages,
    "size": size,
}


def figures_of(part: str, measured: Part | None) -> dict[str, Figure]:
    """The figures of a part by their names."""
    if not measured:
        return {}
    found: dict[str, Figure] = {}
    if part == "photographs":
        for row in measured["rows"]:
            name = f"{row['megapixels']:g} megapixels"
            found[f"{name}, CPU ÷ copy"] = Figure(row["now"][0] / row["copy"][0], is_ratio=True)
            found |= _took(name, row["now"])
    elif part == "growth":
        for row in measured["rows"]:
            found |= _took(f"{row['megapixels']:g} megapixels as {row['format']}", row["now"])
    elif part == "folder":
        found["× CPU"] = Figure(measured["before"][0] / measured["now"][0], is_ratio=True, more_is_better=True)
        found["× wall"] = Figure(measured["before"][1] / measured["now"][1], is_ratio=True, more_is_better=True)
    elif part == "generator":
        found["pix2pix ÷ default"] = Figure(measured["pix2pix"] / measured["default"], True, more_is_better=True)
    elif part == "training":
        for row in measured["rows"]:
            ratio = row["reference"][0] / row["ours"][0]
            found[f"{row['preset']}, × the published loop"] = Figure(ratio, is_ratio=True, more_is_better=True)
    elif part == "stages":
        for row in measured["rows"]:
            found[f"{row['preset']}, {row['stage']}"] = Figure(row["rate"], more_is_better=True)
    else:
        found |= {name: Figure(measured[name], is_ratio=True) for name in ("wheel", "installed")}
    return found


def _took(name: str, took: Sequence[float]) -> dict[str, Figure]:
    """CPU, wall and peak of a process."""
    return {f"{name}, {what}": Figure(value) for what, value in zip(("CPU", "wall", "peak"), took, strict=True)}
