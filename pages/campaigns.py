"""Campaigns: the list, a new one from a template, copying and archiving."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role
from audience.segments import list_segments
from campaigns.drafting import add_campaign, archive_campaign, copy_campaign, get_campaign
from campaigns.overview import STATES, count_campaigns, list_campaigns
from campaigns.tallies import count_states_of
from campaigns.templates import STARTERS, get_starter
from config import current_settings
from errors import Conflict, InputInvalid
from lib.clean_text import one_line
from lib.row_ids import read_id

page = Blueprint("campaigns", __name__)

STATE_WORDS = {
    "draft": ("neutral", "Draft"),
    "scheduled": ("info", "Scheduled"),
    "sending": ("running", "Sending"),
    "paused": ("paused", "Paused"),
    "finished": ("success", "Sent"),
    "cancelled": ("neutral", "Cancelled"),
    "archived": ("neutral", "Archived"),
}


@page.app_template_global()
def campaign_state(state: str) -> tuple[str, str]:
    """Kind and word of a campaign's state, for ui.status."""
    return STATE_WORDS.get(state, ("neutral", state))


@page.app_template_global()
def campaign_time(at: datetime | None, zone_name: str | None = None) -> str:
    """A moment as people of the campaign's zone read it; in the house's zone when it has none."""
    if at is None:
        return "–"
    local = at.astimezone(ZoneInfo(zone_name or current_settings().timezone))
    return f"{local.day} {local:%b %Y, %H:%M}"


@page.get("/")
def index() -> str:
    """The list with its filters in the address."""
    q, state = one_line(request.args.get("q", ""))[:200], request.args.get("state", "")
    state = state if state in STATES else ""
    older, newer = read_id(request.args.get("older")), read_id(request.args.get("newer"))
    listed = list_campaigns(q=q, state=state, older_than=older, newer_than=newer)
    return render_template(
        "campaigns/index.html",
        listed=listed,
        tallies=count_states_of(campaign.id for campaign in listed.campaigns if campaign.launched_at),
        counts=count_campaigns(),
        q=q,
        state=state,
        states=[("", "Any state"), *((key, STATE_WORDS[key][1]) for key in STATES)],
        starters=STARTERS,
        may_change=has_role("marketer"),
    )


@page.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """A new campaign: its name, whom it is for, and a template to begin with."""
    if request.method == "GET":
        given = {"starter": request.args.get("starter", ""), "segment_id": request.args.get("segment", "")}
        return _show_new(given, {})
    form = request.form
    try:
        starter = get_starter(form["starter"]) if form.get("starter") else None
        campaign = add_campaign(
            name=form.get("name", ""),
            goal=form.get("goal", "").strip() or (starter.goal if starter else ""),
            segment_id=read_id(form.get("segment_id")),
            content=starter.content if starter else None,
            made_by=current_user.name,
            created_by_id=current_user.id,
            note=f"Template “{starter.name}”" if starter else "",
        )
    except InputInvalid as error:
        return _show_new(form, error.fields), 422
    return redirect(url_for("campaign_wizard.content", campaign_id=campaign.id), 303)


@page.get("/<int:campaign_id>")
def show(campaign_id: int) -> ResponseReturnValue:
    """The place for this campaign now: its wizard while it is a draft, its results afterwards."""
    campaign = get_campaign(campaign_id)
    view = "campaign_wizard.goal" if campaign.state == "draft" else "campaign_results.index"
    return redirect(url_for(view, campaign_id=campaign.id))


@page.post("/<int:campaign_id>/copy")
def copy(campaign_id: int) -> ResponseReturnValue:
    """A new draft like this one."""
    campaign = copy_campaign(campaign_id, made_by=current_user.name, created_by_id=current_user.id)
    flash("Copied. This is the copy; the other one stays as it is.", "success")
    return redirect(url_for("campaign_wizard.goal", campaign_id=campaign.id), 303)


@page.post("/<int:campaign_id>/archive")
def archive(campaign_id: int) -> ResponseReturnValue:
    """Takes the campaign out of the list; its results stay."""
    try:
        campaign = archive_campaign(campaign_id)
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(url_for("campaigns.show", campaign_id=campaign_id), 303)
    flash(f"“{campaign.name}” is archived. It is still found under the state Archived.", "success")
    return redirect(url_for("campaigns.index"), 303)


def _show_new(values: object, errors: dict[str, str]) -> str:
    return render_template(
        "campaigns/new.html",
        values=values,
        errors=errors,
        starters=[("", "An empty page", "Add the blocks you need."), *((s.key, s.name, s.text) for s in STARTERS)],
        segments=[("", "Choose later"), *((segment.id, segment.name) for segment in list_segments())],
    )
