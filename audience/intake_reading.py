"""From a body that is in the inbox to contacts: read, let in, marked done or dead; left for the sweeper when LUX fails.

Every function here runs its own short transactions on the connections of intake_connection.py and leaves the session
alone.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from flask import current_app

from audience.arrivals import Arrival, Outcome, add_arrivals, arrival_of
from audience.intake_answers import IntakeAnswer, accepted_answer, problem_answer, stored_answer
from audience.intake_bodies import (
    Kept,
    Received,
    count_attempts,
    find_by_receipt,
    get_kept,
    keep_bodies,
    mark_dead,
    mark_done,
)
from audience.intake_connection import DatabaseGone, with_cursor
from audience.source_rules import IntakeRules, load_rules
from config import current_settings
from lib.payloads import Payload, PayloadUnreadable, TypeUnsupported, read_payload
from lib.person_finder import Person, find_person

log = logging.getLogger("lux.intake")

RULES_SECONDS = 2.0
MOST_ATTEMPTS = 5
NO_EMAIL = "No usable e-mail address was found. The body is kept in the webhook inbox and can be replayed from there."


@dataclass
class _KnownRules:
    """The rules and mappings that one app's process remembers for seconds."""

    rules: IntakeRules | None = None
    at: float = float("-inf")


def keep_body(received: Received) -> Kept | None:
    """Writes one body into the inbox; None when its credential is gone or its receipt or key is there already."""
    return with_cursor(lambda cursor: keep_bodies(cursor, [received]))[0]


def take_in(items: Sequence[tuple[Received, str]]) -> list[Kept | IntakeAnswer | None]:
    """Keeps bodies with the actors that brought them, and then lets in together whoever came as one plain contact.

    The rest comes back as it is kept, to be finished one by one, or as None where nothing was kept. Raises
    DatabaseGone while nothing is kept yet.
    """
    kept = with_cursor(lambda cursor: keep_bodies(cursor, [received for received, _ in items]))
    taken: list[Kept | IntakeAnswer | None] = list(kept)
    try:
        rules = _rules()
        arrivals: dict[int, Arrival] = {}
        ids: list[int] = []
        for place, (one, (_, actor)) in enumerate(zip(kept, items, strict=True)):
            arrival = _plain_arrival(one, rules, actor) if one is not None and one.twin_id is None else None
            if one is not None and arrival is not None:
                arrivals[place] = arrival
                ids.append(one.id)
        if arrivals:
            outcomes = with_cursor(lambda cursor: add_arrivals(cursor, list(arrivals.values()), ids))
            taken_in = zip(arrivals, outcomes, strict=True)
            taken = _with_answers(taken, {place: outcome for place, outcome in taken_in if outcome is not None})
    except (DatabaseGone, psycopg.Error) as error:  # somebody's row may be to blame: each goes on alone
        log.info("%s bodies are finished one by one: %s", len(items), type(error).__name__)
    return taken


def finish_body(kept: Kept, actor: str | None = None) -> IntakeAnswer:
    """Reads a body that is in the inbox and marks it; whatever goes wrong, it stays there and somebody comes back."""
    try:
        return _process(kept, actor)
    except DatabaseGone:
        return accepted_answer(kept.received.receipt)
    except psycopg.Error as error:
        log.warning("intake %s: %s, left for the sweeper", kept.received.receipt, type(error).__name__)
        return _left_behind(kept, type(error).__name__)
    except Exception as error:  # a fault of LUX must not cost a contact: the body waits for the next release
        log.error("intake %s failed", kept.received.receipt, exc_info=error)
        return _left_behind(kept, type(error).__name__)


def finish_by_id(body_id: int) -> IntakeAnswer | None:
    """The same for a waiting body by its id; None when it waits no more."""
    kept = with_cursor(lambda cursor: get_kept(cursor, body_id))
    return finish_body(kept) if kept else None


def bury(kept: Kept, status: int, reason: str, detail: str, **more: Any) -> IntakeAnswer:
    """Marks a body dead with its reason; the answer that says so."""
    answer = problem_answer(status, reason, detail, kept.received.receipt, **more)
    receipt = with_cursor(
        lambda cursor: mark_dead(cursor, kept.id, reason=reason, detail=detail, status=status, answer=answer.body)
    )
    return IntakeAnswer(status, {**answer.body, "receipt": receipt}, answer.headers)


def forget_rules() -> None:
    """Has the next body read by the rules and mappings as they are now."""
    _known_rules().rules = None


