"""Posts: the list, the editor with its checks, planning, publishing by webhook or by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role
from config import current_settings
from creative.assets import asset_url, find_asset
from errors import Conflict, InputInvalid, LuxError
from lib.clean_text import one_line
from lib.measured_texts import tell_measures
from lib.networks import NETWORKS, get_network
from lib.post_texts import read_tags
from lib.row_ids import read_id, read_ids
from models import POST_STATES, Asset, OutgoingWebhook, Post
from pages.calendar import STATE_WORDS, USUAL_HOUR, read_hour, show_hour
from publishing.deliveries import list_attempts, list_deliveries, publish_now, stop_publishing
from publishing.overview import count_posts, list_posts
from publishing.post_checks import PostText, check_post, measure_post
from publishing.posts import (
    KEYS,
    OPEN_STATES,
    PostDraft,
    add_post,
    archive_post,
    cancel_post,
    change_post,
    copy_post,
    full_link,
    get_post,
    mark_of,
    mark_posted,
    move_post,
    plan_post,
    text_of,
    unplan_post,
)
from publishing.webhooks import find_way, list_webhooks

page = Blueprint("posts", __name__)

NETWORK_OPTIONS = [(one.key, one.label) for one in NETWORKS]
LIMITS = " · ".join(f"{one.label} {one.longest:,}" for one in NETWORKS)
BY_HAND = "You copy it and mark it as posted."
SAID = {
    "now": "On its way to its webhook.",
    "stop": "Stopped. Nothing more is sent of it.",
    "cancel": "Cancelled. It stays here, and is not published.",
    "draft": "It is a draft again.",
    "archive": "Archived.",
    "plan": "Planned.",
}


@page.app_template_global()
def network_label(key: str) -> str:
    """A network's name."""
    return get_network(key).label if key in KEYS else key


@page.get("/")
def index() -> str:
    """The list with its filters in the address."""
    q, state, network = (one_line(request.args.get(name, ""))[:200] for name in ("q", "state", "network"))
    state, network = state if state in STATE_WORDS else "", network if network in KEYS else ""
    older, newer = read_id(request.args.get("older")), read_id(request.args.get("newer"))
    listed = list_posts(q=q, state=state, network=network, older_than=older, newer_than=newer)
    return render_template(
        "posts/index.html",
        listed=listed,
        counts=count_posts(),
        q=q,
        state=state,
        network=network,
        states=[("", "Any state"), *((key, STATE_WORDS[key][1]) for key in (*POST_STATES, "archived"))],
        networks=[("", "Any network"), *NETWORK_OPTIONS],
        may_change=has_role("marketer"),
    )


@page.post("/several")
def change_several() -> ResponseReturnValue:
    """Plans the chosen drafts for the hours that they have in mind, cancels them or archives them."""
    ids, action = read_ids(request.form.getlist("post_id")), request.form.get("action", "")
    done, complaints = 0, []
    for post_id in ids[:200]:
        try:
            _act(post_id, action)
            done += 1
        except LuxError as error:
            complaints.append(f"{network_label(get_post(post_id).network)}: {error.detail}")
    words = {"plan": "planned", "cancel": "cancelled", "archive": "archived"}.get(action, "changed")
    if done:
        flash(f"{done} {'post' if done == 1 else 'posts'} {words}.", "success")
    if complaints:
        more = f" And {len(complaints) - 3} more." if len(complaints) > 3 else ""
        flash(f"Not all of them. {' '.join(complaints[:3])}{more}", "warn")
    return redirect(url_for("posts.index", state=request.form.get("state") or None), 303)


@page.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """A new post."""
    if request.method == "GET":
        network = request.args.get("network", "")
        network = network if network in KEYS else KEYS[0]
        way = find_way(network)
        day = one_line(request.args.get("on", ""))[:10]
        return _show_new({"network": network, "webhook_id": way.id if way else "", "date": day, "time": ""}, {})
    try:
        post = add_post(_read_draft(), made_by=current_user.name, user_id=current_user.id)
    except InputInvalid as error:
        return _show_new(_typed(), error.fields), 422
    return _go_on(post.id)


@page.post("/check")
def check() -> str:
    """What the network says of a post as it is being typed, as a fragment."""
    values = _typed()
    return render_template("posts/checked.html", **_preview_of(values))


@page.get("/<int:post_id>")
def show(post_id: int) -> str:
    """One post: its words, checks and picture, when and how it goes out, what became of it."""
    post = get_post(post_id)
    return _show(post, _values_of(post), {})


