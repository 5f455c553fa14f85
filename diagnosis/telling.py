"""Tells a diagnosis to a person at a shell: cause, evidence, trap, what to do, which repairs fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from diagnosis.base import Diagnosis, Signal

MOST_EVIDENCE_SHOWN = 5
LONGEST_LINE = 160
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
TIERS = {"A": "LUX may do it by itself", "P": "after a person's click", "H": "a person does it"}


def tell(diagnoses: Sequence[Diagnosis], signals: Sequence[Signal]) -> Iterator[str]:
    """The lines of an answer; the first diagnosis in full, the others in one line each."""
    texts = texts_of(signals)
    first, *others = diagnoses
    yield from _tell_one(first, texts)
    if others:
        yield ""
        yield "Also seen, with a cause of its own:"
        for other in others:
            yield f"  {other.rule} ({other.confidence:.0%}): {other.cause}"


def texts_of(signals: Sequence[Signal]) -> dict[str, str]:
    """The line of each evidence id that says the most: redacted, short, without control characters."""
    texts: dict[str, str] = {}
    for signal in signals:
        line = first_line(signal)
        if signal.evidence_id not in texts or signal.depth == 0:
            texts[signal.evidence_id] = line
    return texts


def first_line(signal: Signal) -> str:
    """One line that shows the signal: the exception for a traceback, else the record's first line."""
    lines = [line for line in signal.text.splitlines() if line.strip()]
    name = signal.error_type
    wanted = next((line for line in reversed(lines) if name and line.startswith(name)), lines[0] if lines else "")
    return _UNPRINTABLE.sub("�", wanted.strip())[:LONGEST_LINE]


def _tell_one(diagnosis: Diagnosis, texts: Mapping[str, str]) -> Iterator[str]:
    sure = f", {diagnosis.confidence:.0%} sure" if diagnosis.confidence else ""
    yield f"{diagnosis.rule} ({diagnosis.class_}{sure})"
    yield f"  {diagnosis.cause}"
    if diagnosis.evidence:
        yield "Evidence"
        for evidence_id in diagnosis.evidence[:MOST_EVIDENCE_SHOWN]:
            yield f"  {evidence_id}  {texts.get(evidence_id, '')}".rstrip()
        if len(diagnosis.evidence) > MOST_EVIDENCE_SHOWN:
            yield f"  and {len(diagnosis.evidence) - MOST_EVIDENCE_SHOWN} more"
    if diagnosis.consequences:
        yield f"What follows from it: {', '.join(diagnosis.consequences)}"
    if diagnosis.trap:
        yield f"Trap: {diagnosis.trap}"
    yield "What to do"
    for number, step in enumerate(diagnosis.advice, 1):
        yield f"  {number}. {step}"
    for option in diagnosis.repairs:
        yield f"Repair: {option.id} ({option.tier}: {TIERS[option.tier]})"
    if diagnosis.looked_at:
        yield f"Looked at: {', '.join(diagnosis.looked_at)}"
