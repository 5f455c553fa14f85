"""The calendar: month, week and list of all that goes out, the Move form behind every drag, and the team's dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role
from campaigns.drafting import get_campaign
from campaigns.launching import move_campaign
from config import current_settings
from errors import Conflict, InputInvalid, NotFound
from lib.clean_text import one_line
from lib.local_times import LocalTimeInvalid, read_local_time
from lib.networks import NETWORKS
from planning.tasks import TaskDraft, change_task, get_task
from publishing.articles import get_article, move_article
from publishing.calendar import (
    KINDS,
    Item,
    Span,
    house_zone,
    list_items,
    list_span,
    list_unplanned,
    month_span,
    today,
    week_span,
)
from publishing.entries import add_entry, archive_entry, change_entry, get_entry, move_entry
from publishing.overview import count_due_by_hand
from publishing.posts import get_post, move_post

page = Blueprint("calendar", __name__)

VIEWS = {"month": ("Month", month_span), "week": ("Week", week_span), "list": ("List", list_span)}
# As many as a day of the month shows; the others are a click away.
MOST_IN_A_DAY = 4
USUAL_HOUR = "10:00"
STATE_WORDS = {
    "draft": ("neutral", "Draft"),
    "planned": ("info", "Planned"),
    "due": ("waiting", "Post it now"),
    "publishing": ("running", "On its way"),
    "published": ("success", "Published"),
    "failed": ("danger", "Failed"),
    "cancelled": ("neutral", "Cancelled"),
    "scheduled": ("info", "Scheduled"),
    "sending": ("running", "Sending"),
    "paused": ("paused", "Paused"),
    "finished": ("success", "Sent"),
    "open": ("neutral", "To do"),
    "overdue": ("waiting", "Overdue"),
    "done": ("success", "Done"),
    "date": ("neutral", "Date"),
    "archived": ("neutral", "Archived"),
}
ICONS = {"campaign": "mail", "post": "share-2", "article": "file-text", "task": "list-checks", "entry": "flag"}


@page.app_template_global()
def publishing_state(state: str) -> tuple[str, str]:
    """Kind and word of a state of anything on the calendar, for ui.status."""
    return STATE_WORDS.get(state, ("neutral", state))


@page.app_template_global()
def house_time(at: datetime | None) -> str:
    """A moment as the team's own clock has it."""
    if at is None:
        return "–"
    local = at.astimezone(house_zone())
    return f"{local.day} {local:%b %Y, %H:%M}"


@page.app_template_global()
def house_day(day: date | None) -> str:
    """A day as the team reads it, an ellipsis where it is open."""
    return f"{day.day} {day:%b %Y}" if day is not None else "…"


@page.app_template_global()
def calendar_icon(kind: str) -> str:
    """The icon of a kind of thing."""
    return ICONS[kind]


@page.app_template_global()
def item_address(item: Item) -> str:
    """Where a thing on the calendar is read and changed."""
    if item.kind == "post":
        return url_for("posts.show", post_id=item.id)
    if item.kind == "article":
        return url_for("articles.show", article_id=item.id)
    if item.kind == "campaign":
        return url_for("campaigns.show", campaign_id=item.id)
    if item.kind == "task":
        return url_for("tasks.edit", task_id=item.id)
    return url_for("calendar.edit_entry", entry_id=item.id)


@page.get("/")
def index() -> str:
    """The days of a month, of a week or of four weeks, with what is on them."""
    view = request.args.get("view", "month")
    view = view if view in VIEWS else "month"
    on = _read_day(request.args.get("on")) or today()
    kinds = [kind for kind in KINDS if kind in request.args.getlist("kind")]
    span = VIEWS[view][1](on)
    days = list_items(span, kinds or list(KINDS))
    unplanned = list_unplanned(kinds or list(KINDS))
    return render_template(
        "calendar/index.html",
        view=view,
        on=on,
        span=span,
        days=days,
        title=_title(view, on, span),
        kinds=kinds,
        links=_links(view, on, span, kinds),
        unplanned=unplanned,
        total=sum(map(len, days.values())),
        due_count=count_due_by_hand(),
        today=today(),
        most=MOST_IN_A_DAY if view == "month" else 1000,
        zone=current_settings().timezone,
        may_change=has_role("marketer"),
        here=request.full_path.rstrip("?"),
    )


