"""Contacts that may be one person: found by plain rules in one statement, with the reasons and how likely it is.

To add a rule, add a row to REASONS. Each rule groups contacts by a key; the most alive contact of a group makes a pair
with each of the others. What somebody said to be two people stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from errors import InputInvalid, NotFound
from extensions import db, defer
from lib.free_mail import FREE_MAIL_DOMAINS
from models import Contact, DuplicatePair, DuplicateSearch

# A key that more contacts share than this says nothing: a switchboard's number, a name such as “Info”.
LARGEST_GROUP = 6
SURE, LIKELY = 90, 70
PAGE_SIZE = 50
# More contacts than this are looked through by the worker, not while somebody waits for a page.
MOST_AT_ONCE = 20_000


@dataclass(frozen=True)
class Reason:
    """Why two contacts may be one: `confidence` of a hundred, and the key that they share, as constant SQL."""

    key: str
    label: str
    confidence: int
    sql: str


_IS_GMAIL = "c.domain IN ('gmail.com', 'googlemail.com')"

REASONS: tuple[Reason, ...] = (
    Reason(
        "gmail",
        "the same Gmail mailbox, written in another way",
        98,
        f"CASE WHEN {_IS_GMAIL} THEN replace(c.bare, '.', '') END",
    ),
    Reason(
        "plus",
        "the same address but for what follows the plus sign",
        95,
        f"CASE WHEN NOT {_IS_GMAIL} AND c.bare <> '' THEN c.bare || '@' || c.domain END",
    ),
    Reason("phone_and_name", "the same phone number and name", 95, "c.phone || ' ' || c.name"),
    Reason("phone", "the same phone number", 60, "c.phone"),
    Reason("company", "the same name and company", 75, "c.full_name || ' ' || c.company"),
    Reason(
        "domain",
        "the same name at the same domain",
        70,
        "CASE WHEN c.domain <> ALL (CAST(:free_mail AS text[])) THEN c.full_name || '@' || c.domain END",
    ),
)
OTHER_ADDRESS = Reason("address", "one came with the other's address", 90, "")
LABELS = {reason.key: reason.label for reason in (*REASONS, OTHER_ADDRESS)}

_KEYS = ", ".join(f"('{one.key}', CAST({one.confidence} AS int), {one.sql})" for one in REASONS)
# Names of people have two words or more: “Ann” alone, or “Info”, would make pairs of strangers.
_FOUND = f"""
WITH people AS MATERIALIZED (
    SELECT id, phone, name, CASE WHEN name LIKE '% %' THEN name END AS full_name, company, domain, bare, rank
    FROM (
        SELECT id, phone, nullif(lower(btrim(regexp_replace(name, '\\s+', ' ', 'g'))), '') AS name,
            nullif(lower(btrim(attributes ->> 'company')), '') AS company,
            split_part(email, '@', 2) AS domain, split_part(split_part(email, '@', 1), '+', 1) AS bare,
            ARRAY[
                CASE WHEN subscription = 'subscribed' THEN 1 ELSE 0 END,
                coalesce(extract(epoch FROM coalesce(clicked_at, opened_at)), 0), -id
            ] AS rank
        FROM contacts
    ) AS read
),
keyed AS MATERIALIZED (
    SELECT c.id, c.rank, k.reason, k.confidence, k.key COLLATE "C" AS key
    FROM people c CROSS JOIN LATERAL (VALUES {_KEYS}) AS k (reason, confidence, key)
    WHERE k.key IS NOT NULL
),
shared AS MATERIALIZED (
    SELECT reason, key, max(rank) AS best FROM keyed GROUP BY reason, key HAVING count(*) BETWEEN 2 AND {LARGEST_GROUP}
),
pairs AS (
    SELECT best.id AS one, keyed.id AS other, keyed.reason, keyed.confidence
    FROM shared JOIN keyed USING (reason, key)
    JOIN keyed AS best ON best.reason = shared.reason AND best.key = shared.key AND best.rank = shared.best
    WHERE keyed.id <> best.id
    UNION ALL
    SELECT further.contact_id, c.id, '{OTHER_ADDRESS.key}', {OTHER_ADDRESS.confidence}
    FROM other_addresses AS further JOIN contacts c ON c.email = further.address AND c.id <> further.contact_id
),
found AS MATERIALIZED (
    SELECT least(one, other) AS first_id, greatest(one, other) AS second_id,
        jsonb_agg(DISTINCT reason) AS reasons,
        least(99, round(100 - 100 * exp(sum(ln(1 - confidence / 100.0)))))::int AS confidence
    FROM (
        SELECT DISTINCT least(one, other) AS one, greatest(one, other) AS other, reason, confidence FROM pairs
    ) AS each
    GROUP BY 1, 2
)
"""  # noqa: S608 - put together from constants
_KEEP = """,
gone AS (
    DELETE FROM duplicate_pairs AS p WHERE state = 'open' AND NOT EXISTS (
        SELECT 1 FROM found f WHERE f.first_id = p.first_id AND f.second_id = p.second_id)
)
INSERT INTO duplicate_pairs AS p (first_id, second_id, reasons, confidence)
SELECT first_id, second_id, reasons, confidence FROM found ORDER BY first_id, second_id
ON CONFLICT (first_id, second_id) DO UPDATE SET reasons = excluded.reasons, confidence = excluded.confidence
WHERE p.reasons <> excluded.reasons OR p.confidence <> excluded.confidence
"""
_LIKELIEST = """
SELECT f.first_id, f.second_id, f.reasons, f.confidence FROM found f
WHERE NOT EXISTS (SELECT 1 FROM duplicate_pairs p
    WHERE p.first_id = f.first_id AND p.second_id = f.second_id AND p.state = 'apart')
