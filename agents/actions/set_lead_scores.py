"""Turns lead scores on, or gives their rules other points; undone, it is as it was before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.users import name_of
from agents.actions.base import Action, Outcome, Payload
from audience.scores import HOT_FROM, WARM_FROM, Points, check_points, find_scoring, put_back_scoring, set_scoring
from models import Proposal


class SetLeadScores(Payload):
    """The points of each rule, and from where on somebody is warm or hot."""

    points: dict[str, int]
    hot_from: int = HOT_FROM
    warm_from: int = WARM_FROM


def _check(payload: SetLeadScores) -> None:
    check_points(_points(payload.model_dump()))


def _describe(_payload: SetLeadScores) -> str:
    what = "Changes the points of lead scores" if find_scoring() else "Turns lead scores on"
    return (
        f"{what} and scores every contact: on their page with the reasons, as an order of contacts, in segment rules."
    )


def _carry_out(payload: SetLeadScores, _proposal: Proposal, user_id: int | None) -> Outcome:
    points = check_points(_points(payload.model_dump()))
    before = set_scoring(points, actor=name_of(user_id))
    return {"before": _kept(before) if before is not None else None, "after": _kept(points)}


def _undo(outcome: Mapping[str, Any]) -> None:
    before = _points(outcome["before"]) if outcome["before"] is not None else None
    put_back_scoring(before, after=_points(outcome["after"]), actor="Undo")


def _points(kept: Mapping[str, Any]) -> Points:
    return Points(dict(kept["points"]), kept["hot_from"], kept["warm_from"])


def _kept(points: Points) -> dict[str, Any]:
    return {"points": dict(points.of_rule), "hot_from": points.hot_from, "warm_from": points.warm_from}


ACTION: Action[SetLeadScores] = Action(
    key="set_lead_scores",
    label="Keep lead scores",
    accept="Keep these scores",
    payload=SetLeadScores,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. Scores are as they were before.",
    find_address=lambda _outcome: "/contacts/?sort=score",
    done="Contacts are scored, the highest first here.",
)
