"""A campaign that has left the draft: its progress, its balance, what people did, and why somebody got it or not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role
from campaigns.channel_states import find_pause_reason
from campaigns.drafting import get_campaign
from campaigns.explanation import explain_recipient
from campaigns.launching import (
    cancel_campaign,
    count_missing,
    pause_campaign,
    resume_campaign,
    retry_failed,
    send_missing,
    take_back,
)
from campaigns.results import (
    ACTED,
    GROUPS,
    Timeline,
    count_acts,
    list_links,
    list_recipients,
    read_timeline,
)
from campaigns.tallies import StateCounts, count_states
from channels import find_channel
from config import current_settings
from errors import Conflict, InputInvalid, NotFound
from lib.charts import Series, line_chart
from lib.row_ids import read_id
from models import Campaign

page = Blueprint("campaign_results", __name__)

UNDER_WAY = ("scheduled", "sending", "paused")
GROUP_WORDS = {
    "planned": "Planned",
    "sent": "Sent",
    "failed": "Failed",
    "suppressed": "Suppressed",
    "unknown": "Unknown",
    "pending": "Pending",
    "opened": "Opened by a person",
    "clicked": "Clicked by a person",
    "unsubscribed": "Unsubscribed",
    "bounced": "Came back after it was sent",
    "complained": "Complained",
}


@page.get("/<int:campaign_id>/results")
def index(campaign_id: int) -> ResponseReturnValue:
    """Progress and balance at once; what needs counting loads by itself."""
    campaign = get_campaign(campaign_id)
    if campaign.state == "draft" and campaign.launched_at is None:
        return redirect(url_for("campaign_wizard.goal", campaign_id=campaign.id))
    return render_template("campaigns/results.html", **_progress_values(campaign))


@page.get("/<int:campaign_id>/progress")
def progress(campaign_id: int) -> str:
    """The live part of the page: served again every two seconds while something moves."""
    return render_template("campaigns/progress.html", **_progress_values(get_campaign(campaign_id)))


@page.get("/<int:campaign_id>/acts")
def acts(campaign_id: int) -> str:
    """Opens, clicks and unsubscribes, people and machines apart; a fragment."""
    campaign = get_campaign(campaign_id)
    counts = count_states(campaign_id)
    return render_template("campaigns/acts.html", campaign=campaign, acts=count_acts(campaign_id), counts=counts)


@page.get("/<int:campaign_id>/links")
def links(campaign_id: int) -> str:
    """The links with their clicks; a fragment."""
    return render_template("campaigns/links.html", links=list_links(get_campaign(campaign_id).id))


@page.get("/<int:campaign_id>/timeline")
def timeline(campaign_id: int) -> str:
    """Sent, opened and clicked over time; a fragment."""
    campaign = get_campaign(campaign_id)
    told = read_timeline(campaign)
    chart = None
    if len(told.slices) > 1:
        series = [Series("Sent", told.sent), Series("Opened", told.opened), Series("Clicked", told.clicked)]
        chart = line_chart("Sent, opened and clicked", _labels(told, campaign), series, heading="From", most_labels=6)
    return render_template("campaigns/timeline.html", chart=chart, told=told)


@page.get("/<int:campaign_id>/people")
def people(campaign_id: int) -> str:
    """The people behind a figure, fifty at a time."""
    campaign = get_campaign(campaign_id)
    group = request.args.get("group", "planned")
    if group not in GROUPS and group not in ACTED:
        raise NotFound("There is no such figure.")
    after = read_id(request.args.get("after")) or 0
    listed = list_recipients(campaign_id, group, after=after)
    return render_template(
        "campaigns/people.html",
        campaign=campaign,
        group=group,
        word=GROUP_WORDS[group],
        words=GROUP_WORDS,
        listed=listed,
        counts=count_states(campaign_id),
        is_first=after == 0,
    )


@page.get("/<int:campaign_id>/why")
def why(campaign_id: int) -> ResponseReturnValue:
    """Why somebody did or did not get it."""
    campaign = get_campaign(campaign_id)
    address = request.args.get("address", "").strip()[:320]
    told, errors = None, {}
    if address:
        try:
            told = explain_recipient(campaign, address)
        except InputInvalid as error:
            errors = error.fields
    body = render_template("campaigns/why.html", campaign=campaign, address=address, told=told, errors=errors)
    return body, 422 if errors else 200


@page.post("/<int:campaign_id>/take-back")
def back_to_draft(campaign_id: int) -> ResponseReturnValue:
    """Takes the launch back: the campaign is a draft again and nothing has left."""
    if not _done(
        lambda: take_back(campaign_id, current_user.id), "Taken back. Nothing has left; this is a draft again."
    ):
        return _here(campaign_id)
    return redirect(url_for("campaign_wizard.review", campaign_id=campaign_id), 303)


@page.post("/<int:campaign_id>/pause")
def pause(campaign_id: int) -> ResponseReturnValue:
    """Stops what has not left yet."""
    _done(lambda: pause_campaign(campaign_id, f"Paused by {current_user.name}.", current_user.id), "Paused.")
    return _here(campaign_id)


@page.post("/<int:campaign_id>/resume")
def resume(campaign_id: int) -> ResponseReturnValue:
    """Goes on with what is left."""
    _done(lambda: resume_campaign(campaign_id, current_user.id), "Going on.")
    return _here(campaign_id)


@page.get("/<int:campaign_id>/cancel")
def confirm_cancel(campaign_id: int) -> str:
    """Asks once more: what has left cannot be called back."""
    return render_template(
        "campaigns/cancel.html", campaign=get_campaign(campaign_id), counts=count_states(campaign_id)
    )


@page.post("/<int:campaign_id>/cancel")
def cancel(campaign_id: int) -> ResponseReturnValue:
    """Ends the campaign; what has not left stays."""
    _done(lambda: cancel_campaign(campaign_id, current_user.id), "Cancelled. What had not left stays here.")
    return _here(campaign_id)


@page.post("/<int:campaign_id>/retry-failed")
def retry(campaign_id: int) -> ResponseReturnValue:
    """Tries the failed ones again, nobody else."""
    _done(lambda: retry_failed(campaign_id, current_user.id), "The failed ones are tried again.")
    return _here(campaign_id)


@page.post("/<int:campaign_id>/send-missing")
def to_missing(campaign_id: int) -> ResponseReturnValue:
    """Sends to everybody planned whom it has not reached."""
    _done(lambda: send_missing(campaign_id, current_user.id), "Those whom it has not reached are tried again.")
    return _here(campaign_id)


def _done(act: Callable[[], object], words: str) -> bool:
    try:
        act()
    except Conflict as error:
        flash(error.detail, "warn")
        return False
    flash(words, "success")
    return True


def _here(campaign_id: int) -> ResponseReturnValue:
    return redirect(url_for("campaign_results.index", campaign_id=campaign_id), 303)


def _progress_values(campaign: Campaign) -> dict[str, object]:
    counts = count_states(campaign.id)
    left = campaign.launch_at - datetime.now(UTC) if campaign.state == "scheduled" and campaign.launch_at else None
    channel = find_channel(campaign.channel)
    is_over = campaign.state in ("finished", "cancelled", "paused")
    return {
        "campaign": campaign,
        "counts": counts,
        "balance": _balance(counts),
        "seconds_left": max(0, round(left.total_seconds())) if left else None,
        "missing": count_missing(campaign.id) if is_over and counts.planned != counts.sent + counts.waiting else 0,
        "is_live": campaign.state in UNDER_WAY or counts.waiting > 0,
        "is_soon": left is not None and left < timedelta(minutes=2),
        "is_test_outbox": channel is not None and channel.is_test_outbox(current_settings()),
        "channel_reason": find_pause_reason(campaign.channel) if campaign.state in UNDER_WAY else None,
        "zone": campaign.timezone or current_settings().timezone,
        "may_change": has_role("marketer"),
    }


def _balance(counts: StateCounts) -> list[tuple[str, str, int]]:
    """planned = sent + failed + suppressed + unknown + pending, as rows of key, word and number."""
    return [
        ("planned", "Planned", counts.planned),
        ("sent", "Sent", counts.sent),
        ("failed", "Failed", counts.failed),
        ("suppressed", "Suppressed", counts.suppressed),
        ("unknown", "Unknown", counts.unknown),
        ("pending", "Pending", counts.waiting),
    ]


def _labels(told: Timeline, campaign: Campaign) -> list[str]:
    zone = ZoneInfo(campaign.timezone or current_settings().timezone)
    shape = "%H:%M" if told.width < timedelta(hours=3) else "%d %b %H:%M" if told.width < timedelta(days=1) else "%d %b"
    return [f"{at.astimezone(zone):{shape}}" for at in told.slices]
