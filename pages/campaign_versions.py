"""The versions of a campaign's content: who saved what, what it changed, and the way back."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role
from campaigns.drafting import get_campaign, get_version, list_versions, restore_version
from campaigns.versions import compare_contents
from pages.campaign_wizard import list_steps

page = Blueprint("campaign_versions", __name__)


@page.get("/<int:campaign_id>/versions")
def index(campaign_id: int) -> str:
    """Every kept version, the newest first."""
    campaign = get_campaign(campaign_id)
    return render_template(
        "campaigns/versions.html",
        campaign=campaign,
        steps=list_steps(campaign, "content"),
        versions=list_versions(campaign_id),
        may_change=has_role("marketer"),
    )


@page.get("/<int:campaign_id>/versions/<int:number>")
def show(campaign_id: int, number: int) -> str:
    """One version beside the current content."""
    campaign = get_campaign(campaign_id)
    version = get_version(campaign_id, number)
    return render_template(
        "campaigns/version.html",
        campaign=campaign,
        steps=list_steps(campaign, "content"),
        version=version,
        changes=compare_contents(version.content, campaign.content),
        may_change=has_role("marketer") and campaign.state == "draft",
    )


@page.post("/<int:campaign_id>/versions/<int:number>/restore")
def restore(campaign_id: int, number: int) -> ResponseReturnValue:
    """Makes a version the current one again; the one before is kept, too."""
    restore_version(campaign_id, number, made_by=current_user.name)
    flash(f"Version {number} is back. What was there before is kept in the history.", "success")
    return redirect(url_for("campaign_wizard.content", campaign_id=campaign_id), 303)
