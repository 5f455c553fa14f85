"""What happens to a posted body: kept, read, made a contact of, answered; finished later when something broke.

Every function here runs its own short transactions on the connections of intake_connection.py and leaves the session
alone. docs/decisions/webhook-inbox.md says why a body is committed before it is read.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from flask import Flask, current_app

from access import NotSignedIn
from accounts.webhook_credentials import Credential
from audience.arrivals import Arrival, Outcome, add_arrivals, arrival_of
from audience.intake_bodies import (
    Kept,
    Received,
    Stored,
    count_attempts,
    delete_old,
    find_by_key,
    find_by_receipt,
    free_key,
    get_kept,
    keep_bodies,
    keep_unchecked_body,
    list_waiting,
    mark_dead,
    mark_done,
    mark_duplicate,
    mark_edited,
    wake_dead,
)
from audience.intake_connection import DatabaseGone, with_cursor
from audience.intake_spool import drain_into_inbox, intake_spool, spool_body
from audience.source_rules import IntakeRules, load_rules
from config import current_settings
from errors import Conflict
from lib.batches import Batches
from lib.email_addresses import masked_address
from lib.payloads import Payload, PayloadUnreadable, TypeUnsupported, read_payload
from lib.person_finder import Person, find_person

log = logging.getLogger("lux.intake")

RULES_SECONDS = 2.0
MOST_TOGETHER = 32
LINGER_SECONDS = 0.002
STALE_SECONDS = 30.0
SWEEP_LIMIT = 500
MOST_ATTEMPTS = 5
REPLAY_SECONDS = 8.0
LOOK_AT_SPOOL_SECONDS = 2.0
CHALLENGE = 'Basic realm="lux-webhook", charset="UTF-8"'

TITLES = {400: "Not readable", 413: "Too large", 415: "Unsupported type", 422: "No usable e-mail address"}
NO_EMAIL = "No usable e-mail address was found. The body is kept in the webhook inbox and can be replayed from there."


@dataclass(frozen=True)
class IntakeAnswer:
    """The answer to a posted body: always an object with a receipt."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _State:
    """What one app's process remembers for seconds."""

    rules: IntakeRules | None = None
    rules_at: float = float("-inf")
    looked_at: float = float("-inf")
    draining: threading.Lock = field(default_factory=threading.Lock)
    # Threads that wait for the database at the same time share one statement and one commit.
    keeping: Batches[Received, Kept | None] = field(
        default_factory=lambda: Batches(_keep_all, MOST_TOGETHER, linger_seconds=LINGER_SECONDS)
    )
    arriving: Batches[tuple[Arrival, int], Outcome | None] = field(
        default_factory=lambda: Batches(_arrive_all, MOST_TOGETHER, linger_seconds=LINGER_SECONDS)
    )


def receive(received: Received, credential: Credential) -> IntakeAnswer:
    """Takes a body in. It is on disk, in the database or the spool, before it is looked at.

    Raises NotSignedIn when the credential was revoked in the meantime.
    """
    try:
        kept = _state().keeping.do(received)
        answer = _answer_kept(kept, credential) if kept else _answer_known(received, credential)
        _look_at_spool()
        return answer
    except DatabaseGone:
        return _spooled(received)


def refuse(received: Received, error: PayloadUnreadable, status: int) -> IntakeAnswer:
    """Notes a body that is refused before it is read, such as one that is too large."""
    try:
        kept = _state().keeping.do(received)
        if kept is None:
            return _problem(status, error.reason, error.detail, received.receipt)
        return _dead(kept, status, error.reason, error.detail)
    except DatabaseGone:
        return _problem(status, error.reason, error.detail, received.receipt)


def finish_stale_intake(older_than_seconds: float = STALE_SECONDS, limit: int = SWEEP_LIMIT) -> int:
    """Finishes bodies that a crash or a broken connection left behind; a job of the clock. How many it took up."""
    try:
        waiting = with_cursor(lambda cursor: list_waiting(cursor, older_than_seconds=older_than_seconds, limit=limit))
        for kept in waiting:
            _finish(kept)
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


def replay_body(body_id: int) -> IntakeAnswer | None:
    """Reads one dead body again, by the rules and mappings as they are now. None when it is not dead."""
    _state().rules = None
    if not with_cursor(lambda cursor: wake_dead(cursor, ids=[body_id])):
        return None
    return _finish_by_id(body_id)


def replay_reason(reason: str) -> tuple[int, int]:
    """Reads all dead bodies of a reason again: how many woke up, how many of them were read before time ran out.

    The rest is read by the sweeper.
    """
    _state().rules = None
    ids = with_cursor(lambda cursor: wake_dead(cursor, reason=reason))
    deadline = time.monotonic() + REPLAY_SECONDS
    done = 0
    for body_id in ids:
        if time.monotonic() > deadline:
            break
        _finish_by_id(body_id)
        done += 1
    return len(ids), done


