"""Finding contacts: words, filters, order, one page after the other by key, and how many there are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Executable,
    Select,
    cast,
    false,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from audience.scores import find_points, find_scoring
from audience.segment_queries import segment_condition
from extensions import db
from lib.clean_text import one_line
from lib.row_ids import read_id
from models import SUBSCRIPTIONS, Contact, ContactScore

PAGE_SIZE = 50
SORTS = ("newest", "oldest", "email", "score")
ASCENDING = ("oldest", "email")
ADDED_DAYS = ("1", "7", "30", "90", "365")
EXACT_WITHIN_MS = 120
MOST_SOURCES = 100
MOST_WORDS = 8
RARE_MATCHES = 1000
QUERY_CANCELED = "57014"

# Distinct values by jumping along the index: as many steps as there are values, not as there are contacts.
_SOURCES = text("""
    WITH RECURSIVE found AS (
        (SELECT source, 1 AS number FROM contacts WHERE source IS NOT NULL ORDER BY source LIMIT 1)
        UNION ALL
        SELECT (SELECT source FROM contacts WHERE source > found.source ORDER BY source LIMIT 1), number + 1
        FROM found WHERE found.source IS NOT NULL AND number < :most
    )
    SELECT source FROM found WHERE source IS NOT NULL
""")


class _Explain(Executable, ClauseElement):
    """EXPLAIN of a query, with the query's own values."""

    inherit_cache = False

    def __init__(self, query: Select[Any]) -> None:
        self.query = query


@compiles(_Explain)
def _explained(element: _Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.query, **options)}"


@dataclass(frozen=True)
class ContactFilter:
    """Which contacts are meant, and in which order. An empty one means all, newest first."""

    q: str = ""
    subscription: str = ""
    segment_id: int | None = None
    source: str = ""
    tag: str = ""
    added: str = ""
    phone: str = ""
    sort: str = "newest"

    @property
    def is_empty(self) -> bool:
        """Whether nothing is filtered."""
        return replace(self, sort="newest") == ContactFilter()

    def as_arguments(self) -> dict[str, str]:
        """The filter as arguments of an address, blanks left out."""
        arguments = {
            "q": self.q,
            "subscription": self.subscription,
            "segment": str(self.segment_id or ""),
            "source": self.source,
            "tag": self.tag,
            "added": self.added,
            "phone": self.phone,
            "sort": "" if self.sort == "newest" else self.sort,
        }
        return {name: value for name, value in arguments.items() if value}


@dataclass(frozen=True)
class ContactPage:
    """One page of contacts; `after` and `before` are the ids from which the neighbouring pages go on."""

    contacts: Sequence[Contact]
    after: int | None
    before: int | None


@dataclass(frozen=True)
class Count:
    """How many; where counting would take too long, what the database reckons."""

    number: int
    is_exact: bool = True

    def __str__(self) -> str:
        return f"{self.number:,}" if self.is_exact else f"about {self.number:,}"


def read_filter(arguments: Mapping[str, str]) -> ContactFilter:
    """A filter out of an address; what it does not know is left out."""
    return ContactFilter(
        q=one_line(arguments.get("q", ""))[:200],
        subscription=_known(arguments.get("subscription", ""), SUBSCRIPTIONS),
        segment_id=read_id(arguments.get("segment")),
        source=one_line(arguments.get("source", ""))[:300],
        tag=one_line(arguments.get("tag", ""))[:50],
        added=_known(arguments.get("added", ""), ADDED_DAYS),
        phone=_known(arguments.get("phone", ""), ("yes", "no")),
        sort=_known(arguments.get("sort", ""), SORTS) or "newest",
    )


def list_contacts(
    wanted: ContactFilter, *, after: int | None = None, before: int | None = None, limit: int = PAGE_SIZE
) -> ContactPage:
    """A page of contacts, after or before the one of an id; an id that is gone leads to the first page."""
    sort = wanted.sort if wanted.sort != "score" or find_scoring() is not None else "newest"
    anchor = db.session.get(Contact, after or before) if after or before else None
    is_backward = anchor is not None and after is None
    query = select(Contact).where(_list_condition(wanted)).limit(limit + 1)
    if sort == "score":
        # Whoever came a moment ago has none yet, and comes into this order with the next scores.
        query = query.join(ContactScore, ContactScore.contact_id == Contact.id)
    if anchor is not None:
        query = query.where(_beyond(sort, anchor, is_backward=is_backward))
    rows = list(db.session.scalars(query.order_by(*_order(sort, is_backward=is_backward))))
    has_more, rows = len(rows) > limit, rows[:limit]
    if is_backward:
        rows.reverse()
    has_next = has_more or is_backward
    has_previous = has_more if is_backward else anchor is not None
    return ContactPage(
        rows, after=rows[-1].id if rows and has_next else None, before=rows[0].id if rows and has_previous else None
    )


