"""Addresses that do not take mail: one hard bounce or five soft ones, and the address is never written to again."""

from __future__ import annotations

from sqlalchemy import text

from audience.consent import add_suppression, withdraw_consent
from channels.base import Outcome
from extensions import db

SOFT_BOUNCES_ALLOWED = 5
COUNT = text("UPDATE contacts SET bounce_count = bounce_count + 1 WHERE id = :id RETURNING bounce_count")


def note_bounce(outcome: Outcome, contact_id: int, address: str) -> None:
    """Learns from a message that failed for good, in the caller's transaction."""
    if outcome.code is None:
        return  # nobody refused it: our own side could not write or carry it
    bounces = db.session.scalar(COUNT, {"id": contact_id})
    if bounces is None or (not outcome.is_bad_address and bounces < SOFT_BOUNCES_ALLOWED):
        return
    method = "hard_bounce" if outcome.is_bad_address else "soft_bounces"
    said = f"{outcome.code} {outcome.text}"[:500]
    withdraw_consent(contact_id, method=method, state="bounced", source="mail server", actor="LUX", wording=said)
    add_suppression(address, "bounced", said)
