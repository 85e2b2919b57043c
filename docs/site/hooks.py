"""What MkDocs runs: gathers pages from the project's root, writes pages from the code, draws the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import figures  # beside this file, where MkDocs looks while it loads hooks
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
GATHERED = ("MODEL_CARD.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/*.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what does not lie in docs/."""
    for pattern in GATHERED:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, content=path.read_text()))
    files.append(File.generated(config, "commands.md", content=commands_page()))
    for name, content in figures.draw_all().items():
        files.append(File.generated(config, f"figures/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links are written to work in the repository; here docs/ and the root are one folder."""
    if page.file.src_uri.startswith("benchmarks/"):
        return markdown.replace("](../docs/", "](../")
    return markdown.replace("](docs/", "](").replace("](../", "](")


def commands_page() -> str:
    """Every command's help, as the command line prints it."""
    from photochrom.cli import main

    sections = ["# Commands", "As `photochrom COMMAND --help` prints them."]
    context = click.Context(main, info_name="photochrom", max_content_width=100, terminal_width=100)
    for name, command in main.commands.items():
        inner = click.Context(command, parent=context, info_name=name, max_content_width=100, terminal_width=100)
        sections.append(f"## {name}\n\n```text\n{command.get_help(inner)}\n```")
    return "\n\n".join(sections) + "\n"