@page.get("/move/<kind>/<int:item_id>")
def move(kind: str, item_id: int) -> str:
    """The form that gives a thing another day and hour: what a drag does, by keyboard and without JavaScript."""
    title, at = _find(kind, item_id)
    values = {"date": f"{at:%Y-%m-%d}" if at else today().isoformat(), "time": f"{at:%H:%M}" if at else USUAL_HOUR}
    return _show_move(kind, item_id, title, values, {})


@page.post("/move/<kind>/<int:item_id>")
def save_move(kind: str, item_id: int) -> ResponseReturnValue:
    """Moves a thing; without an hour it keeps the one that it has."""
    title, at = _find(kind, item_id)
    form = request.form
    clock = form.get("time") or (f"{at:%H:%M}" if at else USUAL_HOUR)
    try:
        chosen = read_local_time(form.get("date", ""), clock, current_settings().timezone)
        _move(kind, item_id, chosen.at)
    except LocalTimeInvalid as error:
        return _show_move(kind, item_id, title, form, {error.field: str(error)}), 422
    except InputInvalid as error:
        return _show_move(kind, item_id, title, form, error.fields), 422
    except Conflict as error:
        return _show_move(kind, item_id, title, form, {"date": error.detail}), 409
    local = chosen.at.astimezone(house_zone())
    hour = f", {local:%H:%M}" if kind not in ("task", "entry") else ""
    flash(f"“{title}” is on {local:%A}, {local.day} {local:%B}{hour}. {chosen.note}".strip(), "success")
    return redirect(_back(), 303)


@page.route("/dates/new", methods=["GET", "POST"])
def new_entry() -> ResponseReturnValue:
    """A new date that the team keeps in mind."""
    if request.method == "GET":
        day = _read_day(request.args.get("on")) or today()
        return _show_entry(None, {"starts_on": day.isoformat(), "ends_on": ""}, {})
    try:
        title, starts_on, ends_on, detail = _read_entry()
        add_entry(
            title,
            starts_on=starts_on,
            ends_on=ends_on,
            detail=detail,
            made_by=current_user.name,
            user_id=current_user.id,
        )
    except InputInvalid as error:
        return _show_entry(None, request.form, error.fields), 422
    flash("The date is on the calendar.", "success")
    return redirect(url_for("calendar.index", on=starts_on.isoformat()), 303)


@page.route("/dates/<int:entry_id>", methods=["GET", "POST"])
def edit_entry(entry_id: int) -> ResponseReturnValue:
    """One date, and its change."""
    entry = get_entry(entry_id)
    if request.method == "GET":
        ends_on = entry.ends_on.isoformat() if entry.ends_on != entry.starts_on else ""
        values = {
            "title": entry.title,
            "detail": entry.detail,
            "starts_on": entry.starts_on.isoformat(),
            "ends_on": ends_on,
        }
        return _show_entry(entry_id, values, {})
    try:
        title, starts_on, ends, detail = _read_entry()
        change_entry(entry_id, title, starts_on=starts_on, ends_on=ends, detail=detail)
    except InputInvalid as error:
        return _show_entry(entry_id, request.form, error.fields), 422
    flash("Saved.", "success")
    return redirect(url_for("calendar.index", on=starts_on.isoformat()), 303)


@page.post("/dates/<int:entry_id>/remove")
def remove_entry(entry_id: int) -> ResponseReturnValue:
    """Takes a date off the calendar."""
    entry = archive_entry(entry_id, user_id=current_user.id)
    flash(f"“{entry.title}” is off the calendar.", "success")
    return redirect(url_for("calendar.index", on=entry.starts_on.isoformat()), 303)


def read_hour() -> datetime:
    """The date and time of a form in the house's zone. Raises InputInvalid."""
    form = request.form
    try:
        chosen = read_local_time(form.get("date", ""), form.get("time", ""), current_settings().timezone)
    except LocalTimeInvalid as error:
        raise InputInvalid({error.field: str(error)}) from error
    if chosen.note:
        flash(chosen.note, "info")
    return chosen.at


def show_hour(at: datetime | None) -> dict[str, str]:
    """A moment as the values of a form's date and time."""
    local = at.astimezone(house_zone()) if at else None
    return {"date": f"{local:%Y-%m-%d}" if local else "", "time": f"{local:%H:%M}" if local else ""}


