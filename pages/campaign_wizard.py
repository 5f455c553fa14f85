"""The campaign wizard: Goal, Audience, Content, Schedule and Review, one address each, in any order."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

import channels.email
from access import has_role
from audience.segments import list_segments
from campaigns.audience_count import count_audience
from campaigns.content_form import NEW_BLOCKS, Edited, press_button, read_content_form
from campaigns.drafting import (
    change_audience,
    change_content,
    change_goal,
    change_schedule,
    content_of,
    get_campaign,
    mark_of,
)
from campaigns.first_steps import note_step
from campaigns.launching import launch_campaign
from campaigns.mail_brand import get_mail_brand
from campaigns.merge_values import SAMPLE_VALUES, VALUES
from campaigns.preflight import Preflight, check_campaign, check_sender_domain
from campaigns.rendering import render_campaign
from campaigns.test_sends import send_test
from config import current_settings
from creative.assets import PUBLIC_PATH
from errors import Conflict, InputInvalid, Unavailable
from lib.isolated_page import isolating_headers
from lib.local_times import USUAL_ZONES, LocalTimeInvalid, find_zone, read_local_time
from lib.row_ids import read_id
from models import Campaign

page = Blueprint("campaign_wizard", __name__)


@page.before_request
def _only_drafts_have_steps() -> ResponseReturnValue | None:
    """Whoever opens a step of a campaign that has left the draft sees how it is doing instead."""
    step = (request.endpoint or "").rpartition(".")[2]
    if request.method != "GET" or step not in dict(STEPS):
        return None
    campaign = get_campaign(int((request.view_args or {})["campaign_id"]))
    if campaign.state == "draft":
        return None
    return redirect(url_for("campaign_results.index", campaign_id=campaign.id))


TYPED_FROM = 1_000
STEPS = (
    ("goal", "Goal"),
    ("audience", "Audience"),
    ("content", "Content"),
    ("schedule", "Schedule"),
    ("review", "Review"),
)


@page.route("/<int:campaign_id>/goal", methods=["GET", "POST"])
def goal(campaign_id: int) -> ResponseReturnValue:
    """What the campaign is for."""
    campaign = get_campaign(campaign_id)
    if request.method == "GET":
        return _show("goal", campaign, values={"name": campaign.name, "goal": campaign.goal})
    form = request.form
    try:
        change_goal(campaign_id, name=form.get("name", ""), goal=form.get("goal", ""))
    except InputInvalid as error:
        return _show("goal", campaign, values=form, errors=error.fields), 422
    return _onward(campaign_id, "audience")


@page.post("/<int:campaign_id>/goal/autosave")
def autosave_goal(campaign_id: int) -> ResponseReturnValue:
    """Keeps name and goal while they are typed."""
    change_goal(campaign_id, name=request.form.get("name", ""), goal=request.form.get("goal", ""))
    return jsonify(saved_at=_clock())


@page.route("/<int:campaign_id>/audience", methods=["GET", "POST"])
def audience(campaign_id: int) -> ResponseReturnValue:
    """Whom it goes to, with the count and what falls away."""
    campaign = get_campaign(campaign_id)
    if request.method == "GET":
        return _show_audience(campaign, campaign.segment_id, {})
    try:
        campaign = change_audience(campaign_id, read_id(request.form.get("segment_id")))
    except InputInvalid as error:
        return _show_audience(campaign, None, error.fields), 422
    return _onward(campaign_id, "content")


@page.get("/<int:campaign_id>/audience/count")
def audience_count(campaign_id: int) -> str:
    """The count as a fragment: of the segment that is chosen in the form, or of the campaign's own."""
    campaign = get_campaign(campaign_id)
    segment_id = read_id(request.args.get("segment_id")) or campaign.segment_id
    counted = count_audience(segment_id) if segment_id else None
    return render_template("campaigns/audience_count.html", counted=counted, campaign=campaign)


