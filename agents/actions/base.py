"""What an action is: a thing that a proposal can do once a person approves it.

The noun packages do it, never the model. An action exists when the thing that it makes exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints

from errors import Conflict
from models import Proposal

PayloadT = TypeVar("PayloadT", bound=BaseModel)
Outcome = dict[str, Any]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class Payload(BaseModel):
    """What an action takes; nothing else is let in."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Edit:
    """A field of the payload that a person may change before approving; `path` leads to it."""

    name: str
    label: str
    path: tuple[str, ...]
    is_required: bool = True


def cannot_undo(_outcome: Mapping[str, Any]) -> None:
    """The undo of what cannot be taken back."""
    raise Conflict("This cannot be undone.")


@dataclass(frozen=True)
class Action(Generic[PayloadT]):
    """One thing that can be proposed. `carry_out` and `undo` may end the caller's transaction by a commit.

    `accept` is the word on the button that does it at once, `done` what is said afterwards, `role` who may approve.
    What works in many transactions of its own, with roll-backs, `is_long`: its approval is committed before it begins.
    """

    key: str
    label: str
    accept: str
    payload: type[PayloadT]
    check: Callable[[PayloadT], None]
    describe: Callable[[PayloadT], str]
    carry_out: Callable[[PayloadT, Proposal, int | None], Outcome]
    find_address: Callable[[Mapping[str, Any]], str]
    done: str
    undo: Callable[[Mapping[str, Any]], None] = cannot_undo
    undone: str = "Undone."
    edits: tuple[Edit, ...] = ()
    role: str = "marketer"
    days_valid: int = 14
    is_long: bool = False

    @property
    def is_reversible(self) -> bool:
        return self.undo is not cannot_undo