def _find(kind: str, item_id: int) -> tuple[str, datetime | None]:
    """What a thing is called, and when it is. Raises NotFound."""
    zone = house_zone()
    if kind == "post":
        post = get_post(item_id)
        label = next((one.label for one in NETWORKS if one.key == post.network), post.network)
        return f"{label} post", post.planned_at.astimezone(zone) if post.planned_at else None
    if kind == "article":
        article = get_article(item_id)
        return article.title, article.planned_at.astimezone(zone) if article.planned_at else None
    if kind == "campaign":
        campaign = get_campaign(item_id)
        at = campaign.launch_at or campaign.scheduled_at
        return campaign.name, at.astimezone(zone) if at else None
    if kind == "task":
        task = get_task(item_id)
        return task.title, datetime.combine(task.due_on, time(), zone) if task.due_on else None
    if kind == "entry":
        entry = get_entry(item_id)
        return entry.title, datetime.combine(entry.starts_on, time(), zone)
    raise NotFound("There is no such thing on the calendar.")


def _move(kind: str, item_id: int, at: datetime) -> None:
    day = at.astimezone(house_zone()).date()
    if kind == "post":
        move_post(item_id, at, user_id=current_user.id)
    elif kind == "article":
        move_article(item_id, at, user_id=current_user.id)
    elif kind == "campaign":
        move_campaign(item_id, at.astimezone(UTC), current_user.id, timezone=current_settings().timezone)
    elif kind == "task":
        _move_task(item_id, day)
    else:
        move_entry(item_id, day)


def _move_task(task_id: int, day: date) -> None:
    task = get_task(task_id)
    if task.state != "open":
        raise Conflict("This task is closed already.")
    change_task(task_id, TaskDraft(title=task.title, detail=task.detail, due_on=day, assignee_id=task.assignee_id))


def _show_move(kind: str, item_id: int, title: str, values: Mapping[str, str], errors: dict[str, str]) -> str:
    has_hour = kind not in ("task", "entry")
    return render_template(
        "calendar/move.html",
        kind=kind,
        item_id=item_id,
        title=title,
        values=values,
        errors=errors,
        has_hour=has_hour,
        zone=current_settings().timezone,
        back=_back(),
    )


def _show_entry(entry_id: int | None, values: Mapping[str, str], errors: dict[str, str]) -> str:
    may_change = has_role("marketer")
    return render_template(
        "calendar/entry.html", entry_id=entry_id, values=values, errors=errors, may_change=may_change
    )


def _read_entry() -> tuple[str, date, date | None, str]:
    form = request.form
    starts_on = _read_day(form.get("starts_on"))
    ends_on = _read_day(form.get("ends_on"))
    fields = {} if starts_on else {"starts_on": "Choose a date."}
    if form.get("ends_on") and ends_on is None:
        fields["ends_on"] = "Choose a date, or leave it empty."
    if fields or starts_on is None:
        raise InputInvalid(fields)
    return form.get("title", ""), starts_on, ends_on, form.get("detail", "")


def _read_day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(one_line(text or "")[:10])
    except ValueError:
        return None
    return day if 2000 < day.year < 2100 else None


def _back() -> str:
    """The view of the calendar that one came from; nothing else."""
    back = request.values.get("back", "")
    home = url_for("calendar.index")
    # As it is written: three slashes, or one behind a tab, would lead a browser to another host.
    is_own = back.partition("?")[0] == home and back.isprintable()
    return back if is_own else home


def _title(view: str, on: date, span: Span) -> str:
    if view == "month":
        return f"{on:%B %Y}"
    first, last = span.first, span.last
    return f"{first.day} {first:%B} – {last.day} {last:%B %Y}"


def _links(view: str, on: date, span: Span, kinds: list[str]) -> dict[str, object]:
    """The addresses of the other views, of the days before and after, and of each filter switched."""

    def to(**changes: object) -> str:
        values = {"view": view, "on": on.isoformat(), "kind": kinds} | changes
        return url_for("calendar.index", **{name: value for name, value in values.items() if value})  # type: ignore[arg-type]  # url_for takes any

    switched = {kind: to(kind=[one for one in KINDS if (one in kinds) != (one == kind)]) for kind in KINDS}
    return {
        "views": [(label, to(view=key), key == view) for key, (label, _) in VIEWS.items()],
        "before": to(on=span.before.isoformat()),
        "after": to(on=span.after.isoformat()),
        "today": to(on=None),
        "kinds": [(kind, label, switched[kind], kind in kinds) for kind, label in KINDS.items()],
        "all": to(kind=None),
    }