@page.post("/<int:post_id>")
def save(post_id: int) -> ResponseReturnValue:
    """Saves the words, then does what the pressed button says."""
    try:
        change_post(post_id, _read_draft(), based_on=request.form.get("based_on") or None)
    except InputInvalid as error:
        return _show(get_post(post_id), _typed(), error.fields), 422
    except Conflict as error:
        return _show(get_post(post_id), _typed(), {"text": error.detail}), 409
    return _go_on(post_id)


@page.post("/<int:post_id>/posted")
def posted(post_id: int) -> ResponseReturnValue:
    """Somebody has posted it by hand."""
    try:
        mark_posted(post_id, url=request.form.get("url", ""), user_id=current_user.id)
    except InputInvalid as error:
        post = get_post(post_id)
        return _show(post, _values_of(post), error.fields), 422
    flash("Marked as posted.", "success")
    return redirect(url_for("posts.show", post_id=post_id), 303)


@page.post("/<int:post_id>/act")
def act(post_id: int) -> ResponseReturnValue:
    """Publishes now, stops, cancels, makes a draft again, or archives."""
    action, post_id = request.form.get("action", ""), get_post(post_id).id
    try:
        _act(post_id, action)
    except (Conflict, InputInvalid) as error:
        flash(error.detail, "danger")
    else:
        flash(SAID.get(action, "Done."), "success")
    if action == "archive":
        return redirect(url_for("posts.index"), 303)
    return redirect(url_for("posts.show", post_id=post_id), 303)


@page.post("/<int:post_id>/copy")
def copy(post_id: int) -> ResponseReturnValue:
    """A new draft of the same words, for this network or another one."""
    network = request.form.get("network", "")
    made = copy_post(
        post_id,
        made_by=current_user.name,
        user_id=current_user.id,
        network=network if network in KEYS else None,
    )
    flash(f"This is the copy, for {network_label(made.network)}.", "success")
    return redirect(url_for("posts.show", post_id=made.id), 303)


@page.get("/<int:post_id>/deliveries")
def deliveries(post_id: int) -> str:
    """What the receiver was sent and said, as a fragment that asks again while something is on its way."""
    post = get_post(post_id)
    return render_template("posts/deliveries.html", post=post, **_deliveries_of(post))


def _act(post_id: int, action: str) -> None:
    user_id = int(current_user.id)
    if action == "now":
        publish_now(post_id, user_id=user_id)
    elif action == "stop":
        stop_publishing(post_id, user_id=user_id)
    elif action == "cancel":
        cancel_post(post_id, user_id=user_id)
    elif action == "draft":
        unplan_post(post_id, user_id=user_id)
    elif action == "archive":
        archive_post(post_id, user_id=user_id)
    elif action == "plan":
        at = get_post(post_id).planned_at
        if at is None:
            raise Conflict("it has no hour yet. Open it and choose one.")
        plan_post(post_id, at, user_id=user_id)
    else:
        raise Conflict("LUX does not know what to do.")


def _go_on(post_id: int) -> ResponseReturnValue:
    """After a save: plans, publishes, or stays."""
    then = request.form.get("then", "save")
    if then == "choose":
        return redirect(url_for("library.choose_for_post", post_id=post_id), 303)
    has_hour = bool(request.form.get("date"))
    try:
        if then == "plan":
            post = plan_post(post_id, read_hour(), user_id=current_user.id)
            way = post.webhook.name if post.webhook else "you, by hand"
            flash(f"Planned. It is published by {way}.", "success")
        elif then == "now":
            publish_now(post_id, user_id=current_user.id)
            flash(SAID["now"], "success")
        else:
            if has_hour and get_post(post_id).state in ("draft", "planned"):
                _keep_hour(post_id)
            flash("The picture is taken away." if then == "no_picture" else "Saved.", "success")
    except InputInvalid as error:
        return _show(get_post(post_id), _typed(), error.fields), 422
    except Conflict as error:
        return _show(get_post(post_id), _typed(), {"webhook_id": error.detail}), 409
    return redirect(url_for("posts.show", post_id=post_id), 303)


def _keep_hour(post_id: int) -> None:
    post, at = get_post(post_id), read_hour()
    if post.planned_at != at:
        move_post(post_id, at, user_id=current_user.id)


