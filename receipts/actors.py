"""Who asks for a repair: a person, the clock, or a program with an operator's token."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """A name for the receipts; `is_person`: somebody who can approve. `origin` is page, api, chat or clock."""

    name: str
    user_id: int | None = None
    origin: str = "page"
    is_person: bool = True


CLOCK = Actor("the clock", None, "clock", is_person=False)
