"""Tasks that look at figures and report findings: their brief, and how such a task is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from agents.base import BriefExample, Context, ProposedAction, Task
from agents.parts.brief_fields import Ask, Told
from agents.parts.documents import make_task
from agents.parts.result_parts import REPORT_JOB, Part, Report, ReportAnswer, show_report, summarise_report
from agents.sources.readings import shown


class LookBrief(Part):
    """What a person noticed; nothing is needed."""

    noticed: Annotated[Told, Ask("What did you notice?", "Everything is looked at in any case.", "text")] = ""


def make_examples(*given: tuple[str, str, str]) -> tuple[BriefExample, ...]:
    """Examples by label, text and what was noticed."""
    return tuple(BriefExample(label, text, {"noticed": noticed}) for label, text, noticed in given)


def make_report_task(
    key: str,
    label: str,
    verb: str,
    job: str,
    read: Callable[[LookBrief], Context],
    complete: Callable[[LookBrief, Context, ReportAnswer], Report],
    playbook: Callable[[LookBrief, Context], ReportAnswer],
    examples: tuple[BriefExample, ...],
    propose: Callable[[LookBrief, Context, Report], list[ProposedAction]] | None = None,
) -> Task[Any, Any]:
    """A task that reports findings on figures that code computes."""
    return make_task(
        key=key,
        label=label,
        verb=verb,
        job=f"{job} {REPORT_JOB} Relate it to what the brief says was noticed, if it says something.",
        brief=LookBrief,
        answer=ReportAnswer,
        result=Report,
        read=read,
        complete=complete,
        playbook=playbook,
        propose=propose,
        show=show_report,
        summarise=summarise_report,
        examples=examples,
        uses_brand=False,
    )


def share(percent: float | None) -> str:
    """A share as it is shown."""
    return shown(percent, "%")


def cut(title: str) -> str:
    """A title within its length."""
    return title[:80].rstrip()
