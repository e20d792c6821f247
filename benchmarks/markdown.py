"""Tables as Markdown, aligned so that they can be read as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .tables import Section, Table

TITLE = "shardlane beside other drivers"


def document(sections: Iterable[Section]) -> str:
    """Return the whole document."""
    parts = [f"# {TITLE}"]
    for section in sections:
        parts.append(f"## {section.title}")
        parts += [_text(note) for note in section.notes]
        parts += [table(entry) for entry in section.tables]
    return "\n\n".join(parts) + "\n"


def table(entry: Table) -> str:
    """Return a table with its title."""
    lines = [[_cell(text) for text in line] for line in [entry.header, *entry.rows]]
    texts = is_text(entry.rows, len(entry.header))
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]

    def line(cells: list[str]) -> str:
        padded = [
            text.ljust(width) if is_text else text.rjust(width)
            for text, width, is_text in zip(cells, widths, texts, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * width if is_text else "-" * (width - 1) + ":"
        for width, is_text in zip(widths, texts, strict=True)
    ]
    shown = [line(lines[0]), line(rule), *(line(cells) for cells in lines[1:])]
    note = [_text(entry.note)] if entry.note else []
    return "\n\n".join([f"### {_text(entry.title)}", "\n".join(shown), *note])


def is_text(rows: list[list[str]], columns: int) -> list[bool]:
    """Tell for each column whether it is text; the first one is, others if a cell is no number."""
    return [
        column == 0 or any(row[column][:1] not in set("0123456789-") for row in rows)
        for column in range(columns)
    ]


def _cell(text: str) -> str:
    """Text that cannot end its cell."""
    return _text(" ".join(text.split())).replace("|", r"\|")


def _text(text: str) -> str:
    """Text that means what it says: no markup, no HTML."""
    for special in "\\`*<[":
        text = text.replace(special, f"\\{special}")
    return text
