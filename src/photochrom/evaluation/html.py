"""The page of an evaluation: its tables, and the best, median and worst photographs of each contestant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from photochrom.evaluation.results import Evaluation
from photochrom.evaluation.table import Block, blocks_to_html

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
body { color-scheme: light dark; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #8884; padding: .2rem .7rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 0 0 1rem; } figure img { max-width: 100%; } figcaption { font-size: .85em; opacity: .8; }
"""


def format_html(evaluation: Evaluation, blocks: Sequence[Block]) -> str:
    """The page; its pictures are in the folder strips/ beside it. blocks: its tables and paragraphs."""
    columns = " | ".join(["gray", *evaluation.contestants, "truth"])
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>photochrom evaluation</title>",
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style><h1>Evaluation</h1>",
        blocks_to_html(blocks),
    ]
    for name, kinds in evaluation.chosen.items():
        errors = evaluation[name].measures["delta_e"]
        for kind, numbers in kinds.items():
            parts.append(f"<h2>{escape(name)}: {kind}</h2><p>{escape(columns)}</p>")
            for i in numbers:
                caption = f"{evaluation.photographs[i]}: ΔE2000 {errors[i]:.1f}"
                alt = f"{evaluation.photographs[i]}, {columns}"
                parts.append(
                    f"<figure><img loading=lazy src='strips/{i}.jpg' alt='{escape(alt, quote=True)}'>"
                    f"<figcaption>{escape(caption)}</figcaption></figure>"
                )
    parts.append(f"<h2>Settings</h2><pre>{escape(json.dumps(evaluation.settings, indent=1))}</pre></html>")
    return "\n".join(parts) + "\n"
