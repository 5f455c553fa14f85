"""Parts that many results are made of, and how each is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agents.base import Evidence
from agents.blocks import Block, Card, Cards, Figure, Figures, Text
from agents.brief_fields import Line, Name, Words
from agents.sources import shown


class Part(BaseModel):
    """A part of a result or of an answer: nothing else is let in."""

    model_config = ConfigDict(extra="forbid")


class Finding(Part):
    """Something that was found: what it is, and what to do."""

    title: Name
    what: Words
    do: Words


class Step(Part):
    """Something to do, and why."""

    title: Name
    why: Words


class ShownFigure(Part):
    """One computed figure with the evidence that it is from."""

    label: str
    value: str
    evidence: str = ""
    note: str = ""


Findings = Annotated[list[Finding], Field(min_length=1, max_length=8)]
Steps = Annotated[list[Step], Field(min_length=1, max_length=8)]
Lines = Annotated[list[Line], Field(min_length=1, max_length=10)]
SomeLines = Annotated[list[Line], Field(max_length=10)]


def make_figure(label: str, number: float | None, evidence: str, *, unit: str = "", note: str = "") -> ShownFigure:
    """A figure as it is shown."""
    return ShownFigure(label=label, value=shown(number, unit), evidence=evidence, note=note)


def show_figures(figures: Sequence[ShownFigure], title: str = "In figures") -> Block:
    """A row of figures, each with the way to its evidence."""
    return Figures([Figure(one.label, one.value, one.evidence, one.note) for one in figures], title)


def show_findings(findings: Sequence[Finding], title: str = "What we found") -> Block:
    """Findings as cards."""
    return Cards([Card(one.title, f"{one.what}\n\n**Do:** {one.do}") for one in findings], title)


def show_steps(steps: Sequence[Step], title: str = "What to do") -> Block:
    """Steps as a list, the first one first."""
    return Text("\n".join(f"- **{one.title}** – {one.why}" for one in steps), title)


def show_lines(lines: Sequence[str], title: str) -> list[Block]:
    """A plain list; nothing of an empty one."""
    return [Text("\n".join(f"- {line}" for line in lines), title)] if lines else []


def list_labels(evidence: Sequence[Evidence]) -> str:
    """What was read, in a few words."""
    return ", ".join(one.label.lower() for one in evidence)
