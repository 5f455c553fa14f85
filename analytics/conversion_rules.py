"""Which conversions LUX takes, from which sites, and how long after a click it counts as the cause."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from accounts.audit import add_audit_entry
from campaigns.click_ids import origin_of
from errors import InputInvalid
from extensions import db
from models import ConversionRules, User

DEFAULT_NAMES = ("purchase", "sign_up", "lead")
DEFAULT_WINDOW_DAYS = 30
LONGEST_WINDOW_DAYS = 90
MOST_SITES = MOST_NAMES = 20
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Rules:
    """The rules as they are."""

    sites: list[str]
    names: list[str]
    window_days: int


def get_rules() -> Rules:
    """The rules, or those that hold as long as nobody has set any: no site may report."""
    row = db.session.get(ConversionRules, 1)
    if row is None:
        return Rules([], list(DEFAULT_NAMES), DEFAULT_WINDOW_DAYS)
    return Rules([str(site) for site in row.sites], [str(name) for name in row.names], row.window_days)


def change_rules(*, sites: str, names: str, window_days: str, by: User, peer: str) -> Rules:
    """Takes the rules as a form has them, one site and one name per line; commits. Raises InputInvalid."""
    errors: dict[str, str] = {}
    rules = Rules(_read_sites(sites, errors), _read_names(names, errors), _read_window(window_days, errors))
    if errors:
        raise InputInvalid(errors)
    changed = {**asdict(rules), "changed_at": datetime.now(UTC)}
    statement = insert(ConversionRules).values(id=1, **changed)
    db.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))
    detail: dict[str, Any] = asdict(rules)
    add_audit_entry("conversion_rules_changed", actor=by.name, user_id=by.id, peer=peer, **detail)
    db.session.commit()
    db.session.expire_all()
    return rules


def _read_sites(text: str, errors: dict[str, str]) -> list[str]:
    found = []
    for line in text.split():
        origin = origin_of(line.lower())
        rest = line.lower().removeprefix(origin).strip("/") if origin else ""
        if not origin or rest or not _is_named(origin):
            errors["sites"] = f"“{line[:80]}” is no site. Write it as https://www.example.com, without a path."
        elif origin not in found:
            found.append(origin)
    if len(found) > MOST_SITES:
        errors["sites"] = f"At most {MOST_SITES} sites."
    return found


def _is_named(origin: str) -> bool:
    host = origin.split("//")[1]
    return "." in host or host.partition(":")[0] == "localhost"


def _read_names(text: str, errors: dict[str, str]) -> list[str]:
    found = []
    for word in text.replace(",", " ").split():
        if not NAME.fullmatch(word):
            errors["names"] = f"“{word[:60]}” is no name. Use small letters, digits and _, such as sign_up."
        elif word not in found:
            found.append(word)
    if not found and "names" not in errors:
        errors["names"] = "Name at least one conversion, such as purchase."
    if len(found) > MOST_NAMES:
        errors["names"] = f"At most {MOST_NAMES} names."
    return found


def _read_window(text: str, errors: dict[str, str]) -> int:
    days = int(text) if text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < 4 else 0
    if not 1 <= days <= LONGEST_WINDOW_DAYS:
        errors["window_days"] = f"From 1 to {LONGEST_WINDOW_DAYS} days."
    return days
