"""The audit trail: who did what, when, from where. Rows are only ever added."""

from __future__ import annotations

from typing import Any

from extensions import db
from models import AuditEntry


def add_audit_entry(
    action: str,
    *,
    actor: str,
    user_id: int | None = None,
    subject: str | None = None,
    peer: str | None = None,
    **detail: Any,
) -> None:
    """Adds a row within the caller's transaction: the deed and its record stand or fall together."""
    db.session.add(AuditEntry(action=action, actor=actor, user_id=user_id, subject=subject, peer=peer, detail=detail))
