"""The owner's own reading of a sender's keys: this key is that field. It goes before everything that LUX guesses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from errors import InputInvalid
from extensions import db
from lib.clean_text import key_letters, one_line
from lib.field_names import FIELDS
from lib.form_fields import opened
from lib.payloads import PayloadUnreadable, read_payload
from models import IntakeMapping

LONGEST_KEY = 200
LONGEST_EXAMPLE = 60


def list_mappings() -> list[IntakeMapping]:
    """All of them, by key."""
    return list(db.session.scalars(select(IntakeMapping).order_by(IntakeMapping.key)))


def add_mapping(key: str, field: str) -> None:
    """Says what a key means, also where that was said otherwise before; commits. Raises InputInvalid."""
    key = one_line(key)[:LONGEST_KEY]
    if not key_letters(key):
        raise InputInvalid({"key": "Choose the key that the sender uses."})
    if field not in FIELDS:
        raise InputInvalid({"field": f"Choose one of {', '.join(FIELDS)}."})
    same = [row.id for row in list_mappings() if key_letters(row.key) == key_letters(key) and row.key != key]
    db.session.execute(delete(IntakeMapping).where(IntakeMapping.id.in_(same)))
    row = insert(IntakeMapping).values(key=key, field=field)
    db.session.execute(row.on_conflict_do_update(index_elements=["key"], set_={"field": field}))
    db.session.commit()


def delete_mapping(mapping_id: int) -> None:
    """Forgets what a key meant; commits."""
    db.session.execute(delete(IntakeMapping).where(IntakeMapping.id == mapping_id))
    db.session.commit()


def list_keys(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """The keys of a body with an example of what each holds, for choosing; empty when it cannot be read."""
    try:
        payload = read_payload(body, content_type)
    except PayloadUnreadable:
        return []
    found: dict[str, str] = {}
    for item in payload.items[:3]:
        for key, value in _leaves(opened(item)):
            example = one_line(str(value))
            found.setdefault(key, example if len(example) <= LONGEST_EXAMPLE else example[:LONGEST_EXAMPLE] + "…")
    return list(found.items())[:100]


def _leaves(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _leaves(value, name)
    elif isinstance(tree, list):
        for value in tree:
            yield from _leaves(value, key)
    elif key and tree not in (None, ""):
        yield key, tree
