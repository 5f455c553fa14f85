"""Tasks that look at figures and report findings: their brief, and how such a task is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from agents.base import BriefExample, Context, ProposedAction, Task
from agents.parts.brief_fields import Ask, Told
from agents.parts.documents import make_task
from agents.parts.result_parts import (
    NOTHING_TO_DO,
    REPORT_JOB,
    Part,
    Report,
    ReportAnswer,
    show_report,
    summarise_report,
)
from agents.parts.task_proposals import propose_findings
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
    tasks_at: str = "",
) -> Task[Any, Any]:
    """A task that reports findings on figures that code computes.

    With `tasks_at`, the page where people see to them, findings are proposed as tasks; the playbook's rules say
    whether there is anything to do at all.
    """

    def propose_all(brief: LookBrief, context: Context, report: Report) -> list[ProposedAction]:
        own = propose(brief, context, report) if propose else []
        is_needed = bool(tasks_at) and playbook(brief, context).first_step != NOTHING_TO_DO
        return own + (propose_findings(label, report.findings, tasks_at) if is_needed else [])

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
        propose=propose_all,
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
