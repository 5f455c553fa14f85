"""The people of the demo's house: they make and approve, and cannot sign in, as they have no password."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.users import add_user
from extensions import db


@dataclass(frozen=True)
class Person:
    """Somebody of the house, whatever becomes of the session that added them."""

    id: int
    name: str


@dataclass(frozen=True)
class Team:
    """Who does what in the house."""

    writer: Person
    seller: Person
    operator: Person


def add_team() -> Team:
    """Adds the people; commits. The owner is whoever opens the demo's one-time link."""
    team = Team(
        writer=_add("Ada Lovelace", "ada", "marketer"),
        seller=_add("Femi Okafor", "femi", "marketer"),
        operator=_add("Grace Novak", "grace", "operator"),
    )
    _add("Luca Moreau", "luca", "viewer")
    db.session.commit()
    return team


def _add(name: str, mailbox: str, role: str) -> Person:
    return Person(add_user(email=f"{mailbox}@lumen.example", name=name, password=None, role=role).id, name)
