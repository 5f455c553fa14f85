"""What an agent is: a worker with jobs. Each task has a typed brief, reads LUX's own data, and ends in a typed result.

To add an agent, write agents/<key>.py with an AGENT and list it in AGENTS.
To add a task, write its module (agents/parts/documents.py makes the usual kind) and list it in its agent's `tasks`. The
workspace, the form of the brief, edits, differences and the document are all made from what is declared here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from agents.parts.blocks import Block
from agents.parts.brief_fields import BriefField, list_brief_fields

BriefT = TypeVar("BriefT", bound=BaseModel)
ResultT = TypeVar("ResultT", bound=BaseModel)

Verdict = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Evidence:
    """One thing that a run has read: which question was asked of LUX's data, the answer, and when it was true.

    `details` are the figures behind the value, line by line; `how` says how code came to them.
    """

    key: str
    label: str
    value: str
    as_of: datetime
    source: str = ""
    details: tuple[str, ...] = ()
    how: str = ""

    def as_row(self) -> dict[str, Any]:
        """The row as it is kept with the run."""
        return {
            "key": self.key,
            "label": self.label,
            "value": self.value,
            "source": self.source,
            "details": list(self.details),
            "how": self.how,
            "as_of": self.as_of.isoformat(timespec="seconds"),
        }


@dataclass(frozen=True)
class Context:
    """What a task knows when it writes: evidence for people, facts for prompt and playbook. No personal data.

    `kept` is for code alone, such as the ids that a proposal needs: the model never sees it.
    """

    evidence: list[Evidence]
    facts: dict[str, Any]
    coverage: float = 1.0
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """What the code found in a result. A `fail` keeps the result from being proposed."""

    key: str
    label: str
    verdict: Verdict
    detail: str
    field: str = ""


@dataclass(frozen=True)
class ProposedAction:
    """What a result asks a person to approve; `payload` is validated by the action's own schema.

    `slot` tells the proposals of one run apart: one that waits takes over what a newer version proposes there.
    """

    action: str
    title: str
    payload: dict[str, Any]
    reason: str
    effect: str
    slot: str = ""


@dataclass(frozen=True)
class BriefExample:
    """A brief that fills the form."""

    label: str
    text: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Instructions:
    """What the model is told: its job, and LUX's data between markers."""

    system: str
    user: str


@dataclass(frozen=True)
class Task(Generic[BriefT, ResultT]):
    """One job of an agent, from brief to proposals.

    `answer` is what the model gives, `complete` makes the result of it with what code computes; `tell` reads a half
    answer aloud while it streams; `show` is the result as blocks for the page, the document and the difference of two
    versions. `propose` gives what the result would do, nothing for a document. A task with a `form` of its own has
    the templates agents/draft_<form>.html and agents/edit_<form>.html; all others need none.
    """

    key: str
    label: str
    verb: str
    brief: type[BriefT]
    answer: type[BaseModel]
    result: type[ResultT]
    read: Callable[[BriefT], Context]
    instruct: Callable[[BriefT, Context], Instructions]
    complete: Callable[[BriefT, Context, Any], ResultT]
    playbook: Callable[[BriefT, Context], ResultT]
    check: Callable[[BriefT, Context, ResultT], list[Check]]
    propose: Callable[[BriefT, Context, ResultT], list[ProposedAction]]
    tell: Callable[[Mapping[str, Any]], str]
    summarise: Callable[[ResultT], str]
    assume: Callable[[BriefT, Context], list[str]]
    show: Callable[[ResultT], list[Block]]
    examples: tuple[BriefExample, ...] = ()
    editable: tuple[str, ...] = ()
    form: str = ""
    preview: Callable[[ResultT], dict[str, Any]] | None = None
    uses_brand: bool = True
    longest_answer_tokens: int = 2500

    @property
    def fields(self) -> list[BriefField]:
        return list_brief_fields(self.brief)


@dataclass(frozen=True)
class Agent:
    """One of the eleven: what it is called, its tasks, what it reads and what its work becomes.

    `role` is the least that its pages need: viewers read most agents' runs, server faults are for operators.
    """

    key: str
    label: str
    verb_line: str
    icon: str
    tasks: tuple[Task[Any, Any], ...]
    reads: tuple[str, ...]
    feeds: tuple[str, ...]
    role: str = "viewer"

    def find_task(self, key: str) -> Task[Any, Any] | None:
        """The task of that key."""
        return next((task for task in self.tasks if task.key == key), None)
