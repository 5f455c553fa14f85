"""Tasks: what people have to do, whose it is and until when; added, edited, done, and taken back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role
from audience.contacts import find_contact
from errors import InputInvalid
from lib.clean_text import one_line
from lib.row_ids import read_id
from models import PersonTask
from planning.tasks import (
    WHENS,
    TaskDraft,
    TaskFilter,
    add_task,
    change_task,
    close_task,
    count_due_tasks,
    count_tasks,
    get_task,
    list_assignees,
    list_tasks,
    reopen_task,
    today,
)

page = Blueprint("tasks", __name__)

VIEWS = ("mine", "all", "done")
WHEN_WORDS = {
    "late": "Late",
    "today": "Due today",
    "week": "Due in the next 7 days",
    "later": "Due later",
    "never": "Without a day",
}
STATES = {"open": ("neutral", "Open"), "done": ("success", "Done"), "dropped": ("paused", "Dropped")}


def count_my_due_tasks() -> int:
    """The number in the menu: what is due for whoever looks."""
    return count_due_tasks(current_user.id) if current_user.is_authenticated else 0


@page.app_template_global()
def due_words(task: PersonTask) -> tuple[str, str]:
    """Kind and words of a task's day, for ui.status."""
    if task.due_on is None:
        return "neutral", "Some day"
    days = (task.due_on - today()).days
    told = _day(task.due_on)
    if task.state != "open" or days > 1:
        return "neutral", told
    if days < 0:
        return "danger", f"Late, {told}"
    return ("waiting", "Today") if days == 0 else ("info", "Tomorrow")


@page.get("/")
def index() -> str:
    """What is to be done: mine, everybody's, or what was done; by words and by when."""
    view = request.args.get("view", "all" if not has_role("marketer") else "mine")
    view = view if view in VIEWS else "mine"
    when = request.args.get("when", "")
    wanted = TaskFilter(
        state="done" if view == "done" else "open",
        assignee_id=current_user.id if view == "mine" else read_id(request.args.get("who")),
        with_free=view == "mine",
        when=when if when in WHENS and view != "done" else "",
        q=one_line(request.args.get("q", ""))[:200],
    )
    tasks, after = list_tasks(wanted, after=read_id(request.args.get("after")))
    kept = {
        "view": view,
        "when": wanted.when,
        "q": wanted.q,
        "who": request.args.get("who", "") if view != "mine" else "",
    }
    arguments: dict[str, Any] = {name: value for name, value in kept.items() if value}
    return render_template(
        "tasks/index.html",
        view=view,
        wanted=wanted,
        tasks=tasks,
        count=count_tasks(wanted),
        mine_count=count_tasks(TaskFilter(assignee_id=current_user.id, with_free=True)),
        all_count=count_tasks(TaskFilter()),
        when_choices=[("", "Due at any time"), *WHEN_WORDS.items()],
        who=kept["who"],
        who_choices=[("", "Anybody's"), *[(str(one.id), one.name) for one in list_assignees()]],
        chips=_chips(arguments),
        states=STATES,
        next_url=url_for("tasks.index", **arguments, after=after) if after else None,
        clear_url=url_for("tasks.index", view=view),
        is_filtered=bool(wanted.q or wanted.when or kept["who"]),
    )


@page.route("/new", methods=["GET", "POST"])
def add() -> ResponseReturnValue:
    """The form for one task; a contact's page leads here with the contact."""
    contact = find_contact(read_id(request.values.get("contact_id")) or 0)
    if request.method == "GET":
        values = {"assignee_id": str(current_user.id), "due_on": ""}
        return _form("tasks/new.html", values, {}, contact=contact)
    try:
        task = add_task(_draft(request.form, contact_id=contact.id if contact else None), made_by=_actor())
    except InputInvalid as error:
        return _form("tasks/new.html", request.form, error.fields, contact=contact), 422
    flash(f"“{task.title}” is added.", "success")
    if contact is not None:
        return redirect(url_for("contact.show", contact_id=contact.id), 303)
    return redirect(url_for("tasks.index", view="mine" if task.assignee_id == current_user.id else "all"), 303)


@page.route("/<int:task_id>", methods=["GET", "POST"])
def edit(task_id: int) -> ResponseReturnValue:
    """One task: what, until when, whose; what was typed stays when something is wrong."""
    task = get_task(task_id)
    if request.method == "GET":
        values = {
            "title": task.title,
            "detail": task.detail,
            "due_on": task.due_on.isoformat() if task.due_on else "",
            "assignee_id": str(task.assignee_id or ""),
        }
        return _form("tasks/edit.html", values, {}, task=task)
    try:
        change_task(task_id, _draft(request.form))
    except InputInvalid as error:
        return _form("tasks/edit.html", request.form, error.fields, task=get_task(task_id)), 422
    flash("Saved.", "success")
    return redirect(url_for("tasks.index"), 303)


@page.post("/<int:task_id>/state")
def change_state(task_id: int) -> ResponseReturnValue:
    """Done, dropped, or open again."""
    wanted = request.form.get("to", "")
    if wanted == "open":
        task = reopen_task(task_id)
        flash(f"“{task.title}” is open again.", "success")
    elif wanted in ("done", "dropped"):
        task = close_task(task_id, wanted, user_id=current_user.id)
        flash(f"“{task.title}” is {'done' if wanted == 'done' else 'dropped'}. Undo it under Done.", "success")
    back = request.form.get("back", "")
    is_own = back.startswith(("/tasks", "/contacts/")) and back.isprintable() and "\\" not in back
    return redirect(back if is_own else url_for("tasks.index"), 303)


def _form(template: str, values: Mapping[str, Any], errors: Mapping[str, str], **more: Any) -> str:
    people = [("", "Nobody yet"), *[(str(one.id), one.name) for one in list_assignees()]]
    return render_template(template, values=values, errors=errors, people=people, states=STATES, **more)


def _draft(form: Mapping[str, str], *, contact_id: int | None = None) -> TaskDraft:
    given = form.get("due_on", "").strip()
    try:
        due_on = date.fromisoformat(given) if given else None
    except ValueError:
        raise InputInvalid({"due_on": "Enter a day, such as 2026-05-01."}) from None
    return TaskDraft(
        title=form.get("title", ""),
        detail=form.get("detail", ""),
        due_on=due_on,
        assignee_id=read_id(form.get("assignee_id")),
        contact_id=contact_id,
    )


def _chips(arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    people = {str(one.id): one.name for one in list_assignees()}
    words = {
        "q": f"“{arguments.get('q', '')}”",
        "when": WHEN_WORDS.get(arguments.get("when", ""), ""),
        "who": people.get(arguments.get("who", ""), "Somebody"),
    }
    return [
        (word, url_for("tasks.index", **{key: value for key, value in arguments.items() if key != name}))
        for name, word in words.items()
        if name in arguments
    ]


def _day(day: date) -> str:
    year = "" if day.year == today().year else f" {day.year}"
    return f"{day.day} {day:%b}{year}"


def _actor() -> str:
    name: str = current_user.name or current_user.email
    return name
