"""Reads what mail systems write back: mail that came to nothing (RFC 3464) and complaints (RFC 5965).

Only what a program wrote for programs counts: multipart/report with its typed parts. Words are never guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message
from typing import Literal

Kind = Literal["bounce", "complaint"]
MOST_TOKENS = 20
_TOKEN = re.compile(rb"/([A-Za-z0-9_-]{40})(?![A-Za-z0-9_-])")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_REPLY = re.compile(r"\b([245]\d\d)[ -]")
# RFC 5965 and its registry: what a person did not want. not-spam, auth-failure and virus say something else.
_COMPLAINTS = ("abuse", "fraud", "opt-out", "opt-out-list")


@dataclass(frozen=True)
class DeliveryReport:
    """What one report says. `tokens` are the ends of links in the mail that it is about, the first ones first.

    `status` is an enhanced code (RFC 3463), such as 5.1.1; "" where there is none.
    """

    kind: Kind
    tokens: tuple[str, ...]
    status: str = ""
    said: str = ""

    @property
    def code(self) -> int:
        """The reply code of SMTP that the receiving server gave, or the plain one of its class."""
        found = _REPLY.search(self.said)
        return int(found[1]) if found else 450 if self.status.startswith("4") else 550


def read_delivery_report(raw: bytes) -> DeliveryReport | None:
    """The report in a mail; None for anything else, a notice of delay and a person's answer among it. Never raises."""
    try:
        mail = message_from_bytes(raw, policy=policy.compat32.clone(max_line_length=None))
        kind = str(mail.get_param("report-type") or "").lower() if mail.get_content_type() == "multipart/report" else ""
        if kind == "delivery-status":
            return _read_bounce(mail)
        if kind == "feedback-report":
            return _read_complaint(mail)
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return None


def _read_bounce(mail: Message) -> DeliveryReport | None:
    fields = _fields(mail, "message/delivery-status")
    if fields is None or fields.get("action", "").strip().lower() != "failed":
        return None
    status = _STATUS.search(fields.get("status", ""))
    said = " ".join(fields.get("diagnostic-code", "").partition(";")[2].split())
    return DeliveryReport("bounce", _tokens(mail), status[0] if status else "", said[:500])


def _read_complaint(mail: Message) -> DeliveryReport | None:
    fields = _fields(mail, "message/feedback-report")
    if fields is None or fields.get("feedback-type", "").strip().lower() not in _COMPLAINTS:
        return None
    said = fields.get("user-agent", "") or fields.get("reporting-mta", "")
    return DeliveryReport("complaint", _tokens(mail), said=" ".join(said.split())[:200])


def _fields(mail: Message, content_type: str) -> dict[str, str] | None:
    """The typed part's fields in lower case; its blocks follow each other, the first one to name a field counts."""
    for part in mail.walk():
        if part.get_content_type() == content_type:
            payload = part.get_payload()
            blocks = payload if isinstance(payload, list) else [message_from_bytes(_body(part))]
            found: dict[str, str] = {}
            for block in (one for one in blocks if isinstance(one, Message)):
                for name, value in block.items():
                    found.setdefault(name.lower(), str(value))
            return found
    return None


def _tokens(mail: Message) -> tuple[str, ...]:
    """Ends of links in the mail that was sent back, whole or its headers only."""
    for part in mail.walk():
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"):
            payload = part.get_payload()
            first = payload[0] if isinstance(payload, list) and payload else None
            inner = first.as_bytes() if isinstance(first, Message) else _body(part)
            found = (match[1].decode("ascii") for match in _TOKEN.finditer(inner))
            return tuple(dict.fromkeys(found))[:MOST_TOKENS]
    return ()


def _body(part: Message) -> bytes:
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else str(part.get_payload()).encode("utf-8", "replace")