def matching_ids(wanted: ContactFilter) -> Select[int]:
    """The ids of all contacts that a filter means."""
    return select(Contact.id).where(filter_condition(wanted))


def count_matching(wanted: ContactFilter) -> Count:
    """How many contacts a filter means."""
    return count_in_time(matching_ids(wanted))


def count_in_time(query: Select[Any], within_ms: int = EXACT_WITHIN_MS) -> Count:
    """Counts a query's rows; where that takes longer, answers with the planner's estimate."""
    try:
        with db.session.begin_nested():
            db.session.execute(text(f"SET LOCAL statement_timeout = {int(within_ms)}"))
            number = db.session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
            db.session.execute(text("SET LOCAL statement_timeout = 0"))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", "") != QUERY_CANCELED:
            raise
        return Count(_round(_estimate(query)), is_exact=False)
    return Count(number)


def list_sources() -> list[str]:
    """The sources that contacts have, in order; the first hundred."""
    return list(db.session.scalars(_SOURCES, {"most": MOST_SOURCES}))


def filter_condition(wanted: ContactFilter) -> ColumnElement[bool]:
    """The filter as a condition on contacts."""
    conditions: list[ColumnElement[bool]] = [true()]
    if wanted.q:
        conditions.append(_has_words(wanted.q))
    if wanted.subscription:
        conditions.append(Contact.subscription == wanted.subscription)
    if wanted.segment_id is not None:
        conditions.append(segment_condition(wanted.segment_id))
    if wanted.source:
        conditions.append(Contact.source == wanted.source)
    if wanted.tag:
        conditions.append(Contact.attributes.contains({"tags": [wanted.tag]}))
    if wanted.added:
        conditions.append(Contact.created_at >= func.now() - func.make_interval(0, 0, 0, int(wanted.added)))
    if wanted.phone:
        conditions.append(Contact.phone.is_not(None) if wanted.phone == "yes" else Contact.phone.is_(None))
    return conditions[0] if len(conditions) == 1 else _all(conditions[1:])


def _list_condition(wanted: ContactFilter) -> ColumnElement[bool]:
    """The filter for a list in order. Rare words are looked up first: PostgreSQL takes every word's beginning for a
    frequent one and would walk the whole order in search of them."""
    if not wanted.q:
        return filter_condition(wanted)
    found = db.session.scalars(select(Contact.id).where(_has_words(wanted.q)).limit(RARE_MATCHES + 1)).all()
    if len(found) > RARE_MATCHES:
        return filter_condition(wanted)
    return filter_condition(replace(wanted, q="")) & Contact.id.in_(found)


def _all(conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    joined = conditions[0]
    for one in conditions[1:]:
        joined = joined & one
    return joined


def _has_words(q: str) -> ColumnElement[bool]:
    """Every word of the search begins a word of the contact; words are cut as the column `words` cuts them."""
    words = re.findall(r"[^\W_]+", q.lower())[:MOST_WORDS]
    if not words:
        return false()
    return Contact.words.bool_op("@@")(cast(literal(" & ".join(f"'{word}':*" for word in words)), TSQUERY))


def _order(sort: str, *, is_backward: bool) -> list[ColumnElement[Any]]:
    is_ascending = (sort in ASCENDING) != is_backward
    columns: list[Any] = [Contact.created_at, Contact.id]
    if sort == "email":
        columns = [Contact.email]
    elif sort == "score":
        columns = [ContactScore.points, ContactScore.contact_id]
    return [column.asc() if is_ascending else column.desc() for column in columns]


def _beyond(sort: str, anchor: Contact, *, is_backward: bool) -> ColumnElement[bool]:
    is_ascending = (sort in ASCENDING) != is_backward
    if sort == "email":
        return Contact.email > anchor.email if is_ascending else Contact.email < anchor.email
    if sort == "score":
        here = tuple_(ContactScore.points, ContactScore.contact_id)
        there = tuple_(literal(find_points([anchor.id]).get(anchor.id, 0)), literal(anchor.id))
        return here > there if is_ascending else here < there
    here = tuple_(Contact.created_at, Contact.id)
    there = tuple_(literal(anchor.created_at), literal(anchor.id))
    return here > there if is_ascending else here < there


def _estimate(query: Select[Any]) -> int:
    plan: list[dict[str, Any]] = db.session.execute(_Explain(query.order_by(None))).scalar_one()
    rows: int = plan[0]["Plan"]["Plan Rows"]
    return rows


def _round(number: int) -> int:
    """An estimate to two figures: more would promise too much."""
    step: int = 10 ** max(0, len(str(number)) - 2)
    return round(number / step) * step


def _known(value: str, choices: Sequence[str]) -> str:
    return value if value in choices else ""
