"""What a probe is: something tried, an expectation that can fail, and what was seen.

A view opts in by a Probe in its row of routes.py; a dependency by a row in DEPENDENCIES (probes/dependencies.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import InstrumentedAttribute

KINDS = ("endpoint", "status", "database", "configuration", "dependency", "traffic")


@dataclass(frozen=True)
class TestResult:
    """One thing that was tried. `is_live_baseline`: it was tried while the error was live, before anything changed."""

    __test__ = False

    kind: str
    tried: str
    expected: str
    seen: str
    passed: bool
    key: str = ""
    is_live_baseline: bool = False

    def as_row(self) -> dict[str, Any]:
        """The shape that the API answers with."""
        return {
            "kind": self.kind,
            "tried": self.tried,
            "expected": self.expected,
            "seen": self.seen,
            "passed": self.passed,
            "key": self.key,
            "before_repair": self.is_live_baseline,
        }

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> TestResult:
        """The result that a row tells of."""
        return cls(
            kind=str(row.get("kind", "")),
            tried=str(row.get("tried", "")),
            expected=str(row.get("expected", "")),
            seen=str(row.get("seen", "")),
            passed=bool(row.get("passed")),
            key=str(row.get("key", "")),
            is_live_baseline=bool(row.get("before_repair")),
        )


@dataclass(frozen=True)
class Probe:
    """How a view may be tried without a person: a safe GET with sample input, and words that only success shows.

    `shows` must stand in the answer and in no error page. `sample` gives each part of the address a column; the newest
    row's value fills it. A view that writes, sends or spends must have no probe.
    """

    shows: str
    sample: Mapping[str, InstrumentedAttribute[Any]] = field(default_factory=dict)
    status: int = 200

    def find_fault(self, status: int, text: str) -> str | None:
        """What is wrong with an answer; None when it is as expected."""
        if status != self.status:
            return f"status {status}"
        if self.shows not in text:
            return f"status {status}, without {self.shows!r}"
        return None

    def can_fail(self, known_bad: Mapping[str, tuple[int, str]]) -> bool:
        """Whether the expectation tells bad answers from good ones: every one of these must be found faulty."""
        return bool(self.shows.strip()) and all(self.find_fault(*answer) is not None for answer in known_bad.values())
