"""What the webhook answers: always an object with a receipt, in words that programs and people both understand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from audience.intake_bodies import Stored

TITLES = {400: "Not readable", 413: "Too large", 415: "Unsupported type", 422: "No usable e-mail address"}
KEPT_FOR_LATER = "The body is kept and will be worked on in a moment."


@dataclass(frozen=True)
class IntakeAnswer:
    """The answer to a posted body: always an object with a receipt."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def problem_answer(status: int, reason: str, detail: str, receipt: str, **more: Any) -> IntakeAnswer:
    """A refusal; `reason` is the word by which the inbox groups it."""
    title = TITLES.get(status, "Not possible") if reason != "idempotency_key_reused" else "Key used before"
    body = {"title": title, "status": status, "detail": detail, "message": detail[:250], "reason": reason}
    return IntakeAnswer(status, {**body, "warnings": [reason], "receipt": receipt, **more})


def accepted_answer(receipt: str) -> IntakeAnswer:
    """The body is safe, and what becomes of it is not known yet."""
    body = {"status": "accepted", "message": KEPT_FOR_LATER, "warnings": ["kept_for_later"], "receipt": receipt}
    return IntakeAnswer(202, body)


def stored_answer(stored: Stored) -> IntakeAnswer:
    """The answer that a row of the inbox got when it was dealt with."""
    if stored.answer is None or stored.status is None:
        return accepted_answer(stored.receipt)
    return IntakeAnswer(stored.status, stored.answer)
