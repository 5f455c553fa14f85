"""What every repair promises: an id, a tier, what it changes, and to say what it would do before it does it.

No repair edits code, takes free-form commands or shell text; whatever it is told about the fault are typed facts that
it checks itself. To add a repair, write repairs/<id>.py with a REPAIR and list it in REPAIRS.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from config import Settings
from diagnosis.base import Surroundings
from probes.base import TestResult

TIERS = {
    "A": "LUX does it by itself: it is reversible and stays inside of LUX's own process or files.",
    "P": "A person looks at the dry run and approves it.",
    "H": "Advice for a person.",
}
FINAL = "cannot be undone"


@dataclass(frozen=True)
class Situation:
    """What a repair is told: the settings, where the fault is, and facts out of the evidence, which are not trusted."""

    settings: Settings
    group_id: int | None = None
    place: str = ""
    error_type: str = ""
    rule: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    release: str = ""

    def fact(self, name: str, pattern: str) -> str | None:
        """A fact that has the shape it must have, or None."""
        value = self.facts.get(name, "")
        return value if re.fullmatch(pattern, value) else None


@dataclass(frozen=True)
class Outcome:
    """What a repair did: in a sentence, as figures before and after, and what undoing it needs to know."""

    text: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    undo: Mapping[str, Any] | None = None


class RepairFailed(Exception):
    """The repair could not be carried out; the text says why in one sentence."""


class Repair:
    """A repair. Everything that may wait on a network or a disk says so in its own limits."""

    id: ClassVar[str]
    title: ClassVar[str]
    tier: ClassVar[str]
    changes: ClassVar[str]
    # How to undo it, in words; FINAL when it cannot be.
    undo_words: ClassVar[str] = FINAL
    cooldown: ClassVar[timedelta] = timedelta(minutes=15)
    daily_limit: ClassVar[int] = 10
    # Which dependencies' probes tell whether it helped (probes/dependencies.py).
    dependencies: ClassVar[tuple[str, ...]] = ()
    # Whether it keeps the damage small without curing the cause: then the group waits for a person, or for the cure.
    only_contains: ClassVar[bool] = False
    # Whether nobody has to do anything afterwards, though nothing is resolved.
    leaves_nothing: ClassVar[bool] = False
    # Whether it can be carried out and proved without the database.
    works_without_database: ClassVar[bool] = False

    def tier_in(self, surroundings: Surroundings) -> str:
        """Its tier here; some are safe on a machine that LUX owns and not elsewhere."""
        return self.tier

    def find_obstacle(self, situation: Situation) -> str | None:
        """Why it cannot be carried out here and now, in a calm sentence; None when it can. Changes nothing."""
        return None

    def dry_run(self, situation: Situation) -> str:
        """What it would do, exactly and without what changes by the second. Changes nothing."""
        raise RepairFailed(f"{self.id} does not say what it would do.")

    def run(self, situation: Situation) -> Outcome:
        """Carries it out. Raises RepairFailed."""
        raise RepairFailed(f"{self.id} does nothing.")

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        """Whether what it was to change has changed, by looking again."""
        raise RepairFailed(f"{self.id} cannot be checked.")

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        """Puts back what it changed; one sentence. Raises RepairFailed."""
        raise RepairFailed(f"{self.title}: it {FINAL}.")

    @property
    def can_be_undone(self) -> bool:
        return self.undo_words != FINAL and not self.undo_words.startswith(FINAL)

    def say_dry_run(self, situation: Situation) -> str:
        """The whole text that a person approves: the repair, what it changes, the details, and how to undo it."""
        return (
            f"{self.title} ({self.id})\n{self.changes}\n\n{self.dry_run(situation).strip()}\n\nUndo: {self.undo_words}"
        )


def digest_of(text: str) -> str:
    """What an approval is bound to: change one letter of the dry run and it is another."""
    return hashlib.sha256(text.encode()).hexdigest()


def checked(kind: str, tried: str, expected: str, seen: str, *, passed: bool, key: str = "post-check") -> TestResult:
    """The result of a post-check."""
    return TestResult(kind, tried, expected, seen, passed, key)