@page.route("/<int:campaign_id>/content", methods=["GET", "POST"])
def content(campaign_id: int) -> ResponseReturnValue:
    """What it says: the sender, the subject and the blocks. Its buttons work without script, too."""
    campaign = get_campaign(campaign_id)
    if request.method == "GET":
        return _show_content(campaign, content_of(campaign).model_dump(mode="json"))
    posted = read_content_form(request.form.items(multi=True))
    button = request.form.get("do", "")
    edited = Edited(posted, "", "")
    try:
        if button:
            edited = press_button(posted, button)
        campaign = _save_content(campaign_id, edited.content, is_autosave=bool(button))
    except InputInvalid as error:
        return _show_content(campaign, edited.content, errors=error.fields), 422
    except Conflict as error:
        return _show_content(get_campaign(campaign_id), edited.content, errors={"form": error.detail}), 409
    if not button:
        return _onward(campaign_id, "schedule")
    if request.headers.get("Accept") == "text/x-blocks":
        return _show_blocks(campaign, edited)
    return redirect(url_for("campaign_wizard.content", campaign_id=campaign_id, _anchor=_anchor(edited.focus)), 303)


@page.post("/<int:campaign_id>/content/autosave")
def autosave_content(campaign_id: int) -> ResponseReturnValue:
    """Keeps the content while it is typed; answers with the mark that the next save begins with."""
    posted = read_content_form(request.form.items(multi=True))
    try:
        campaign = _save_content(campaign_id, posted, is_autosave=True)
    except (InputInvalid, Conflict) as error:
        return jsonify(message=error.detail), error.status
    return jsonify(saved_at=_clock(), version=campaign.version, based_on=mark_of(campaign.content))


@page.route("/<int:campaign_id>/schedule", methods=["GET", "POST"])
def schedule(campaign_id: int) -> ResponseReturnValue:
    """When it goes out: once launched, or at a time of a zone."""
    campaign = get_campaign(campaign_id)
    if request.method == "GET":
        return _show_schedule(campaign, _schedule_values(campaign), {})
    form = request.form
    try:
        if form.get("when") == "at":
            chosen = read_local_time(form.get("date", ""), form.get("time", ""), form.get("timezone", ""))
            change_schedule(campaign_id, at=chosen.at, timezone=form.get("timezone", ""))
            if chosen.note:
                flash(chosen.note, "info")
        else:
            find_zone(form.get("timezone", ""))
            change_schedule(campaign_id, at=None, timezone=form.get("timezone", ""))
    except LocalTimeInvalid as error:
        return _show_schedule(campaign, form, {error.field: str(error)}), 422
    except InputInvalid as error:
        return _show_schedule(campaign, form, error.fields), 422
    return _onward(campaign_id, "review")


@page.get("/<int:campaign_id>/review")
def review(campaign_id: int) -> ResponseReturnValue:
    """Everything once more before it goes out: the preflight, the message, the people, the moment."""
    return _show_review(get_campaign(campaign_id), {})


@page.get("/<int:campaign_id>/review/checks")
def review_checks(campaign_id: int) -> str:
    """The preflight and the launch as a fragment, for as long as something is still being looked at."""
    campaign = get_campaign(campaign_id)
    return render_template("campaigns/review_checks.html", **_review_values(campaign, {}))


@page.get("/<int:campaign_id>/review/domain")
def review_domain(campaign_id: int) -> str:
    """What the DNS says about the sender's domain, as a fragment of its own: the DNS may be slow."""
    campaign = get_campaign(campaign_id)
    return render_template("campaigns/checks.html", checks=check_sender_domain(), campaign=campaign)


