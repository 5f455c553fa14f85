"""Proposals: what agents ask a person to approve, edit, refuse or undo. Each is carried out once, whatever happens."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select, update
from sqlalchemy.orm import selectinload

from access import ROLE_RANK
from accounts.audit import add_audit_entry
from agents.actions import find_action, get_action, read_payload
from agents.actions.base import Action, Edit
from agents.base import ProposedAction
from agents.drafts import get_result, get_version, list_failures, task_of
from errors import Conflict, InputInvalid, LuxError, NotAllowed, NotFound
from extensions import db
from models import AgentRun, Proposal, User

LONGEST_NOTE = 500
LOST_HOURS = 1
DECIDED = {
    "done": "This proposal has been approved and carried out already.",
    "approved": "This proposal has been approved already.",
    "refused": "This proposal has been refused.",
    "undone": "This proposal has been undone.",
    "expired": "This proposal has expired. Run the agent again for a fresh one.",
    "failed": "This proposal could not be carried out.",
}


def add_proposals(run_id: int) -> list[Proposal]:
    """Proposes all that a run's current version would do; commits. Waiting proposals of the run take it on.

    Raises Conflict when there is no finished draft, a check holds it back or it proposes nothing; NotFound.
    """
    run, proposed = _list_proposed(run_id)
    proposals = [_put(run, one) for one in proposed]
    db.session.commit()
    return proposals


def add_proposal(run_id: int, slot: str | None = None) -> Proposal:
    """Proposes one thing that a run's current version would do, the first without a slot; raises as the above."""
    run, proposed = _list_proposed(run_id)
    proposal = _put(run, next((one for one in proposed if one.slot == slot), proposed[0]))
    db.session.commit()
    return proposal


def carry_out_now(run_id: int, user: User, *, slot: str | None = None, peer: str | None = None) -> Proposal:
    """Proposes one thing of a run's current version and approves it at once: who asks is the one who may approve.

    A version that has been carried out already is not carried out again; commits. Raises as add_proposal() does.
    """
    proposal = add_proposal(run_id, slot)
    latest = db.session.scalar(
        select(Proposal)
        .where(Proposal.run_id == run_id, Proposal.state == "done", Proposal.slot == proposal.slot)
        .order_by(Proposal.id.desc())
        .limit(1)
    )
    if latest is not None and latest.payload == proposal.payload:
        db.session.delete(proposal)
        db.session.commit()
        return latest
    return approve_proposal(proposal.id, user, peer=peer)


def list_run_proposals(run_id: int) -> list[Proposal]:
    """What became of a run's drafts, the newest first."""
    return list(db.session.scalars(select(Proposal).where(Proposal.run_id == run_id).order_by(Proposal.id.desc())))


def get_proposal(proposal_id: int) -> Proposal:
    """The proposal; raises NotFound."""
    proposal = db.session.get(Proposal, proposal_id)
    if proposal is None:
        raise NotFound("There is no such proposal.")
    return proposal


def list_proposals(*, is_waiting: bool, most: int = 50) -> list[Proposal]:
    """Waiting proposals, the oldest first; or decided ones, the newest first."""
    statement = select(Proposal).options(selectinload(Proposal.run), selectinload(Proposal.decided_by)).limit(most)
    if is_waiting:
        return list(db.session.scalars(statement.where(Proposal.state == "pending").order_by(Proposal.id)))
    decided = statement.where(Proposal.state != "pending")
    return list(db.session.scalars(decided.order_by(Proposal.decided_at.desc().nulls_last(), Proposal.id.desc())))


def describe_proposal(proposal: Proposal) -> str:
    """What will happen when it is approved, in one or two sentences."""
    action = find_action(proposal.action)
    if action is None:
        return "This LUX does not know what this proposal would do, so it cannot be approved here."
    try:
        return action.describe(action.payload.model_validate(proposal.payload))
    except ValidationError:
        return "This proposal cannot be read any more. Run the agent again for a fresh one."


def find_address(proposal: Proposal) -> str | None:
    """Where the thing is that a carried-out proposal has made."""
    action = find_action(proposal.action)
    if action is None or proposal.state != "done" or proposal.outcome is None:
        return None
    return action.find_address(proposal.outcome)