ORDER BY f.confidence DESC, f.first_id, f.second_id
"""


@dataclass(frozen=True)
class Likeness:
    """Two contacts that may be one, by their ids, with the reasons and how likely it is."""

    first_id: int
    second_id: int
    reasons: Sequence[str]
    confidence: int


@dataclass(frozen=True)
class ListedPair:
    """A pair as a list shows it."""

    pair: DuplicatePair
    first: Contact
    second: Contact


def find_duplicates() -> int:
    """Looks through all contacts and keeps what it finds; commits. Returns how many pairs are open."""
    values = {"id": 1, "searched_at": datetime.now(UTC)}
    row = insert(DuplicateSearch).values(**values)
    # The row stays locked until the commit: two searches at a time would wait for each other in a circle.
    db.session.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))
    db.session.execute(text(_FOUND + _KEEP), {"free_mail": sorted(FREE_MAIL_DOMAINS)})
    db.session.commit()
    return count_pairs()


def start_search() -> bool:
    """Has all contacts looked through: at once where they are few, else by the worker; commits. Whether it is done."""
    contacts = db.session.scalar(select(func.count()).select_from(Contact)) or 0
    if contacts <= MOST_AT_ONCE:
        find_duplicates()
        return True
    defer(db.session, "find_duplicates", lock="duplicates")
    db.session.commit()
    return False


def list_likenesses() -> list[Likeness]:
    """Every pair that is there now, the likeliest first; keeps nothing. Without those that are two people."""
    rows = db.session.execute(text(_FOUND + _LIKELIEST), {"free_mail": sorted(FREE_MAIL_DOMAINS)})
    return [Likeness(row.first_id, row.second_id, list_labels(row.reasons), row.confidence) for row in rows]


def list_pairs(
    state: str = "open", *, after: tuple[int, int, int] | None = None, limit: int = PAGE_SIZE
) -> tuple[list[ListedPair], tuple[int, int, int] | None]:
    """A page of kept pairs, the likeliest first, and the place from which the next one goes on."""
    query = select(DuplicatePair).where(DuplicatePair.state == state)
    if after is not None:
        confidence, first_id, second_id = after
        beyond = tuple_(DuplicatePair.first_id, DuplicatePair.second_id) > tuple_(first_id, second_id)
        less = DuplicatePair.confidence < confidence
        query = query.where(DuplicatePair.confidence <= confidence, or_(less, beyond))
    order = (DuplicatePair.confidence.desc(), DuplicatePair.first_id, DuplicatePair.second_id)
    pairs = db.session.scalars(query.order_by(*order).limit(limit + 1)).all()
    ids = {one for pair in pairs for one in (pair.first_id, pair.second_id)}
    people = {one.id: one for one in db.session.scalars(select(Contact).where(Contact.id.in_(ids)))}
    rows = [ListedPair(pair, people[pair.first_id], people[pair.second_id]) for pair in pairs[:limit]]
    more = pairs[limit - 1] if len(pairs) > limit else None
    return rows, (more.confidence, more.first_id, more.second_id) if more is not None else None


def count_pairs(state: str = "open") -> int:
    """How many pairs are kept in that state."""
    return db.session.scalar(select(func.count()).where(DuplicatePair.state == state)) or 0


def count_pairs_of(contact_id: int) -> int:
    """How many contacts may be the same person as this one."""
    is_its = (DuplicatePair.first_id == contact_id) | (DuplicatePair.second_id == contact_id)
    return db.session.scalar(select(func.count()).where(DuplicatePair.state == "open", is_its)) or 0


def find_other_of(contact_id: int) -> int | None:
    """The contact that is most likely the same person as this one, or None."""
    is_its = (DuplicatePair.first_id == contact_id) | (DuplicatePair.second_id == contact_id)
    pair = db.session.scalar(
        select(DuplicatePair)
        .where(DuplicatePair.state == "open", is_its)
        .order_by(DuplicatePair.confidence.desc(), DuplicatePair.first_id, DuplicatePair.second_id)
        .limit(1)
    )
    if pair is None:
        return None
    return pair.second_id if pair.first_id == contact_id else pair.first_id


def find_pair(one_id: int, other_id: int) -> DuplicatePair | None:
    """The kept pair of two contacts, in whatever order, or None."""
    return db.session.get(DuplicatePair, (min(one_id, other_id), max(one_id, other_id)))


def find_searched_at() -> datetime | None:
    """When all contacts were looked through last, or None."""
    return db.session.scalar(select(DuplicateSearch.searched_at))


def keep_apart(one_id: int, other_id: int, *, actor: str) -> None:
    """Notes that two contacts are two people; commits. Raises NotFound, InputInvalid."""
    first_id, second_id = sorted((one_id, other_id))
    if first_id == second_id:
        raise InputInvalid({"second_id": "Choose two different contacts."})
    there = db.session.scalar(select(func.count()).where(Contact.id.in_([first_id, second_id])))
    if there != 2:
        raise NotFound("One of the two contacts is not there any more.")
    said: dict[str, Any] = {"state": "apart", "decided_by": actor, "decided_at": datetime.now(UTC)}
    row = insert(DuplicatePair).values(first_id=first_id, second_id=second_id, reasons=[], confidence=0, **said)
    db.session.execute(row.on_conflict_do_update(index_elements=["first_id", "second_id"], set_=said))
    db.session.commit()


def doubt_again(one_id: int, other_id: int) -> None:
    """Takes keep_apart() back; commits. A pair that no rule speaks for goes with the next search."""
    first_id, second_id = sorted((one_id, other_id))
    db.session.execute(
        update(DuplicatePair)
        .where(DuplicatePair.first_id == first_id, DuplicatePair.second_id == second_id)
        .values(state="open", decided_by=None, decided_at=None)
    )
    db.session.commit()


def list_labels(reasons: Sequence[str]) -> list[str]:
    """Reasons in words, the strongest first."""
    order = [reason.key for reason in sorted((*REASONS, OTHER_ADDRESS), key=lambda one: -one.confidence)]
    known = sorted((key for key in reasons if key in LABELS), key=order.index)
    # Whoever shares phone and name shares the phone.
    return [LABELS[key] for key in known if not (key == "phone" and "phone_and_name" in known)]


def word_of(confidence: int) -> str:
    """How likely it is, in words."""
    return "Very likely" if confidence >= SURE else "Likely" if confidence >= LIKELY else "Possible"
