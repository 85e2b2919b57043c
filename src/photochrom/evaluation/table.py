"""Tables of a report, and how they are written in Markdown and in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Table:
    """A table of plain text: a head, and rows with as many cells as the head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.head) for row in self.rows)

    def markdown(self) -> str:
        """The table in Markdown; a bar within a cell is escaped."""
        lines = [_markdown_row(self.head), "|" + "---|" * len(self.head), *map(_markdown_row, self.rows)]
        return "\n".join(lines)

    def html(self) -> str:
        """The table in HTML; all cells are escaped."""
        rows = [_html_row("th", self.head), *(_html_row("td", row) for row in self.rows)]
        return f"<table>{''.join(rows)}</table>"


Block = Table | str  # a report is a list of tables and paragraphs


def blocks_to_markdown(blocks: Sequence[Block]) -> str:
    """Tables and paragraphs in Markdown, with an empty line between them."""
    return "\n\n".join(block.markdown() if isinstance(block, Table) else block for block in blocks)


def blocks_to_html(blocks: Sequence[Block]) -> str:
    """Tables and paragraphs in HTML, one per line."""
    return "\n".join(block.html() if isinstance(block, Table) else f"<p>{escape(block)}</p>" for block in blocks)


def _markdown_row(cells: Sequence[str]) -> str:
    escaped = [cell.replace("\\", "\\\\").replace("|", "\\|") if "|" in cell else cell for cell in cells]
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in escaped)


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
