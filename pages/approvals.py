"""Approvals: what agents propose, and what a person made of it."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role, peer
from agents import get_agent
from agents.actions import find_action, get_action
from agents.proposals import (
    approve_proposal,
    change_proposal,
    describe_proposal,
    find_address,
    get_proposal,
    list_edits,
    list_proposals,
    refuse_proposal,
    undo_proposal,
)
from errors import Conflict, InputInvalid
from extensions import db
from models import Proposal

page = Blueprint("approvals", __name__)

STATES = {
    "pending": ("waiting", "Waiting for you"),
    "approved": ("running", "Approved"),
    "done": ("success", "Approved and done"),
    "failed": ("danger", "Could not be done"),
    "refused": ("neutral", "Refused"),
    "undone": ("paused", "Undone"),
    "expired": ("neutral", "Expired"),
}


@page.get("/")
def index() -> str:
    """What waits, and what was decided lately."""
    return render_template(
        "approvals/index.html",
        waiting=[_shown(proposal) for proposal in list_proposals(is_waiting=True)],
        decided=[_shown(proposal) for proposal in list_proposals(is_waiting=False, most=20)],
        states=STATES,
    )


@page.get("/<int:proposal_id>")
def show(proposal_id: int) -> str:
    """One proposal with all that speaks for and against it."""
    return _page(get_proposal(proposal_id))


@page.post("/<int:proposal_id>/approve")
def approve(proposal_id: int) -> ResponseReturnValue:
    """Approves, carries out, and leads to what was made."""
    try:
        proposal = approve_proposal(proposal_id, current_user, note=request.form.get("note", ""), peer=peer())
    except (Conflict, InputInvalid) as error:
        db.session.rollback()
        flash(error.detail, "warn")
        return redirect(url_for("approvals.show", proposal_id=proposal_id), 303)
    flash(f"Approved. {get_action(proposal.action).done}", "success")
    return redirect(find_address(proposal) or url_for("approvals.index"), 303)


@page.post("/<int:proposal_id>/refuse")
def refuse(proposal_id: int) -> ResponseReturnValue:
    """Refuses with a note."""
    try:
        refuse_proposal(proposal_id, current_user, note=request.form.get("note", ""), peer=peer())
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(url_for("approvals.show", proposal_id=proposal_id), 303)
    flash("Refused. Nothing was changed.", "success")
    return redirect(url_for("approvals.index"), 303)


@page.post("/<int:proposal_id>/edit")
def edit(proposal_id: int) -> ResponseReturnValue:
    """Changes what may be changed of it before it is approved."""
    try:
        change_proposal(proposal_id, current_user, request.form)
    except InputInvalid as error:
        db.session.rollback()
        return _page(get_proposal(proposal_id), values=request.form, errors=error.fields), 422
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(url_for("approvals.show", proposal_id=proposal_id), 303)
    flash("The proposal is changed.", "success")
    return redirect(url_for("approvals.show", proposal_id=proposal_id), 303)


@page.post("/<int:proposal_id>/undo")
def undo(proposal_id: int) -> ResponseReturnValue:
    """Takes back what an approved proposal has made."""
    try:
        proposal = undo_proposal(proposal_id, current_user, peer=peer())
    except Conflict as error:
        db.session.rollback()
        flash(error.detail, "warn")
    else:
        flash(get_action(proposal.action).undone, "success")
    return redirect(url_for("approvals.show", proposal_id=proposal_id), 303)


def _shown(proposal: Proposal) -> dict[str, object]:
    deed = find_action(proposal.action)
    return {
        "proposal": proposal,
        "agent": get_agent(proposal.agent),
        "deed": deed,
        "may_write": has_role(deed.role if deed is not None else "marketer"),
        "will": describe_proposal(proposal),
        "address": find_address(proposal),
    }


def _page(
    proposal: Proposal, *, values: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None
) -> str:
    shown = _shown(proposal)
    return render_template(
        "approvals/show.html",
        **shown,
        state=STATES[proposal.state],
        edits=[(edit, (values or {}).get(edit.name, value)) for edit, value in list_edits(proposal)],
        errors=errors or {},
        has_preview=_has_preview(proposal),
    )


def _has_preview(proposal: Proposal) -> bool:
    task = get_agent(proposal.agent).find_task(proposal.run.task) if proposal.run else None
    return task is not None and task.preview is not None
