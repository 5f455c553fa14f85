"""Dead bodies of the webhook inbox read again: one, all of a reason, or an edited copy."""

from __future__ import annotations

import time

from audience.intake_answers import IntakeAnswer
from audience.intake_bodies import Received, find_by_receipt, keep_unchecked_body, mark_edited, wake_dead
from audience.intake_connection import with_cursor
from audience.intake_reading import finish_by_id, forget_rules
from errors import Conflict

REPLAY_SECONDS = 8.0


def replay_body(body_id: int) -> IntakeAnswer | None:
    """Reads one dead body again, by the rules and mappings as they are now. None when it is not dead."""
    forget_rules()
    if not with_cursor(lambda cursor: wake_dead(cursor, ids=[body_id])):
        return None
    return finish_by_id(body_id)


def replay_reason(reason: str) -> tuple[int, int]:
    """Reads all dead bodies of a reason again: how many woke up, how many of them were read before time ran out.

    The rest is read by the sweeper.
    """
    forget_rules()
    ids = with_cursor(lambda cursor: wake_dead(cursor, reason=reason))
    deadline = time.monotonic() + REPLAY_SECONDS
    done = 0
    for body_id in ids:
        if time.monotonic() > deadline:
            break
        finish_by_id(body_id)
        done += 1
    return len(ids), done


def replay_edited(body_id: int, received: Received) -> IntakeAnswer:
    """Reads an edited copy of a dead body; the original stays as it came, marked with where its copy went."""
    forget_rules()
    with_cursor(lambda cursor: keep_unchecked_body(cursor, received))
    stored = with_cursor(lambda cursor: find_by_receipt(cursor, received.receipt))
    answer = finish_by_id(stored.id) if stored else None
    if answer is None:
        raise Conflict("This body could not be replayed just now. Try again.")
    if answer.status < 400:
        contact_id = answer.body.get("id")
        with_cursor(lambda cursor: mark_edited(cursor, body_id, receipt=received.receipt, contact_id=contact_id))
    return answer
