"""Lead scores: points for what is known of a contact and for what they did, by plain rules, each with its reason.

To add a rule, add a row to RULES. All contacts are scored by one statement; people change the points in Settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from errors import Conflict, InputInvalid
from extensions import db, defer
from lib.free_mail import FREE_MAIL_DOMAINS
from models import Contact, ContactScore, LeadScoring

LATELY_DAYS = 30
MOST_POINTS = 100
HOT_FROM, WARM_FROM = 60, 35
# More contacts than this are scored by the worker, not while somebody waits for a page.
MOST_AT_ONCE = 150_000
MOST_CHANGED = 2_000


@dataclass(frozen=True)
class ScoreRule:
    """One reason for points. `part` is fit, what is known of a contact, or intent, what they did; `sql` is constant."""

    key: str
    label: str
    part: str
    points: int
    sql: str


RULES: tuple[ScoreRule, ...] = (
    ScoreRule("name", "has a name", "fit", 5, "coalesce(c.name, '') <> ''"),
    ScoreRule("phone", "has a phone number", "fit", 15, "c.phone IS NOT NULL"),
    ScoreRule("company", "names a company", "fit", 15, "coalesce(c.attributes ->> 'company', '') <> ''"),
    ScoreRule(
        "own_domain",
        "writes from a domain of their own",
        "fit",
        5,
        "split_part(c.email, '@', 2) <> ALL (CAST(:free_mail AS text[]))",
    ),
    ScoreRule(
        "clicked", f"clicked in the last {LATELY_DAYS} days", "intent", 25, "coalesce(c.clicked_at >= since.at, false)"
    ),
    ScoreRule(
        "opened", f"opened in the last {LATELY_DAYS} days", "intent", 10, "coalesce(c.opened_at >= since.at, false)"
    ),
    ScoreRule("often", "clicked in two campaigns or more", "intent", 15, "coalesce(clicks.campaigns >= 2, false)"),
    ScoreRule(
        "form", f"came in by a form in the last {LATELY_DAYS} days", "intent", 10, "forms.contact_id IS NOT NULL"
    ),
)
RULE_OF = {rule.key: rule for rule in RULES}


@dataclass(frozen=True)
class Points:
    """How much each rule counts, and from how many points on a contact is warm or hot."""

    of_rule: Mapping[str, int] = field(default_factory=lambda: {rule.key: rule.points for rule in RULES})
    hot_from: int = HOT_FROM
    warm_from: int = WARM_FROM

    @property
    def most(self) -> int:
        """The points of somebody for whom every rule holds."""
        return sum(self.of_rule.values())


@dataclass(frozen=True)
class Score:
    """A contact's points with their reasons, the heaviest first, as of when all were scored last."""

    points: int
    fit: int
    intent: int
    level: str
    reasons: Sequence[tuple[str, int]]
    as_of: datetime | None


_CASES = {
    part: " + ".join(
        f"CASE WHEN {rule.key} THEN CAST(:{rule.key} AS int) ELSE 0 END" for rule in RULES if rule.part == part
    )
    for part in ("fit", "intent")
}
_REASONS = ", ".join(
    f"'{rule.key}', CASE WHEN {rule.key} THEN nullif(CAST(:{rule.key} AS int), 0) END" for rule in RULES
)
# What several events say together is summed up first: a look at them for each contact would take minutes.
_SCORED = """
WITH since AS (SELECT now() - make_interval(days => :lately) AS at),
clicks AS MATERIALIZED (
    SELECT contact_id, count(DISTINCT campaign_id) AS campaigns FROM tracking_events
    WHERE kind = 'click' AND actor = 'human' AND contact_id IS NOT NULL {only} GROUP BY contact_id
),
forms AS MATERIALIZED (
    SELECT DISTINCT contact_id FROM contact_events CROSS JOIN since
    WHERE kind IN ('arrived', 'arrived_again') AND contact_events.at >= since.at
        AND detail ->> 'method' = 'webhook' {only}
),
judged AS (
    SELECT c.id, {judgements} FROM contacts c CROSS JOIN since
    LEFT JOIN clicks ON clicks.contact_id = c.id LEFT JOIN forms ON forms.contact_id = c.id WHERE {which}
),
scored AS (
    SELECT id, {fit} AS fit, {intent} AS intent, jsonb_strip_nulls(jsonb_build_object({reasons})) AS reasons FROM judged
)
"""
_KEEP = """
INSERT INTO contact_scores AS kept (contact_id, points, fit, intent, reasons)
SELECT id, fit + intent, fit, intent, reasons FROM scored ORDER BY id
ON CONFLICT (contact_id) DO UPDATE SET points = excluded.points, fit = excluded.fit, intent = excluded.intent,
    reasons = excluded.reasons, as_of = now()
WHERE kept.reasons IS DISTINCT FROM excluded.reasons
"""


