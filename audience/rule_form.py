"""A segment's rules as a form: rows to show, read back from the fields that a browser sends.

A group's rules are named `<path>.<number>.field`, `.operator`, `.value` and `.key`, with `.was` for the field that the
page showed; an inner group has `.match` and `.rules.<number>…`. validate_rules() names what is wrong by these paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, union_all
from werkzeug.datastructures import MultiDict

from audience.rule_fields import ATTRIBUTE, OPERATORS, find_field, list_fields
from audience.rules import DEEPEST, MOST_RULES
from extensions import db
from models import SUBSCRIPTIONS, Campaign, Contact, Segment

TOP = "rules"
NEW_CONDITION: dict[str, Any] = {"field": "subscription", "operator": "is", "value": "subscribed"}
USUAL_VALUES: dict[str, Any] = {"days": 30, "choice": "subscribed", "number": 50}
SAMPLED_CONTACTS = 500
MOST_KEYS = 60
MOST_CAMPAIGNS = 200

Choice = tuple[str, str]


FormFields = MultiDict[str, str]


@dataclass(frozen=True)
class ConditionRow:
    """One condition as the editor shows it."""

    path: str
    field: str
    key: str | None
    kind: str
    operators: list[Choice]
    operator: str
    value_kind: str
    choices: list[Choice]
    value: Any
    error: str

    is_group = False


@dataclass(frozen=True)
class GroupRow:
    """A group as the editor shows it."""

    path: str
    match: str
    rows: list[Any]
    error: str
    is_deepest: bool

    is_group = True


@dataclass(frozen=True)
class Choices:
    """What the editor offers: fields by group, segments, campaigns."""

    fields: list[tuple[str, list[Choice]]]
    segments: list[Choice]
    campaigns: list[Choice]


def read_rules(form: FormFields) -> dict[str, Any]:
    """The rules that a form holds, not checked yet."""
    return {"match": _match(form.get("match", "")), "rules": _read_group(form, TOP, 1)}


def apply_step(rules: dict[str, Any], step: str) -> dict[str, Any]:
    """The rules after a button of the editor: `add <path>`, `group <path>`, `remove <path>.<number>`."""
    verb, _, path = step.partition(" ")
    if verb == "remove":
        parent, _, number = path.rpartition(".")
        holder = _find(rules, parent)
        if holder is not None and number.isdigit() and int(number) < len(holder):
            del holder[int(number)]
    elif verb in ("add", "group"):
        holder = _find(rules, path)
        if holder is not None and len(holder) < MOST_RULES:
            new = dict(NEW_CONDITION)
            holder.append(new if verb == "add" else {"match": "any", "rules": [new]})
    return rules


def show_rules(rules: Mapping[str, Any], choices: Choices, errors: Mapping[str, str]) -> GroupRow:
    """The rules as rows, each with its operators, its kind of value and what is wrong with it."""
    return _show_group(rules, TOP, choices, errors, 1)


def list_choices(segment_id: int | None = None) -> Choices:
    """The fields, attributes that contacts have, other segments, and campaigns that rules can speak of."""
    groups: dict[str, list[Choice]] = {}
    for field in list_fields():
        groups.setdefault(field.group, []).append((field.name, field.label))
    groups["Attributes"] = [(f"{ATTRIBUTE}{key}", key) for key in list_attribute_keys()]
    groups["Attributes"].append((ATTRIBUTE, "Another attribute…"))
    segments = select(Segment.id, Segment.name).where(Segment.archived_at.is_(None), Segment.id != (segment_id or 0))
    campaigns = select(Campaign.id, Campaign.name).where(Campaign.archived_at.is_(None)).limit(MOST_CAMPAIGNS)
    return Choices(
        list(groups.items()),
        [(str(number), name) for number, name in db.session.execute(segments.order_by(func.lower(Segment.name)))],
        [(str(number), name) for number, name in db.session.execute(campaigns.order_by(Campaign.id.desc()))],
    )


def list_attribute_keys() -> list[str]:
    """The attributes that the newest and the oldest contacts have; reading all would take too long."""
    newest = select(Contact.attributes).order_by(Contact.id.desc()).limit(SAMPLED_CONTACTS).subquery()
    oldest = select(Contact.attributes).order_by(Contact.id).limit(SAMPLED_CONTACTS).subquery()
    both = union_all(select(newest), select(oldest)).subquery()
    keys = select(func.jsonb_object_keys(both.c.attributes).label("key")).subquery()
    query = select(keys.c.key).distinct().order_by(keys.c.key).limit(MOST_KEYS)
    return [key for key in db.session.scalars(query) if key != "tags" and find_field(ATTRIBUTE + key) is not None]


def _match(text: str) -> str:
    return "any" if text == "any" else "all"


def _read_group(form: FormFields, path: str, depth: int) -> list[dict[str, Any]]:
    prefix = f"{path}."
    heads = {key[len(prefix) :].partition(".")[0] for key in form if key.startswith(prefix)}
    numbers = sorted(int(head) for head in heads if head.isascii() and head.isdigit() and len(head) < 4)
    read: list[dict[str, Any]] = []
    for number in numbers[:MOST_RULES]:
        at = f"{prefix}{number}"
        if f"{at}.match" in form:
            inner = _read_group(form, f"{at}.rules", depth + 1) if depth <= DEEPEST else []
            read.append({"match": _match(form.get(f"{at}.match", "")), "rules": inner})
        else:
            read.append(_read_condition(form, at))
    return read


def _read_condition(form: FormFields, at: str) -> dict[str, Any]:
    name = form.get(f"{at}.field", "")
    is_as_before = form.get(f"{at}.was", name) == name
    if name == ATTRIBUTE:
        name = f"{ATTRIBUTE}{form.get(f'{at}.key', '').strip()}"
    if not is_as_before:
        return _fresh_condition(name)
    values = form.getlist(f"{at}.value")
    operator = form.get(f"{at}.operator", "")
    is_many = _value_kind(name, operator) == "choices"
    return {"field": name, "operator": operator, "value": values if is_many else values[0] if values else None}


def _fresh_condition(name: str) -> dict[str, Any]:
    """A condition on a field just chosen: what was typed for another one means nothing here."""
    field = find_field(name)
    operator = next(iter(OPERATORS[field.kind if field else "attribute"].values()))
    return {"field": name, "operator": operator.name, "value": USUAL_VALUES.get(operator.value)}


def _value_kind(name: str, operator: str) -> str:
    field = find_field(name)
    known = OPERATORS[field.kind if field else "attribute"].get(operator)
    return known.value if known else "text"


def _find(rules: dict[str, Any], path: str) -> list[Any] | None:
    """The list of rules at a path such as `rules.1.rules`."""
    here: Any = rules
    for step in path.split("."):
        if step == TOP and isinstance(here, dict):
            here = here.get(TOP)
        elif step.isdigit() and isinstance(here, list) and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here if isinstance(here, list) else None


def _show_group(
    rules: Mapping[str, Any], path: str, choices: Choices, errors: Mapping[str, str], depth: int
) -> GroupRow:
    rows: list[Any] = []
    for number, rule in enumerate(rules.get("rules", [])):
        at = f"{path}.{number}"
        if "rules" in rule:
            rows.append(_show_group(rule, f"{at}.rules", choices, errors, depth + 1))
        else:
            rows.append(_show_condition(rule, at, choices, errors))
    return GroupRow(path, rules.get("match", "all"), rows, errors.get(path, ""), is_deepest=depth >= DEEPEST)


def _show_condition(rule: Mapping[str, Any], at: str, choices: Choices, errors: Mapping[str, str]) -> ConditionRow:
    name = str(rule.get("field", ""))
    field = find_field(name)
    operators = OPERATORS[field.kind if field else "attribute"]
    operator = rule.get("operator") if rule.get("operator") in operators else next(iter(operators))
    kind = operators[str(operator)].value
    listed = {one for _, group in choices.fields for one, _ in group}
    is_free = name.startswith(ATTRIBUTE) and name not in listed
    value = rule.get("value")
    return ConditionRow(
        path=at,
        field=ATTRIBUTE if is_free or name == ATTRIBUTE else name,
        key=name.removeprefix(ATTRIBUTE) if is_free or name == ATTRIBUTE else None,
        kind=field.kind if field else "attribute",
        operators=[(one.name, one.label) for one in operators.values()],
        operator=str(operator),
        value_kind=kind,
        choices=_value_choices(kind, choices),
        value=", ".join(map(str, value)) if isinstance(value, list) and kind != "choices" else value,
        error=" ".join(errors[f"{at}.{part}"] for part in ("field", "operator", "value") if f"{at}.{part}" in errors),
    )


def _value_choices(kind: str, choices: Choices) -> list[Choice]:
    if kind in ("choice", "choices"):
        return [(one, one) for one in SUBSCRIPTIONS]
    if kind == "segment":
        return [("", "Choose a segment"), *choices.segments]
    return [("", "Choose a campaign"), *choices.campaigns] if kind == "campaign" else []