def replay_edited(body_id: int, received: Received) -> IntakeAnswer:
    """Reads an edited copy of a dead body; the original stays as it came, marked with where its copy went."""
    _state().rules = None
    with_cursor(lambda cursor: keep_unchecked_body(cursor, received))
    stored = with_cursor(lambda cursor: find_by_receipt(cursor, received.receipt))
    answer = _finish_by_id(stored.id) if stored else None
    if answer is None:
        raise Conflict("This body could not be replayed just now. Try again.")
    if answer.status < 400:
        contact_id = answer.body.get("id")
        with_cursor(lambda cursor: mark_edited(cursor, body_id, receipt=received.receipt, contact_id=contact_id))
    return answer


def _finish_by_id(body_id: int) -> IntakeAnswer | None:
    kept = with_cursor(lambda cursor: get_kept(cursor, body_id))
    return _finish(kept) if kept else None


def _answer_kept(kept: Kept, credential: Credential) -> IntakeAnswer:
    if kept.twin_id is not None:
        body = with_cursor(lambda cursor: mark_duplicate(cursor, kept))
        if body:
            return IntakeAnswer(200, {**body, "duplicate": True, "receipt": kept.received.receipt})
    return _finish(kept, actor=credential.label)


def _answer_known(received: Received, credential: Credential) -> IntakeAnswer:
    """The row was not written: its receipt or its key is there already, or the credential is gone."""
    stored = with_cursor(lambda cursor: find_by_receipt(cursor, received.receipt))
    if stored is not None:  # our own first try got through before its connection broke
        return _finish_by_id(stored.id) or _stored_answer(stored)
    known = with_cursor(lambda cursor: find_by_key(cursor, received))
    if known is None:
        raise NotSignedIn("The credential is missing or wrong.", CHALLENGE)
    if not known.is_fresh:
        with_cursor(lambda cursor: free_key(cursor, known))
        kept = _state().keeping.do(received)
        return _answer_kept(kept, credential) if kept else _stored_answer(known)
    if known.sha256 != received.sha256:
        detail = "This Idempotency-Key came with another body before. Use a new key for a new body."
        unkeyed = Received(received.body, received.content_type, received.headers, received.credential_id)
        return refuse(unkeyed, PayloadUnreadable("idempotency_key_reused", detail), 422)
    answer = (_finish_by_id(known.id) if known.state == "new" else None) or _stored_answer(known)
    return IntakeAnswer(answer.status, answer.body, {**answer.headers, "Idempotent-Replayed": "true"})


def _stored_answer(stored: Stored) -> IntakeAnswer:
    if stored.answer is None or stored.status is None:
        return _accepted(stored.receipt)
    return IntakeAnswer(stored.status, stored.answer)


def _finish(kept: Kept, actor: str | None = None) -> IntakeAnswer:
    """Reads a body that is in the inbox and marks it; whatever goes wrong, it stays there and somebody comes back."""
    try:
        return _process(kept, actor)
    except DatabaseGone:
        return _accepted(kept.received.receipt)
    except psycopg.Error as error:
        log.warning("intake %s: %s, left for the sweeper", kept.received.receipt, type(error).__name__)
        return _left_behind(kept, type(error).__name__)
    except Exception as error:  # a fault of LUX must not cost a contact: the body waits for the next release
        log.error("intake %s failed", kept.received.receipt, exc_info=error)
        return _left_behind(kept, type(error).__name__)


def _left_behind(kept: Kept, what: str) -> IntakeAnswer:
    try:
        if with_cursor(lambda cursor: count_attempts(cursor, kept.id)) >= MOST_ATTEMPTS:
            return _dead(kept, 500, "failed", f"LUX could not finish this body after {MOST_ATTEMPTS} tries ({what}).")
    except DatabaseGone:
        pass
    return _accepted(kept.received.receipt)


def _process(kept: Kept, actor: str | None) -> IntakeAnswer:
    received = kept.received
    try:
        payload = read_payload(received.body, received.content_type, received.headers.get("Content-Encoding", ""))
    except TypeUnsupported as error:
        return _dead(kept, 415, error.reason, error.detail)
    except PayloadUnreadable as error:
        return _dead(kept, 400, error.reason, error.detail)
    rules = _rules()
    region = current_settings().default_phone_region
    people = [find_person(item, region, rules.mappings) for item in payload.items]
    if payload.is_batch:
        return _process_batch(kept, payload, people, rules, actor)
    person = people[0]
    if person.email is None:
        return _dead(kept, 422, person.warnings[0], NO_EMAIL)
    outcome = _arrive(person, rules, actor, received.receipt, payload.warnings, kept.id)
    if outcome is None:
        stored = with_cursor(lambda cursor: find_by_receipt(cursor, received.receipt))
        return _stored_answer(stored) if stored else _accepted(received.receipt)
    return IntakeAnswer(201 if outcome.is_new else 200, outcome.answer)


