"""A reading: one question to LUX's own data, answered as aggregates with its evidence, and how figures are told.

No address and no name of a person is in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agents.base import Context, Evidence

# Fewer messages than this say nothing about how people took a campaign.
FEWEST_SENT = 20


@dataclass(frozen=True)
class Reading:
    """One source read: its evidence, its facts, and how much it had to say, from 0 to 1."""

    evidence: Evidence
    facts: dict[str, Any]
    coverage: float = 1.0
    kept: dict[str, Any] = field(default_factory=dict)


def make_reading(
    key: str,
    label: str,
    value: str,
    facts: dict[str, Any],
    *,
    source: str = "",
    coverage: float = 1.0,
    how: str = "",
    kept: dict[str, Any] | None = None,
) -> Reading:
    """A reading whose evidence lists every figure of its facts."""
    evidence = Evidence(key, label, value, datetime.now(UTC), source, tuple(tell_facts(facts)), how)
    return Reading(evidence, facts, coverage, kept or {})


def gather(*weighted: tuple[Reading, float]) -> Context:
    """One context of several readings; the weights say how much each counts for the coverage."""
    facts: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    for reading, _ in weighted:
        facts |= reading.facts
        kept |= reading.kept
    total = sum(weight for _, weight in weighted) or 1.0
    coverage = sum(weight * reading.coverage for reading, weight in weighted) / total
    return Context([reading.evidence for reading, _ in weighted], facts, round(coverage, 3), kept)


def tell_facts(facts: Mapping[str, Any]) -> list[str]:
    """Facts line by line, so that each figure that a model is told stands in the evidence as well."""
    lines: list[str] = []
    for name, value in facts.items():
        lines += _tell(name.replace("_", " "), value)
    return lines


def percent_of(part: float, whole: float) -> float | None:
    """A share in percent with one decimal; None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def shown(number: float | None, unit: str = "") -> str:
    """A figure as people read it; a dash where there is none."""
    if number is None:
        return "–"
    return f"{number:,}{unit}" if isinstance(number, int) or not float(number).is_integer() else f"{number:,.0f}{unit}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """So many of a thing: 1 finding, 3 findings; `plural` where an s does not make it."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def read_computed(key: str, label: str, facts: dict[str, Any], how: str) -> Reading:
    """Figures that code makes of others, as evidence of their own: how they were made is said."""
    return make_reading(key, label, f"{len(tell_facts(facts))} figures", facts, how=how)


def _tell(name: str, value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}, {key.replace('_', ' ')}: {_flat(one)}" for key, one in value.items() if one not in ("", [])]
    if isinstance(value, list):
        return [_row(one) for one in value]
    return [f"{name}: {_flat(value)}"]


def _row(value: Any) -> str:
    if not isinstance(value, Mapping):
        return _flat(value)
    return ", ".join(f"{key.replace('_', ' ')} {_flat(one)}" for key, one in value.items() if one not in ("", []))


def _flat(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return _row(value)
    if isinstance(value, list):
        return "; ".join(_flat(one) for one in value)
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