@page.post("/<int:campaign_id>/launch")
def launch(campaign_id: int) -> ResponseReturnValue:
    """Launches the campaign when nothing blocks; over 1,000 people, their number is typed."""
    campaign = get_campaign(campaign_id)
    if campaign.state != "draft":
        return redirect(url_for("campaign_results.index", campaign_id=campaign_id), 303)
    preflight = check_campaign(campaign)
    if not preflight.is_ready or preflight.count is None:
        first = (preflight.blockers or preflight.checks)[0]
        return _show_review(campaign, {"form": f"Not launched. {first.title}."}, preflight), 422
    people = preflight.count.will_receive
    if people > TYPED_FROM and _typed_number() != people:
        error = f"Type {people:,} to confirm that this goes to so many people."
        return _show_review(campaign, {"confirmed": error}, preflight), 422
    try:
        launch_campaign(campaign_id, current_user.id)
    except Conflict as error:
        return _show_review(get_campaign(campaign_id), {"form": error.detail}), 409
    return redirect(url_for("campaign_results.index", campaign_id=campaign_id), 303)


@page.get("/<int:campaign_id>/preview")
def preview(campaign_id: int) -> Response:
    """The message as one person would see it, for an isolated frame: no script, no origin, no form."""
    campaign = get_campaign(campaign_id)
    seen = render_campaign(content_of(campaign), get_mail_brand(), is_tracked=False).preview()
    pictures = f"{current_settings().lux_public_url}{PUBLIC_PATH}"
    headers = isolating_headers(has_images=request.args.get("images") == "1", own_pictures=pictures)
    return Response(seen.html, headers=headers)


@page.get("/<int:campaign_id>/preview/text")
def preview_text(campaign_id: int) -> Response:
    """The text part, for an isolated frame."""
    campaign = get_campaign(campaign_id)
    seen = render_campaign(content_of(campaign), get_mail_brand(), is_tracked=False).preview()
    return Response(render_template("campaigns/preview_text.html", text=seen.text), headers=isolating_headers())


@page.post("/<int:campaign_id>/test")
def test(campaign_id: int) -> ResponseReturnValue:
    """Sends the draft as it is saved now to one address."""
    address, back = request.form.get("address", ""), request.form.get("back", "")
    view = back if back in ("content", "review") else "content"
    campaign_id = get_campaign(campaign_id).id
    try:
        outcome = send_test(campaign_id, address, by_user_id=current_user.id)
    except (InputInvalid, Conflict, Unavailable) as error:
        flash(f"The test was not sent. {error.detail}", "danger")
    else:
        if outcome.state == "sent":
            note_step("test", "done")
            place = "It lies in the test outbox." if _is_test_outbox() else ""
            flash(f"The test is on its way to {address}. {place}", "success")
        else:
            flash(f"The mail server did not take the test: {outcome.code or ''} {outcome.text}", "danger")
    return redirect(url_for(f"campaign_wizard.{view}", campaign_id=campaign_id), 303)


def _is_test_outbox() -> bool:
    return channels.email.CHANNEL.is_test_outbox(current_settings())


def _save_content(campaign_id: int, content: dict[str, Any], *, is_autosave: bool) -> Campaign:
    return change_content(
        campaign_id,
        content,
        made_by=current_user.name,
        based_on=request.form.get("based_on") or None,
        is_autosave=is_autosave,
    )


def _onward(campaign_id: int, step: str) -> Response:
    """On to the next step, or to the one that the person chose with "then"."""
    then = request.form.get("then", "")
    if then.startswith("choose:"):
        path = then.removeprefix("choose:")
        answer = redirect(url_for("library.choose", campaign_id=campaign_id, block=path), 303)
        assert isinstance(answer, Response)  # noqa: S101 - Flask's redirect gives its own Response
        return answer
    view = then if then in dict(STEPS) else step
    answer = redirect(url_for(f"campaign_wizard.{view}", campaign_id=campaign_id), 303)
    assert isinstance(answer, Response)  # noqa: S101 - Flask's redirect gives its own Response
    return answer


def _show(step: str, campaign: Campaign, /, **more: Any) -> str:
    values = {"errors": {}, "campaign": campaign, "may_change": has_role("marketer") and campaign.state == "draft"}
    return render_template(f"campaigns/{step}.html", steps=list_steps(campaign, step), **(values | more))