def _statement(then: str, *, which: str = "true", only: str = "") -> Any:
    judgements = ", ".join(f"{rule.sql} AS {rule.key}" for rule in RULES)
    scored = _SCORED.format(only=only, which=which, judgements=judgements, reasons=_REASONS, **_CASES)
    return text(scored + then)


_ALL = _statement(_KEEP)
_SOME = _statement(
    _KEEP, which="c.id = ANY (CAST(:ids AS bigint[]))", only="AND contact_id = ANY (CAST(:ids AS bigint[]))"
)
_LEADS = _statement(
    "SELECT id, fit + intent AS points, fit, intent, reasons FROM scored WHERE fit + intent >= :least "
    "ORDER BY fit + intent DESC, intent DESC, id LIMIT :most",
    which="c.subscription = 'subscribed'",
)
_COUNTS = _statement(
    "SELECT count(*), count(*) FILTER (WHERE fit + intent >= :hot), "
    "count(*) FILTER (WHERE fit + intent >= :warm AND fit + intent < :hot) FROM scored",
    which="c.subscription = 'subscribed'",
)


@dataclass(frozen=True)
class Lead:
    """A contact who may be written to, with points and reasons."""

    contact_id: int
    points: int
    reasons: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class LeadCounts:
    """How many of those who may be written to are hot and warm."""

    scored: int
    hot: int
    warm: int


def find_scoring() -> LeadScoring | None:
    """How contacts are scored, or None while scores are off."""
    return db.session.get(LeadScoring, 1)


def current_points() -> Points:
    """The points in use, or the usual ones while scores are off."""
    scoring = find_scoring()
    return _points_of(scoring) if scoring is not None else Points()


def check_points(points: Points) -> Points:
    """Raises InputInvalid by rule when points are out of range; rules that are not named get none."""
    wrong = {
        key: f"Enter a whole number from 0 to {MOST_POINTS}."
        for key, value in points.of_rule.items()
        if key in RULE_OF and not 0 <= value <= MOST_POINTS
    }
    if unknown := set(points.of_rule) - set(RULE_OF):
        wrong["points"] = f"There is no rule called “{sorted(unknown)[0][:60]}”."
    if not wrong and not sum(points.of_rule.values()):
        wrong["points"] = "Give at least one rule some points."
    if not 0 < points.warm_from < points.hot_from:
        wrong["hot_from"] = "Hot begins above warm, and both above nothing."
    if wrong:
        raise InputInvalid(wrong)
    return Points({rule.key: points.of_rule.get(rule.key, 0) for rule in RULES}, points.hot_from, points.warm_from)


def set_scoring(points: Points, *, actor: str) -> Points | None:
    """Turns scores on, or changes their points, and scores everybody, in the caller's transaction.

    Returns the points from before, None when scores were off. Raises InputInvalid.
    """
    checked = check_points(points)
    scoring = db.session.get(LeadScoring, 1, with_for_update=True, populate_existing=True)
    before = _points_of(scoring) if scoring is not None else None
    values = {
        "points": dict(checked.of_rule),
        "hot_from": checked.hot_from,
        "warm_from": checked.warm_from,
        "changed_by": actor,
        "changed_at": datetime.now(UTC),
    }
    db.session.execute(
        insert(LeadScoring).values(id=1, **values).on_conflict_do_update(index_elements=["id"], set_=values)
    )
    db.session.expire_all()
    if (db.session.scalar(select(func.count()).select_from(Contact)) or 0) > MOST_AT_ONCE:
        defer(db.session, "score_contacts", lock="scores")
    else:
        _score(_ALL, {})
    return before


def put_back_scoring(before: Points | None, *, after: Points, actor: str) -> None:
    """Takes set_scoring() back in the caller's transaction. Raises Conflict when somebody has changed the points."""
    scoring = find_scoring()
    if scoring is None or _points_of(scoring) != after:
        raise Conflict("Somebody has changed the points since. Look at them in Settings › Lead scores.")
    if before is None:
        _turn_off()
    else:
        set_scoring(before, actor=actor)


def change_scoring(points: Points, *, actor: str) -> None:
    """Turns scores on or changes their points; commits. Raises InputInvalid."""
    set_scoring(points, actor=actor)
    db.session.commit()


def stop_scoring() -> None:
    """Turns scores off and forgets them; commits."""
    _turn_off()
    db.session.commit()


def score_contacts() -> int:
    """Scores every contact anew; commits. For the clock and the worker; returns how many scores changed."""
    return _score_by(_ALL, {})


