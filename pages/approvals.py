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
        may_write=has_role("marketer"),
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
    """Changes name, subject and preheader of what is proposed."""
    form = request.form
    try:
        change_proposal(
            proposal_id,
            current_user,
            name=form.get("name", ""),
            subject=form.get("subject", ""),
            preheader=form.get("preheader", ""),
        )
    except InputInvalid as error:
        db.session.rollback()
        return _page(get_proposal(proposal_id), values=form, errors=error.fields), 422
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(url_for("approvals.show", proposal_id=proposal_id), 303)
    flash("The proposal is changed.", "success")
    return redirect(url_for("approvals.show", proposal_id=proposal_id), 303)


@page.post("/<int:proposal_id>/undo")
def undo(proposal_id: int) -> ResponseReturnValue:
    """Takes back what an approved proposal has made."""
    try:
        undo_proposal(proposal_id, current_user, peer=peer())
    except Conflict as error:
        flash(error.detail, "warn")
    else:
        flash("Undone. What it had made is archived.", "success")
    return redirect(url_for("approvals.show", proposal_id=proposal_id), 303)


def _shown(proposal: Proposal) -> dict[str, object]:
    return {
        "proposal": proposal,
        "agent": get_agent(proposal.agent),
        "deed": find_action(proposal.action),
        "will": describe_proposal(proposal),
        "address": find_address(proposal),
    }


def _page(
    proposal: Proposal, *, values: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None
) -> str:
    payload = proposal.payload
    content = payload.get("content", {})
    return render_template(
        "approvals/show.html",
        **_shown(proposal),
        state=STATES[proposal.state],
        values=values
        or {
            "name": payload.get("name", ""),
            "subject": content.get("subject", ""),
            "preheader": content.get("preheader", ""),
        },
        errors=errors or {},
        may_write=has_role("marketer"),
    )