def list_steps(campaign: Campaign, current: str) -> list[tuple[str, str, str]]:
    """The steps for ui.stepper: label, address, state."""
    said = content_of(campaign)
    done = {
        "goal": bool(campaign.goal),
        "audience": campaign.segment_id is not None,
        "content": bool(said.subject and said.blocks),
        "schedule": campaign.timezone is not None,
        "review": campaign.state != "draft",
    }
    steps = []
    for key, label in STEPS:
        state = "current" if key == current else "done" if done[key] else "todo"
        steps.append((label, url_for(f"campaign_wizard.{key}", campaign_id=campaign.id), state))
    return steps


def _show_audience(campaign: Campaign, segment_id: int | None, errors: dict[str, str]) -> str:
    counted = count_audience(segment_id) if segment_id else None
    segments = [(segment.id, segment.name) for segment in list_segments()]
    return _show("audience", campaign, segments=segments, chosen=segment_id, counted=counted, errors=errors)


def _show_content(campaign: Campaign, content: dict[str, Any], errors: dict[str, str] | None = None) -> str:
    brand = get_mail_brand()
    return _show(
        "content",
        campaign,
        content=content,
        errors=errors or {},
        based_on=mark_of(campaign.content),
        block_names=list(NEW_BLOCKS),
        merge_options=[(name, f"{name}: {meaning}") for name, meaning in VALUES.items()],
        sample_name=SAMPLE_VALUES["name"],
        is_test_outbox=_is_test_outbox(),
        brand=brand,
    )


def _show_blocks(campaign: Campaign, edited: Edited) -> Response:
    body = render_template(
        "campaigns/blocks.html",
        campaign=campaign,
        content=edited.content,
        errors={},
        based_on=mark_of(campaign.content),
        block_names=list(NEW_BLOCKS),
        may_change=True,
        focus=_anchor(edited.focus),
        said=edited.said,
    )
    return Response(body, mimetype="text/html")


def _anchor(path: str) -> str:
    return "block-" + path.replace(".", "-")


def _show_schedule(campaign: Campaign, values: Any, errors: dict[str, str]) -> str:
    zone = ZoneInfo(current_settings().timezone)
    today = datetime.now(zone).date().isoformat()
    return _show("schedule", campaign, values=values, errors=errors, zones=USUAL_ZONES, today=today)


def _schedule_values(campaign: Campaign) -> dict[str, str]:
    zone_name = campaign.timezone or current_settings().timezone
    local = campaign.scheduled_at.astimezone(ZoneInfo(zone_name)) if campaign.scheduled_at else None
    return {
        "when": "at" if local else "now",
        "date": f"{local:%Y-%m-%d}" if local else "",
        "time": f"{local:%H:%M}" if local else "",
        "timezone": zone_name,
    }


def _show_review(campaign: Campaign, errors: dict[str, str], preflight: Preflight | None = None) -> str:
    return _show("review", campaign, **_review_values(campaign, errors, preflight))


def _review_values(campaign: Campaign, errors: dict[str, str], preflight: Preflight | None = None) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "preflight": preflight or check_campaign(campaign),
        "content": content_of(campaign),
        "brand": get_mail_brand(),
        "errors": errors,
        "typed_from": TYPED_FROM,
        "zone": campaign.timezone or current_settings().timezone,
        "is_test_outbox": _is_test_outbox(),
        "may_change": has_role("marketer") and campaign.state == "draft",
    }


def _typed_number() -> int | None:
    """The number as people write it: 12,480 or 12 480 or 12.480."""
    typed = re.sub(r"[\s.,'’]", "", request.form.get("confirmed", ""))
    return int(typed) if typed.isdecimal() and len(typed) < 12 else None


def _clock() -> str:
    return f"{datetime.now(ZoneInfo(current_settings().timezone)):%H:%M}"
