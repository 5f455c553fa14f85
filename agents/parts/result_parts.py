"""Parts that many results are made of, and how each is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agents.parts.blocks import Block, Card, Cards, Figure, Figures, Table, Text
from agents.parts.brief_fields import Line, Name, Words
from agents.sources.readings import counted, shown


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


class ShownTable(Part):
    """Computed rows; `numbers` are the positions of the columns that hold figures."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    numbers: list[int] = []
    empty: str = "Nothing to show."
    link: str = ""


Findings = Annotated[list[Finding], Field(min_length=1, max_length=8)]
Steps = Annotated[list[Step], Field(min_length=1, max_length=8)]
Lines = Annotated[list[Line], Field(min_length=1, max_length=10)]
SomeLines = Annotated[list[Line], Field(max_length=10)]


class ReportAnswer(Part):
    """What a model words of a report: the figures are computed."""

    verdict: Words
    findings: Findings
    first_step: Line


class Report(ReportAnswer):
    """A report: the words with the figures and tables that code computed."""

    figures: list[ShownFigure]
    tables: list[ShownTable] = []


NOTHING_TO_DO = "Nothing needs to be done today."
REPORT_JOB = (
    "verdict: two or three sentences. findings: the most important first, each with what the figures say and what to "
    "do about it. first_step: the one thing to do today."
)


def write_report(findings: Sequence[Finding], *, good: str, bad: str, calm: Finding) -> ReportAnswer:
    """A playbook's report: the findings that rules made, or that nothing is wrong."""
    if not findings:
        return ReportAnswer(verdict=good, findings=[calm], first_step=NOTHING_TO_DO)
    first = findings[0].do.split(". ")[0].rstrip(".")
    return ReportAnswer(verdict=bad, findings=list(findings)[:8], first_step=f"{first}."[:200])


def show_report(report: Report) -> list[Block]:
    """A report for page and document."""
    return [
        Text(report.verdict, "In short"),
        show_figures(report.figures),
        *(show_table(table) for table in report.tables),
        show_findings(report.findings),
        Text(report.first_step, "First step"),
    ]


def show_table(table: ShownTable) -> Block:
    """Computed rows as a table."""
    return Table(table.title, table.columns, table.rows, frozenset(table.numbers), table.empty, table.link)


def make_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    numbers: Sequence[int] = (),
    empty: str = "",
    link: str = "",
) -> ShownTable:
    """Rows of a report, each value as it is shown."""
    told = [[_cell(cell) for cell in row] for row in rows]
    words = empty or "Nothing to show."
    return ShownTable(title=title, columns=list(columns), rows=told, numbers=list(numbers), empty=words, link=link)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return shown(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def summarise_report(report: Report) -> str:
    """One sentence for the list of runs."""
    return summarise_list(len(report.findings), "finding", report.findings[0].title)


def summarise_list(count: int, noun: str, first: str) -> str:
    """How many there are, and the first by its name."""
    return f"{counted(count, noun)}{':' if count == 1 else '. First:'} {first.rstrip('.')}."


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