def approve_proposal(proposal_id: int, user: User, *, note: str = "", peer: str | None = None) -> Proposal:
    """Approves and carries out, in one transaction: what it makes and its record stand or fall together; commits.

    Approving one that is done already gives it back as it is. Raises Conflict, InputInvalid, NotFound.
    """
    proposal = _lock(proposal_id)
    if proposal.state == "done":
        db.session.rollback()
        return get_proposal(proposal_id)
    _expect_waiting(proposal)
    action = get_action(proposal.action)
    if user.role is None or ROLE_RANK[user.role] < ROLE_RANK[action.role]:
        db.session.rollback()
        raise NotAllowed(f"Approving this needs the role {action.role}.")
    # Some noun packages commit what they make: the decision stands before, so that it is in the same transaction.
    try:
        payload = read_payload(action, proposal.payload)
        _decide(proposal, "done", user, note, peer)
        if action.is_long:
            return _carry_out_long(action, payload, proposal, user.id)
        proposal.outcome = action.carry_out(payload, proposal, user.id)
    except LuxError:
        db.session.rollback()
        raise
    db.session.commit()
    return proposal


def _carry_out_long(action: Action[Any], payload: Any, proposal: Proposal, user_id: int) -> Proposal:
    """Commits that it is approved, does it, and commits what came of it; what cannot be done now waits again."""
    proposal.state, proposal_id = "approved", proposal.id
    db.session.commit()
    try:
        outcome = action.carry_out(payload, proposal, user_id)
    except LuxError:
        db.session.rollback()
        again = _lock(proposal_id)
        again.state, again.decided_at, again.decided_by_id = "pending", None, None
        db.session.commit()
        raise
    done = _lock(proposal_id)
    done.state, done.outcome = "done", outcome
    db.session.commit()
    return done


def refuse_proposal(proposal_id: int, user: User, *, note: str = "", peer: str | None = None) -> Proposal:
    """Refuses with a note; commits. Raises Conflict, NotFound."""
    proposal = _lock(proposal_id)
    _expect_waiting(proposal)
    _decide(proposal, "refused", user, note, peer)
    db.session.commit()
    return proposal


def list_edits(proposal: Proposal) -> list[tuple[Edit, str]]:
    """The fields of a proposal that may be changed before it is approved, with their values."""
    action = find_action(proposal.action)
    edits = action.edits if action is not None else ()
    return [(edit, str(_value_at(proposal.payload, edit.path))) for edit in edits]


def change_proposal(proposal_id: int, user: User, values: Mapping[str, str]) -> Proposal:
    """Edits a waiting proposal before it is approved; commits. Raises InputInvalid, Conflict, NotFound."""
    proposal = _lock(proposal_id)
    _expect_waiting(proposal)
    action = get_action(proposal.action)
    changed = copy.deepcopy(proposal.payload)
    for edit in action.edits:
        if edit.name in values:
            _set_at(changed, edit.path, values[edit.name].strip())
    payload = read_payload(action, changed)
    proposal.payload = payload.model_dump(mode="json")
    add_audit_entry("proposal_edited", actor=user.name, user_id=user.id, subject=f"proposal {proposal.id}")
    db.session.commit()
    return proposal


def undo_proposal(proposal_id: int, user: User, *, peer: str | None = None) -> Proposal:
    """Takes back what a carried-out proposal has made; commits. Raises Conflict when it cannot be, NotFound."""
    proposal = _lock(proposal_id)
    if proposal.state == "undone":
        db.session.rollback()
        return get_proposal(proposal_id)
    if proposal.state != "done" or not proposal.is_reversible or proposal.outcome is None:
        raise Conflict("There is nothing to undo here.")
    proposal.state = "undone"
    add_audit_entry("proposal_undone", actor=user.name, user_id=user.id, subject=f"proposal {proposal.id}", peer=peer)
    try:
        get_action(proposal.action).undo(proposal.outcome)
    except LuxError:
        db.session.rollback()
        raise
    db.session.commit()
    return proposal