def _process_batch(
    kept: Kept, payload: Payload, people: list[Person], rules: IntakeRules, actor: str | None
) -> IntakeAnswer:
    """Several people in one body: each is a transaction of its own; who cannot be read gets a dead row of their own."""
    received = kept.received
    results: list[dict[str, Any]] = []
    for item, person in zip(payload.items, people, strict=True):
        outcome = _arrive(person, rules, actor, received.receipt, payload.warnings) if person.email else None
        results.append(outcome.answer if outcome else {"status": "failed", "warnings": person.warnings, "item": item})
    failed = [result for result in results if result["status"] == "failed"]
    if len(failed) == len(results):
        return _dead(kept, 422, "email_missing_or_invalid", NO_EMAIL, count=len(results), failed=len(failed))
    for result in failed:
        _keep_failed_item(result, received)
    statuses = [result["status"] for result in results]
    body = {
        "count": len(results),
        "created": statuses.count("created"),
        "updated": statuses.count("updated"),
        "failed": len(failed),
        "results": results,
        "receipt": received.receipt,
    }
    status = 201 if body["created"] else 200
    with_cursor(lambda cursor: mark_done(cursor, kept.id, status=status, answer=body, contact_id=None, reason=None))
    return IntakeAnswer(status, body)


def _keep_failed_item(result: dict[str, Any], received: Received) -> None:
    """One item of a batch that could not be used becomes a dead row, to be mended and replayed by itself."""
    item = json.dumps(result.pop("item"), ensure_ascii=False).encode()
    headers = {**received.headers, "Item-Of": received.receipt}
    single = Received(item, "application/json", headers, received.credential_id)
    kept = _state().keeping.do(single)
    if kept is not None:
        result["receipt"] = _dead(kept, 422, "email_missing_or_invalid", NO_EMAIL).body["receipt"]


def _arrive(
    person: Person,
    rules: IntakeRules,
    actor: str | None,
    receipt: str,
    warnings: Sequence[str],
    intake_id: int | None = None,
) -> Outcome | None:
    arrival = arrival_of(person, rules, method="webhook", actor=actor, receipt=receipt, warnings=warnings)
    if intake_id is None:
        outcome = with_cursor(lambda cursor: add_arrivals(cursor, [arrival]))[0]
    else:
        try:
            outcome = _state().arriving.do((arrival, intake_id))
        except psycopg.Error:  # somebody else's row may be to blame: once more alone
            outcome = with_cursor(lambda cursor: add_arrivals(cursor, [arrival], [intake_id]))[0]
    if outcome is not None and outcome.is_new:
        log.info("intake %s: %s arrived", receipt, masked_address(arrival.email))
    return outcome


def _keep_all(bodies: Sequence[Received]) -> list[Kept | None]:
    return with_cursor(lambda cursor: keep_bodies(cursor, bodies))


def _arrive_all(pairs: Sequence[tuple[Arrival, int]]) -> list[Outcome | None]:
    arrivals, ids = [arrival for arrival, _ in pairs], [intake_id for _, intake_id in pairs]
    return with_cursor(lambda cursor: add_arrivals(cursor, arrivals, ids))


def _dead(kept: Kept, status: int, reason: str, detail: str, **more: Any) -> IntakeAnswer:
    answer = _problem(status, reason, detail, kept.received.receipt, **more)
    receipt = with_cursor(
        lambda cursor: mark_dead(cursor, kept.id, reason=reason, detail=detail, status=status, answer=answer.body)
    )
    return IntakeAnswer(status, {**answer.body, "receipt": receipt}, answer.headers)


def _problem(status: int, reason: str, detail: str, receipt: str, **more: Any) -> IntakeAnswer:
    title = TITLES.get(status, "Not possible") if reason != "idempotency_key_reused" else "Key used before"
    body = {"title": title, "status": status, "detail": detail, "message": detail[:250], "reason": reason}
    return IntakeAnswer(status, {**body, "warnings": [reason], "receipt": receipt, **more})


def _accepted(receipt: str) -> IntakeAnswer:
    detail = "The body is kept and will be worked on in a moment."
    return IntakeAnswer(
        202, {"status": "accepted", "message": detail, "warnings": ["kept_for_later"], "receipt": receipt}
    )


def _spooled(received: Received) -> IntakeAnswer:
    try:
        spool_body(received)
    except OSError as error:
        log.error("the spool cannot be written: %s", error.strerror or error)
        detail = "Neither the database nor the spool can be written. Please send this again in a while."
        answer = _problem(503, "not_kept", detail, received.receipt)
        return IntakeAnswer(503, answer.body, {"Retry-After": "30"})
    return _accepted(received.receipt)


def _rules() -> IntakeRules:
    state = _state()
    if state.rules is None or time.monotonic() - state.rules_at > RULES_SECONDS:
        state.rules = with_cursor(load_rules)
        state.rules_at = time.monotonic()
    return state.rules


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