def score_changed_contacts() -> int:
    """Scores whoever is new, was changed or did something since the last time; commits. For the clock."""
    scoring = find_scoring()
    if scoring is None or scoring.scored_at is None:
        db.session.rollback()
        return 0
    moments = (Contact.updated_at, Contact.opened_at, Contact.clicked_at)
    is_new = ~exists().where(ContactScore.contact_id == Contact.id)
    changed = or_(is_new, *(moment >= scoring.scored_at for moment in moments))
    ids = db.session.scalars(select(Contact.id).where(changed).limit(MOST_CHANGED + 1)).all()
    if len(ids) > MOST_CHANGED:
        return score_contacts()
    return _score_by(_SOME, {"ids": list(ids)}) if ids else _score_by(None, {})


def score_some(contact_ids: Iterable[int]) -> None:
    """Scores some contacts anew in the caller's transaction, where scores are on."""
    if find_scoring() is not None:
        _score(_SOME, {"ids": list(contact_ids)}, is_whole=False)


def find_score(contact_id: int) -> Score | None:
    """A contact's score, or None when there is none."""
    scoring = find_scoring()
    row = db.session.get(ContactScore, contact_id) if scoring is not None else None
    if scoring is None or row is None:
        return None
    level = level_of(row.points, _points_of(scoring))
    return Score(row.points, row.fit, row.intent, level, list_reasons(row.reasons), scoring.scored_at)


def find_points(contact_ids: Iterable[int]) -> dict[int, int]:
    """The points of contacts that have some kept."""
    rows = db.session.execute(
        select(ContactScore.contact_id, ContactScore.points).where(ContactScore.contact_id.in_(list(contact_ids)))
    )
    return {row.contact_id: row.points for row in rows}


def list_leads(points: Points, *, least: int, most: int) -> list[Lead]:
    """Those with the most points among people who may be written to, computed now; nothing is kept."""
    rows = db.session.execute(_LEADS, {**_values(points), "least": least, "most": most})
    return [Lead(row.id, row.points, list_reasons(row.reasons)) for row in rows]


def count_leads(points: Points) -> LeadCounts:
    """How many people who may be written to would be hot and warm, computed now."""
    row = db.session.execute(_COUNTS, {**_values(points), "hot": points.hot_from, "warm": points.warm_from}).one()
    return LeadCounts(*(int(number) for number in row))


def count_kept_leads(points: Points) -> LeadCounts:
    """How many people who may be written to are hot and warm by the scores that are kept."""
    is_hot, is_warm = ContactScore.points >= points.hot_from, ContactScore.points >= points.warm_from
    row = db.session.execute(
        select(func.count(), func.count().filter(is_hot), func.count().filter(is_warm & ~is_hot))
        .select_from(ContactScore)
        .join(Contact, Contact.id == ContactScore.contact_id)
        .where(Contact.subscription == "subscribed")
    ).one()
    return LeadCounts(*(int(number) for number in row))


def has_score(operator: str, points: Any) -> ColumnElement[bool]:
    """The condition on contacts for a lead score: at_least or less_than; without a score it counts as nothing."""
    is_enough: ColumnElement[bool] = exists().where(
        ContactScore.contact_id == Contact.id, ContactScore.points >= points
    )
    return is_enough if operator == "at_least" else ~is_enough


def list_reasons(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons in words with their points, the heaviest first."""
    order = [rule.key for rule in RULES]
    known = sorted((key for key in reasons if key in RULE_OF), key=lambda key: (-reasons[key], order.index(key)))
    return [(RULE_OF[key].label, reasons[key]) for key in known]


def level_of(number: int, points: Points) -> str:
    """Hot, warm or cool."""
    return "hot" if number >= points.hot_from else "warm" if number >= points.warm_from else "cool"


def _turn_off() -> None:
    db.session.execute(delete(ContactScore).execution_options(synchronize_session=False))
    db.session.execute(delete(LeadScoring))
    db.session.expire_all()


def _score_by(statement: Any, values: Mapping[str, Any]) -> int:
    changed = _score(statement, values)
    db.session.commit()
    return changed


def _score(statement: Any, values: Mapping[str, Any], *, is_whole: bool = True) -> int:
    """One after the other: the row of the settings stays locked until the transaction ends."""
    scoring = db.session.get(LeadScoring, 1, with_for_update=True, populate_existing=True)
    if scoring is None:
        return 0
    if is_whole:
        scoring.scored_at = db.session.scalar(select(func.now()))
    if statement is None:
        return 0
    done = db.session.execute(statement, {**_values(_points_of(scoring)), **values})
    db.session.expire_all()
    return int(done.rowcount)  # type: ignore[attr-defined]  # an INSERT's result has it


def _points_of(scoring: LeadScoring) -> Points:
    return Points(
        {rule.key: int(scoring.points.get(rule.key, 0)) for rule in RULES}, scoring.hot_from, scoring.warm_from
    )


def _values(points: Points) -> dict[str, Any]:
    return {
        "lately": LATELY_DAYS,
        "free_mail": sorted(FREE_MAIL_DOMAINS),
        **{rule.key: points.of_rule.get(rule.key, 0) for rule in RULES},
    }