def supersede_proposals(schedule_id: int, run_id: int) -> int:
    """Lets waiting proposals of a schedule's earlier runs go: the newest run says the same anew. No commit."""
    earlier = select(AgentRun.id).where(AgentRun.schedule_id == schedule_id, AgentRun.id != run_id)
    gone = db.session.scalars(
        update(Proposal)
        .where(Proposal.state == "pending", Proposal.run_id.in_(earlier))
        .values(state="expired", decision_note="A newer run took its place.", decided_at=datetime.now(UTC))
        .returning(Proposal.id)
    ).all()
    return len(gone)


def expire_proposals() -> int:
    """Marks waiting proposals whose time is over, and approved ones that were never finished; commits.

    For the clock; returns how many expired.
    """
    lost = datetime.now(UTC) - timedelta(hours=LOST_HOURS)
    db.session.execute(
        update(Proposal)
        .where(Proposal.state == "approved", Proposal.decided_at <= lost)
        .values(state="failed", decision_note="LUX was stopped while it was carried out. Look at what is there.")
    )
    expired = db.session.scalars(
        update(Proposal)
        .where(Proposal.state == "pending", Proposal.expires_at <= datetime.now(UTC))
        .values(state="expired")
        .returning(Proposal.id)
    ).all()
    db.session.commit()
    return len(expired)


def _list_proposed(run_id: int) -> tuple[AgentRun, list[ProposedAction]]:
    """A locked run with all that its current version would do, never nothing."""
    run = db.session.get(AgentRun, run_id, with_for_update=True, populate_existing=True)
    if run is None:
        raise NotFound("There is no such run.")
    if run.state in ("waiting", "running") or run.version == 0:
        raise Conflict("There is no finished draft to propose yet.")
    failures = list_failures(run)
    if failures:
        raise Conflict(f"Put this right first. {' '.join(failures[:3])}")
    _, task = task_of(run)
    brief = task.brief.model_validate(run.brief)
    proposed = task.propose(brief, task.read(brief), get_result(run, get_version(run.id, run.version)))
    if not proposed:
        raise Conflict("This result is a document. There is nothing in it to approve.")
    return run, proposed


def _put(run: AgentRun, proposed: ProposedAction) -> Proposal:
    """The proposal in its slot of the run, new or with the new version taken on, in the caller's transaction."""
    action = get_action(proposed.action)
    try:
        payload = read_payload(action, proposed.payload).model_dump(mode="json")
    except InputInvalid as error:
        raise Conflict(f"Put this right first. {error.detail}") from error
    values: dict[str, Any] = {
        "action": action.key,
        "title": proposed.title,
        "payload": payload,
        "reason": proposed.reason,
        "effect": proposed.effect,
        "is_reversible": action.is_reversible,
        "expires_at": datetime.now(UTC) + timedelta(days=action.days_valid),
    }
    waiting = select(Proposal).where(
        Proposal.run_id == run.id, Proposal.state == "pending", Proposal.slot == proposed.slot
    )
    proposal = db.session.scalar(waiting)
    if proposal is None:
        proposal = Proposal(run_id=run.id, agent=run.agent, slot=proposed.slot, **values)
        db.session.add(proposal)
    else:
        for name, value in values.items():
            setattr(proposal, name, value)
    db.session.flush()
    return proposal


def _value_at(payload: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = payload
    for name in path:
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return value


def _set_at(payload: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    for name in path[:-1]:
        payload = payload.setdefault(name, {})
    payload[path[-1]] = value


def _lock(proposal_id: int) -> Proposal:
    proposal = db.session.get(Proposal, proposal_id, with_for_update=True, populate_existing=True)
    if proposal is None:
        raise NotFound("There is no such proposal.")
    return proposal


def _expect_waiting(proposal: Proposal) -> None:
    is_late = proposal.state == "pending" and proposal.expires_at <= datetime.now(UTC)
    state = "expired" if is_late else proposal.state
    if state != "pending":
        db.session.rollback()
        raise Conflict(DECIDED[state])


def _decide(proposal: Proposal, state: str, user: User, note: str, peer: str | None) -> None:
    proposal.state = state
    proposal.decided_by_id = user.id
    proposal.decided_at = datetime.now(UTC)
    proposal.decision_note = note.strip()[:LONGEST_NOTE] or None
    subject = f"proposal {proposal.id}"
    word = {"done": "proposal_approved", "refused": "proposal_refused"}[state]
    add_audit_entry(word, actor=user.name, user_id=user.id, subject=subject, peer=peer, title=proposal.title)