def _with_answers(
    taken: list[Kept | IntakeAnswer | None], outcomes: dict[int, Outcome]
) -> list[Kept | IntakeAnswer | None]:
    return [
        IntakeAnswer(201 if outcomes[place].is_new else 200, outcomes[place].answer) if place in outcomes else one
        for place, one in enumerate(taken)
    ]


def _plain_arrival(kept: Kept, rules: IntakeRules, actor: str) -> Arrival | None:
    """The arrival of a body that holds one contact with an address; None for any other, which is looked at alone."""
    try:
        payload = _payload(kept.received)
        person = _find_person(payload.items[0], rules) if not payload.is_batch else None
    except Exception:  # a body that fails must not fail those that came with it; alone it is told of
        return None
    if person is None or person.email is None:
        return None
    return _arrival(person, rules, actor, kept.received.receipt, payload.warnings)


def _process(kept: Kept, actor: str | None) -> IntakeAnswer:
    received = kept.received
    try:
        payload = _payload(received)
    except TypeUnsupported as error:
        return bury(kept, 415, error.reason, error.detail)
    except PayloadUnreadable as error:
        return bury(kept, 400, error.reason, error.detail)
    rules = _rules()
    people = [_find_person(item, rules) for item in payload.items]
    if payload.is_batch:
        return _process_batch(kept, payload, people, rules, actor)
    person = people[0]
    if person.email is None:
        return bury(kept, 422, person.warnings[0], NO_EMAIL)
    arrival = _arrival(person, rules, actor, received.receipt, payload.warnings)
    outcome = with_cursor(lambda cursor: add_arrivals(cursor, [arrival], [kept.id]))[0]
    if outcome is None:
        stored = with_cursor(lambda cursor: find_by_receipt(cursor, received.receipt))
        return stored_answer(stored) if stored else accepted_answer(received.receipt)
    return IntakeAnswer(201 if outcome.is_new else 200, outcome.answer)


def _process_batch(
    kept: Kept, payload: Payload, people: list[Person], rules: IntakeRules, actor: str | None
) -> IntakeAnswer:
    """Several people in one body: each is a transaction of its own; who cannot be read gets a dead row of their own."""
    received = kept.received
    results: list[dict[str, Any]] = []
    for item, person in zip(payload.items, people, strict=True):
        outcome = _let_in(_arrival(person, rules, actor, received.receipt, payload.warnings)) if person.email else None
        results.append(outcome.answer if outcome else {"status": "failed", "warnings": person.warnings, "item": item})
    failed = [result for result in results if result["status"] == "failed"]
    if len(failed) == len(results):
        return bury(kept, 422, "email_missing_or_invalid", NO_EMAIL, count=len(results), failed=len(failed))
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
    kept = keep_body(Received(item, "application/json", headers, received.credential_id))
    if kept is not None:
        result["receipt"] = bury(kept, 422, "email_missing_or_invalid", NO_EMAIL).body["receipt"]


def _left_behind(kept: Kept, what: str) -> IntakeAnswer:
    try:
        if with_cursor(lambda cursor: count_attempts(cursor, kept.id)) >= MOST_ATTEMPTS:
            return bury(kept, 500, "failed", f"LUX could not finish this body after {MOST_ATTEMPTS} tries ({what}).")
    except DatabaseGone:
        pass
    return accepted_answer(kept.received.receipt)


def _payload(received: Received) -> Payload:
    return read_payload(received.body, received.content_type, received.headers.get("Content-Encoding", ""))


def _find_person(item: dict[str, Any], rules: IntakeRules) -> Person:
    return find_person(item, current_settings().default_phone_region, rules.mappings)


def _arrival(person: Person, rules: IntakeRules, actor: str | None, receipt: str, warnings: Sequence[str]) -> Arrival:
    return arrival_of(person, rules, method="webhook", actor=actor, receipt=receipt, warnings=warnings)


def _let_in(arrival: Arrival) -> Outcome | None:
    return with_cursor(lambda cursor: add_arrivals(cursor, [arrival]))[0]


def _rules() -> IntakeRules:
    known = _known_rules()
    if known.rules is None or time.monotonic() - known.at > RULES_SECONDS:
        known.rules = with_cursor(load_rules)
        known.at = time.monotonic()
    return known.rules


def _known_rules() -> _KnownRules:
    known: _KnownRules | None = current_app.extensions.get("lux_intake_rules")
    if known is None:
        known = current_app.extensions.setdefault("lux_intake_rules", _KnownRules())
    return known
