"""What a segment's rules may speak of: the fields, the operators of each kind, how each becomes SQL and words.

To add a field, add a row to FIELDS; to add a kind, add its operators to OPERATORS and its SQL to CONDITIONS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Numeric, and_, case, cast, exists, func, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from audience.consent import is_suppressed_contact
from audience.scores import has_score
from lib.clean_text import one_line
from models import SUBSCRIPTIONS, ConsentEntry, Contact, Message, TrackingEvent

ATTRIBUTE = "attribute."
LONGEST_ATTRIBUTE = 100
NUMBER_PATTERN = r"^\s*[-+]?[0-9]{1,15}(\.[0-9]{1,9})?\s*$"
DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"


@dataclass(frozen=True)
class Operator:
    """How a field is compared. `value` says what must be given: text, texts, number, days, date, or nothing."""

    name: str
    label: str
    value: str = ""


@dataclass(frozen=True)
class Field:
    """Something that a rule may speak of. `words` is what its sentence needs, by kind."""

    name: str
    label: str
    group: str
    kind: str
    words: tuple[str, ...] = ()

    @property
    def operators(self) -> list[Operator]:
        return list(OPERATORS[self.kind].values())


def _by_name(*operators: Operator) -> dict[str, Operator]:
    return {operator.name: operator for operator in operators}


_TEXT = (
    Operator("is", "is", "text"),
    Operator("is_not", "is not", "text"),
    Operator("contains", "contains", "text"),
    Operator("not_contains", "does not contain", "text"),
    Operator("starts_with", "starts with", "text"),
    Operator("ends_with", "ends with", "text"),
    Operator("is_any_of", "is any of", "texts"),
    Operator("is_known", "is known"),
    Operator("is_unknown", "is not known"),
)
OPERATORS: dict[str, dict[str, Operator]] = {
    "text": _by_name(*_TEXT),
    "attribute": _by_name(
        *_TEXT,
        Operator("more_than", "is more than", "number"),
        Operator("less_than", "is less than", "number"),
        Operator("after", "is on or after", "date"),
        Operator("before", "is before", "date"),
    ),
    "choice": _by_name(
        Operator("is", "is", "choice"),
        Operator("is_not", "is not", "choice"),
        Operator("is_any_of", "is any of", "choices"),
    ),
    "tag": _by_name(Operator("has", "is", "text"), Operator("has_not", "is not", "text")),
    "segment": _by_name(Operator("in", "is", "segment"), Operator("not_in", "is not", "segment")),
    "campaign": _by_name(Operator("is", "is", "campaign"), Operator("is_not", "is not", "campaign")),
    "date": _by_name(
        Operator("within_days", "in the last … days", "days"),
        Operator("not_within_days", "more than … days ago", "days"),
        Operator("after", "on or after", "date"),
        Operator("before", "before", "date"),
    ),
    "activity": _by_name(
        Operator("within_days", "in the last … days", "days"),
        Operator("not_within_days", "not in the last … days", "days"),
        Operator("ever", "at some time"),
        Operator("never", "never"),
    ),
    "fact": _by_name(Operator("is_true", "yes"), Operator("is_false", "no")),
    "score": _by_name(Operator("at_least", "is at least", "number"), Operator("less_than", "is less than", "number")),
}

FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("subscription", "Subscription", "Consent", "choice", SUBSCRIPTIONS),
        Field("agreed", "Agreed to e-mail", "Consent", "activity", ("agreed to e-mail", "agree to e-mail")),
        Field("left", "Unsubscribed", "Consent", "activity", ("unsubscribed", "unsubscribe")),
        Field("suppressed", "Suppressed", "Consent", "fact", ("are suppressed", "are not suppressed")),
        Field("email", "E-mail", "Contact", "text", ("e-mail",)),
        Field("name", "Name", "Contact", "text", ("name",)),
        Field("phone", "Phone", "Contact", "text", ("phone number",)),
        Field("source", "Source", "Contact", "text", ("source",)),
        Field("created_at", "Added", "Contact", "date", ("were added",)),
        Field("tag", "Tag", "Contact", "tag"),
        Field("segment", "Segment", "Contact", "segment"),
        Field("score", "Lead score", "Activity", "score", ("lead score",)),
        Field("received", "Received a message", "Activity", "activity", ("received a message", "receive a message")),
        Field("opened", "Opened a message", "Activity", "activity", ("opened a message", "open a message")),
        Field("clicked", "Clicked a link", "Activity", "activity", ("clicked a link", "click a link")),
        Field("campaign_received", "Received the campaign", "Activity", "campaign", ("received", "did not receive")),
        Field("campaign_opened", "Opened the campaign", "Activity", "campaign", ("opened", "did not open")),
        Field(
            "campaign_clicked", "Clicked in the campaign", "Activity", "campaign", ("clicked in", "did not click in")
        ),
    )
}


def list_fields() -> list[Field]:
    """Every field that rules may name; besides these `attribute.<key>` for any attribute of a contact."""
    return list(FIELDS.values())


def find_field(name: str) -> Field | None:
    """The field of that name, or None when rules may not speak of it."""
    if not name.startswith(ATTRIBUTE):
        return FIELDS.get(name)
    key = name.removeprefix(ATTRIBUTE)
    if not key or len(key) > LONGEST_ATTRIBUTE or key != one_line(key):
        return None
    return Field(name, key, "Attributes", "attribute", (key,))


def condition_of(field: Field, operator: str, value: Any) -> ColumnElement[bool]:
    """The condition on contacts; the value is bound, never written into the statement.

    Segments need other segments' rules: audience/segment_queries.py knows them.
    """
    return CONDITIONS[field.kind](field.name, operator, value)


def _text(name: str, operator: str, value: Any) -> ColumnElement[bool]:
    column: InstrumentedAttribute[Any] = {
        "email": Contact.email,
        "name": Contact.name,
        "phone": Contact.phone,
        "source": Contact.source,
    }[name]
    return _compared(column, operator, value, is_lower=name in ("email", "phone"))


def _attribute(name: str, operator: str, value: Any) -> ColumnElement[bool]:
    text: ColumnElement[Any] = Contact.attributes[name.removeprefix(ATTRIBUTE)].astext
    if operator in ("more_than", "less_than"):
        number = cast(text, Numeric)
        is_so = number > value if operator == "more_than" else number < value
        return case((text.regexp_match(NUMBER_PATTERN), is_so), else_=False)
    if operator in ("after", "before"):
        day = func.left(text, 10)
        is_so = day >= value if operator == "after" else day < value
        return and_(text.regexp_match(DATE_PATTERN), is_so)
    return _compared(text, operator, value, is_lower=False)


def _compared(text: Any, operator: str, value: Any, *, is_lower: bool) -> ColumnElement[bool]:
    """Text compares without regard to case; where nothing is known, only the negative ones hold."""
    is_known: ColumnElement[bool] = func.coalesce(text, "") != ""
    if operator in ("is_known", "is_unknown"):
        return is_known if operator == "is_known" else not_(is_known)
    low: ColumnElement[Any] = text if is_lower else func.lower(text)
    if operator == "is_any_of":
        return low.in_([one.lower() for one in value])
    wanted = value.lower()
    if operator in ("is", "is_not"):
        is_it: ColumnElement[bool] = func.coalesce(low, "") == wanted
        return is_it if operator == "is" else not_(is_it)
    if operator in ("contains", "not_contains"):
        has_it: ColumnElement[bool] = func.coalesce(low, "").contains(wanted, autoescape=True)
        return has_it if operator == "contains" else not_(has_it)
    is_edge: ColumnElement[bool] = (
        low.startswith(wanted, autoescape=True) if operator == "starts_with" else low.endswith(wanted, autoescape=True)
    )
    return is_edge


def _choice(name: str, operator: str, value: Any) -> ColumnElement[bool]:
    column: InstrumentedAttribute[str] = {"subscription": Contact.subscription}[name]
    chosen: ColumnElement[bool] = column.in_(value if operator == "is_any_of" else [value])
    return not_(chosen) if operator == "is_not" else chosen


def _tag(_name: str, operator: str, value: Any) -> ColumnElement[bool]:
    has_tag = Contact.attributes.contains({"tags": [value]})
    return has_tag if operator == "has" else not_(has_tag)


def _date(name: str, operator: str, value: Any) -> ColumnElement[bool]:
    column: InstrumentedAttribute[datetime] = {"created_at": Contact.created_at}[name]
    edge = _days_ago(value) if operator.endswith("within_days") else func.to_timestamp(value, "YYYY-MM-DD")
    is_later: ColumnElement[bool] = column >= edge
    return is_later if operator in ("within_days", "after") else not_(is_later)


def _activity(name: str, operator: str, value: Any) -> ColumnElement[bool]:
    if operator in ("ever", "never"):
        happened = _happened(name, None)
        return happened if operator == "ever" else not_(happened)
    happened = _happened(name, value)
    return happened if operator == "within_days" else not_(happened)


def _happened(name: str, days: int | None) -> ColumnElement[bool]:
    seen = {"opened": Contact.opened_at, "clicked": Contact.clicked_at}.get(name)
    if seen is not None:
        return seen.is_not(None) if days is None else func.coalesce(seen >= _days_ago(days), False)
    if name == "received":
        found = [Message.contact_id == Contact.id, Message.state == "sent"]
        at: InstrumentedAttribute[Any] = Message.finished_at
    else:
        state = {"agreed": "subscribed", "left": "unsubscribed"}[name]
        found = [ConsentEntry.contact_id == Contact.id, ConsentEntry.state == state]
        at = ConsentEntry.at
    return exists().where(*found, *([] if days is None else [at >= _days_ago(days)]))


def _campaign(name: str, operator: str, value: Any) -> ColumnElement[bool]:
    if name == "campaign_received":
        found = exists().where(Message.contact_id == Contact.id, Message.campaign_id == value, Message.state == "sent")
    else:
        kind = {"campaign_opened": "open", "campaign_clicked": "click"}[name]
        found = exists(
            select(TrackingEvent.id).where(
                TrackingEvent.contact_id == Contact.id,
                TrackingEvent.campaign_id == value,
                TrackingEvent.kind == kind,
                TrackingEvent.actor == "human",
            )
        )
    return found if operator == "is" else not_(found)


def _fact(name: str, operator: str, _value: Any) -> ColumnElement[bool]:
    is_so = {"suppressed": is_suppressed_contact}[name]()
    return is_so if operator == "is_true" else not_(is_so)


def _score(_name: str, operator: str, value: Any) -> ColumnElement[bool]:
    return has_score(operator, value)


def _days_ago(days: int) -> ColumnElement[Any]:
    return func.now() - func.make_interval(0, 0, 0, days)


CONDITIONS: dict[str, Callable[[str, str, Any], ColumnElement[bool]]] = {
    "text": _text,
    "attribute": _attribute,
    "choice": _choice,
    "tag": _tag,
    "date": _date,
    "activity": _activity,
    "campaign": _campaign,
    "fact": _fact,
    "score": _score,
}

JOINERS: dict[str, Callable[..., ColumnElement[bool]]] = {"all": and_, "any": or_}
