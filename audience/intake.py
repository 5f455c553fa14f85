"""What happens to a posted body: kept, read, answered; finished later when something broke in between.

Every function here runs its own short transactions on the connections of intake_connection.py and leaves the session
alone. docs/decisions/webhook-inbox.md says why a body is committed before it is read.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

from flask import Flask, current_app

from access import NotSignedIn
from accounts.webhook_credentials import Credential
from audience.intake_answers import IntakeAnswer, accepted_answer, problem_answer, stored_answer
from audience.intake_bodies import (
    Kept,
    Received,
    delete_old,
    find_by_key,
    find_by_receipt,
    free_key,
    list_waiting,
    mark_duplicate,
)
from audience.intake_connection import DatabaseGone, with_cursor
from audience.intake_reading import bury, finish_body, finish_by_id, keep_body, take_in
from audience.intake_spool import drain_into_inbox, intake_spool, spool_body
from lib.batches import Batches
from lib.payloads import PayloadUnreadable

log = logging.getLogger("lux.intake")

MOST_TOGETHER = 32
LINGER_SECONDS = 0.002
STALE_SECONDS = 30.0
SWEEP_LIMIT = 500
LOOK_AT_SPOOL_SECONDS = 2.0
CHALLENGE = 'Basic realm="lux-webhook", charset="UTF-8"'


@dataclass
class _State:
    """What one app's process remembers for seconds."""

    looked_at: float = float("-inf")
    draining: threading.Lock = field(default_factory=threading.Lock)
    # Threads that wait for the database at the same time share its statements and commits.
    taking: Batches[tuple[Received, str], Kept | IntakeAnswer | None] = field(
        default_factory=lambda: Batches(take_in, MOST_TOGETHER, linger_seconds=LINGER_SECONDS)
    )


def receive(received: Received, credential: Credential) -> IntakeAnswer:
    """Takes a body in. It is on disk, in the database or the spool, before it is looked at.

    Raises NotSignedIn when the credential was revoked in the meantime.
    """
    try:
        answer = _answer(_state().taking.do((received, credential.label)), received, credential)
        _look_at_spool()
        return answer
    except DatabaseGone:
        return _spooled(received)


def refuse(received: Received, error: PayloadUnreadable, status: int) -> IntakeAnswer:
    """Notes a body that is refused before it is read, such as one that is too large."""
    try:
        kept = keep_body(received)
        if kept is not None:
            return bury(kept, status, error.reason, error.detail)
    except DatabaseGone:
        pass
    return problem_answer(status, error.reason, error.detail, received.receipt)


def finish_stale_intake(older_than_seconds: float = STALE_SECONDS, limit: int = SWEEP_LIMIT) -> int:
    """Finishes bodies that a crash or a broken connection left behind; a job of the clock. How many it took up."""
    try:
        waiting = with_cursor(lambda cursor: list_waiting(cursor, older_than_seconds=older_than_seconds, limit=limit))
        for kept in waiting:
            finish_body(kept)
    except DatabaseGone:
        return 0
    return len(waiting)


def drain_spool() -> int:
    """Brings what was spooled into the inbox and reads it; a job of the clock. How many it moved."""
    if intake_spool().is_empty():
        return 0
    try:
        moved = drain_into_inbox()
    except DatabaseGone:
        return 0
    finish_stale_intake(older_than_seconds=0)
    return moved


def delete_old_intake() -> int:
    """Deletes done bodies after 30 days and dead ones after 90; a job of the clock."""
    return with_cursor(delete_old)


def _answer(taken: Kept | IntakeAnswer | None, received: Received, credential: Credential) -> IntakeAnswer:
    if isinstance(taken, IntakeAnswer):
        return taken
    return _answer_kept(taken, credential) if taken else _answer_known(received, credential)


def _answer_kept(kept: Kept, credential: Credential) -> IntakeAnswer:
    if kept.twin_id is not None:
        body = with_cursor(lambda cursor: mark_duplicate(cursor, kept))
        if body:
            return IntakeAnswer(200, {**body, "duplicate": True, "receipt": kept.received.receipt})
    return finish_body(kept, actor=credential.label)


def _answer_known(received: Received, credential: Credential) -> IntakeAnswer:
    """The row was not written: its receipt or its key is there already, or the credential is gone."""
    stored = with_cursor(lambda cursor: find_by_receipt(cursor, received.receipt))
    if stored is not None:  # our own first try got through before its connection broke
        return finish_by_id(stored.id) or stored_answer(stored)
    known = with_cursor(lambda cursor: find_by_key(cursor, received))
    if known is None:
        raise NotSignedIn("The credential is missing or wrong.", CHALLENGE)
    if not known.is_fresh:
        with_cursor(lambda cursor: free_key(cursor, known))
        kept = keep_body(received)
        return _answer_kept(kept, credential) if kept else stored_answer(known)
    if known.sha256 != received.sha256:
        detail = "This Idempotency-Key came with another body before. Use a new key for a new body."
        unkeyed = Received(received.body, received.content_type, received.headers, received.credential_id)
        return refuse(unkeyed, PayloadUnreadable("idempotency_key_reused", detail), 422)
    answer = (finish_by_id(known.id) if known.state == "new" else None) or stored_answer(known)
    return IntakeAnswer(answer.status, answer.body, {**answer.headers, "Idempotent-Replayed": "true"})


def _spooled(received: Received) -> IntakeAnswer:
    try:
        spool_body(received)
    except OSError as error:
        log.error("the spool cannot be written: %s", error.strerror or error)
        detail = "Neither the database nor the spool can be written. Please send this again in a while."
        answer = problem_answer(503, "not_kept", detail, received.receipt)
        return IntakeAnswer(503, answer.body, {"Retry-After": "30"})
    return accepted_answer(received.receipt)


def _look_at_spool() -> None:
    """The database answers: if something was spooled, bring it in now, beside the answer to this request."""
    state = _state()
    if time.monotonic() - state.looked_at < LOOK_AT_SPOOL_SECONDS:
        return
    state.looked_at = time.monotonic()
    if not intake_spool().is_empty() and state.draining.acquire(blocking=False):
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way
        threading.Thread(target=_drain_beside, args=(app, state), name="lux-intake-drain", daemon=True).start()


def _drain_beside(app: Flask, state: _State) -> None:
    try:
        with app.app_context():
            drain_spool()
    finally:
        state.draining.release()


def _state() -> _State:
    state: _State | None = current_app.extensions.get("lux_intake")
    if state is None:
        state = current_app.extensions.setdefault("lux_intake", _State())
    return state
