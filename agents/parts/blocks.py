"""What a result is shown with: a small vocabulary of blocks, the same on the page and in the document.

To add a kind of block, add it here, to templates/agents/_blocks.html and to write_markdown().
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Text:
    """Running text: paragraphs, **bold**, lists."""

    kind: ClassVar[str] = "text"
    text: str
    title: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]
    title: str = ""


@dataclass(frozen=True)
class Figure:
    """One figure with the evidence that it is from."""

    label: str
    value: str
    evidence: str = ""
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """A row of figures."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """Rows; `numbers` are the positions of the columns that hold figures.

    `link` is where a row's first cell leads when it is a number such as #12: the address before that number.
    """

    kind: ClassVar[str] = "table"
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    empty: str = "Nothing to show."
    link: str = ""


@dataclass(frozen=True)
class Card:
    """One of several things of a kind: its title, its words, its facts."""

    title: str
    text: str = ""
    facts: Sequence[tuple[str, str]] = ()
    note: str = ""


@dataclass(frozen=True)
class Cards:
    """Several things of a kind, side by side."""

    kind: ClassVar[str] = "cards"
    cards: Sequence[Card]
    title: str = ""


@dataclass(frozen=True)
class Rules:
    """A segment's rules read back in words, with how many they mean."""

    kind: ClassVar[str] = "rules"
    reads: str
    count: int
    title: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture by its address within LUX, with the words that it shows."""

    address: str
    alt: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True)
class Pictures:
    """Pictures as they would be drawn."""

    kind: ClassVar[str] = "pictures"
    pictures: Sequence[Picture]
    title: str = ""


Block = Text | Facts | Figures | Table | Cards | Rules | Pictures


def write_markdown(title: str, blocks: Iterable[Block], *, foot: Sequence[str] = ()) -> str:
    """The blocks as a document that any editor opens."""
    lines = [f"# {_flat(title)}", ""]
    for block in blocks:
        if block.title:
            lines += [f"## {_flat(block.title)}", ""]
        lines += [*_lines_of(block), ""]
    if foot:
        lines += ["---", "", *foot, ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _lines_of(block: Block) -> list[str]:
    match block:
        case Text():
            return [block.text]
        case Facts():
            return [f"- **{_flat(name)}**: {_flat(value)}" for name, value in block.items]
        case Figures():
            return [
                f"- **{_flat(one.label)}**: {_flat(one.value)}" + (f" ({_flat(one.note)})" if one.note else "")
                for one in block.figures
            ]
        case Table():
            return _table(block)
        case Cards():
            return [line for card in block.cards for line in _card(card)]
        case Rules():
            return [f"{block.reads} ({block.count:,} contacts now)"]
        case Pictures():
            return [f"- {_flat(one.caption)}: {_flat(one.alt)}" for one in block.pictures]


def _table(block: Table) -> list[str]:
    if not block.rows:
        return [block.empty]
    rule = ["---:" if at in block.numbers else "---" for at in range(len(block.columns))]
    rows = [block.columns, rule, *block.rows]
    return ["| " + " | ".join(_flat(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]


def _card(card: Card) -> list[str]:
    lines = [f"### {_flat(card.title)}", ""]
    lines += [card.text, ""] if card.text else []
    lines += [*(f"- **{_flat(name)}**: {_flat(value)}" for name, value in card.facts), ""] if card.facts else []
    return lines + ([f"*{_flat(card.note)}*", ""] if card.note else [])


def _flat(text: str) -> str:
    return " ".join(str(text).split())