def _read_draft() -> PostDraft:
    form = request.form
    has_picture = form.get("then") != "no_picture"
    return PostDraft(
        network=form.get("network", ""),
        text=form.get("text", ""),
        tags=read_tags(form.get("tags", "")),
        link=form.get("link", ""),
        utm_campaign=form.get("utm_campaign", ""),
        asset_id=read_id(form.get("asset_id")) if has_picture else None,
        alt=form.get("alt", "") if has_picture else "",
        webhook_id=read_id(form.get("webhook_id")),
    )


def _typed() -> dict[str, Any]:
    names = ("network", "text", "tags", "link", "utm_campaign", "asset_id", "alt", "webhook_id", "date", "time", "url")
    return {name: request.form.get(name, "") for name in names}


def _values_of(post: Post) -> dict[str, Any]:
    return {
        "network": post.network,
        "text": post.text,
        "tags": " ".join(post.tags),
        "link": post.link,
        "utm_campaign": post.utm_campaign,
        "asset_id": post.asset_id or "",
        "alt": post.alt,
        "webhook_id": post.webhook_id or "",
        "url": "",
        **show_hour(post.planned_at),
    }


def _preview_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The post as its network shows it, and what is to be said of it."""
    network = values["network"] if values["network"] in KEYS else KEYS[0]
    asset = find_asset(read_id(str(values["asset_id"])))
    draft = Post(
        network=network,
        text=str(values["text"]).replace("\r\n", "\n"),
        tags=read_tags(str(values["tags"])),
        link=one_line(str(values["link"])),
        utm_campaign=str(values.get("utm_campaign", "")),
        asset_id=asset.id if asset else None,
        alt=str(values["alt"]),
    )
    try:
        whole = text_of(draft)
    except ValueError:
        whole = PostText(network, draft.text, draft.tags, "", asset is not None, draft.alt)
    return {
        "whole": whole,
        "network": get_network(network),
        "checks": check_post(whole),
        "measured": (measured := measure_post(whole)),
        "said": tell_measures([measured]),
        "picture": _small_picture(asset) if asset else None,
    }


def _small_picture(asset: Asset) -> str:
    """A light one for the preview: of a drawn picture its SVG, of an uploaded one what the library's grid shows."""
    if asset.kind == "drawn":
        return asset_url(asset, is_svg=True)
    return url_for("library.thumbnail", asset_id=asset.id)


def _deliveries_of(post: Post) -> dict[str, Any]:
    rows = list_deliveries(post_id=post.id, most=5)
    return {"rows": rows, "attempts": list_attempts([row.id for row in rows]), "may_change": has_role("marketer")}


def _hint_of(webhook: OutgoingWebhook) -> str:
    if webhook.paused_at is not None:
        return "Paused."
    return f"Takes posts for {', '.join(map(network_label, webhook.networks))}." if webhook.networks else ""


def _is_due_by_hand(post: Post) -> bool:
    has_hour = post.planned_at is not None and post.planned_at <= datetime.now(UTC)
    return post.state == "planned" and post.webhook_id is None and has_hour


def _form_values(values: Mapping[str, Any], errors: Mapping[str, str]) -> dict[str, Any]:
    ways = [(one.id, one.name, _hint_of(one)) for one in list_webhooks()]
    return {
        "values": values,
        "errors": errors,
        "networks": NETWORK_OPTIONS,
        "limits": LIMITS,
        "chosen": find_asset(read_id(str(values.get("asset_id", "")))),
        "ways": [*((key, f"By {name}", hint) for key, name, hint in ways), ("", "By hand", BY_HAND)],
        "zone": current_settings().timezone,
        "usual_hour": USUAL_HOUR,
        "preview": _preview_of({"asset_id": "", "alt": "", "link": "", "text": "", "tags": "", **values}),
    }


def _show_new(values: Mapping[str, Any], errors: dict[str, str]) -> str:
    return render_template("posts/new.html", **_form_values(values, errors))


def _show(post: Post, values: Mapping[str, Any], errors: dict[str, str]) -> str:
    may_change = has_role("marketer")
    return render_template(
        "posts/show.html",
        post=post,
        link=full_link(post),
        whole=text_of(post).whole,
        based_on=mark_of(post),
        picture_address=asset_url(post.asset) if post.asset is not None else "",
        is_due=_is_due_by_hand(post),
        is_open=post.state in OPEN_STATES and post.archived_at is None,
        may_change=may_change,
        may_edit=may_change and post.state in OPEN_STATES and post.archived_at is None,
        **_form_values(values, errors),
        **{key: value for key, value in _deliveries_of(post).items() if key != "may_change"},
    )
