"""Prometheus' text format, version 0.0.4: families of samples in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Family:
    """A metric: its name, counter, gauge or histogram, what it tells, and the names of its labels."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A value under a family's labels; `buckets` are a histogram's counts, each with the upper end of its bucket."""

    labels: tuple[str, ...]
    value: float
    buckets: tuple[tuple[float, int], ...] = ()


def write_family(family: Family, samples: Iterable[Sample]) -> str:
    """The family's lines; none when it has no samples."""
    lines = [line for sample in samples for line in _lines(family, sample)]
    if not lines:
        return ""
    head = [f"# HELP {family.name} {_escape_help(family.meaning)}", f"# TYPE {family.name} {family.kind}"]
    return "\n".join([*head, *lines]) + "\n"


def _lines(family: Family, sample: Sample) -> list[str]:
    labels = dict(zip(family.labels, sample.labels, strict=True))
    if family.kind != "histogram":
        return [f"{family.name}{_braces(labels)} {_number(sample.value)}"]
    lines, count = [], 0
    for bound, amount in sample.buckets:
        count += amount
        lines.append(f"{family.name}_bucket{_braces({**labels, 'le': _number(bound)})} {count}")
    lines.append(f"{family.name}_sum{_braces(labels)} {_number(sample.value)}")
    lines.append(f"{family.name}_count{_braces(labels)} {count}")
    return lines


def _braces(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
