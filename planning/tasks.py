"""Tasks of people: something to do, until a day, for somebody, by hand or from an agent's run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_
from sqlalchemy.orm import selectinload

from config import current_settings
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from lib.clean_text import clean_text, one_line
from models import PERSON_TASK_STATES, Campaign, Contact, PersonTask, User

LONGEST_TITLE = 160
LONGEST_DETAIL = 4_000
LATEST = date(2100, 1, 1)
PAGE_SIZE = 50
WHENS = ("late", "today", "week", "later", "never")


@dataclass(frozen=True)
class TaskDraft:
    """A task that is to be added."""

    title: str
    detail: str = ""
    due_on: date | None = None
    assignee_id: int | None = None
    contact_id: int | None = None
    campaign_id: int | None = None
    run_id: int | None = None
    link: str = ""


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks are meant: whose, in which state, due when, with which words; `with_free`: nobody's as well."""

    state: str = "open"
    assignee_id: int | None = None
    with_free: bool = False
    when: str = ""
    q: str = ""


def today() -> date:
    """The day in the zone of the settings: what is due today is not late before midnight here."""
    return datetime.now(ZoneInfo(current_settings().timezone)).date()


def find_task(task_id: int) -> PersonTask | None:
    """The task of that id, or None."""
    return db.session.get(PersonTask, task_id)


def get_task(task_id: int) -> PersonTask:
    """The task of that id; raises NotFound."""
    task = find_task(task_id)
    if task is None:
        raise NotFound("There is no such task. It may have gone with the person whom it was about.")
    return task


def check_draft(draft: TaskDraft) -> TaskDraft:
    """The draft as it is kept. Raises InputInvalid naming the field."""
    title, detail, link = one_line(draft.title), clean_text(draft.detail).strip(), one_line(draft.link)
    wrong = {}
    if not title:
        wrong["title"] = "Say what is to be done."
    elif len(title) > LONGEST_TITLE:
        wrong["title"] = f"The title is longer than {LONGEST_TITLE} characters."
    if len(detail) > LONGEST_DETAIL:
        wrong["detail"] = f"This is longer than {LONGEST_DETAIL:,} characters."
    if draft.due_on is not None and not date(2000, 1, 1) <= draft.due_on < LATEST:
        wrong["due_on"] = "Choose a day of this century."
    if link and (not link.startswith("/") or link.startswith("//") or "\\" in link):
        wrong["link"] = "A task links to a page of LUX."
    for name, model, sentence in _LINKS:
        row_id = getattr(draft, name)
        if row_id is not None and db.session.get(model, row_id) is None:
            wrong[name] = sentence
    if wrong:
        raise InputInvalid(wrong)
    return TaskDraft(
        title, detail, draft.due_on, draft.assignee_id, draft.contact_id, draft.campaign_id, draft.run_id, link
    )


def put_tasks(drafts: Iterable[TaskDraft], *, made_by: str) -> list[PersonTask]:
    """Adds tasks in the caller's transaction; all or none. Raises InputInvalid."""
    checked = [check_draft(draft) for draft in drafts]
    tasks = [PersonTask(made_by=made_by, **vars(draft)) for draft in checked]
    db.session.add_all(tasks)
    db.session.flush()
    return tasks


def add_task(draft: TaskDraft, *, made_by: str) -> PersonTask:
    """Adds a task; commits. Raises InputInvalid naming the field."""
    (task,) = put_tasks([draft], made_by=made_by)
    db.session.commit()
    return task


def change_task(task_id: int, draft: TaskDraft) -> PersonTask:
    """Changes what is to be done, until when and by whom; commits. Raises NotFound, InputInvalid."""
    task = get_task(task_id)
    checked = check_draft(draft)
    for name in ("title", "detail", "due_on", "assignee_id"):
        setattr(task, name, getattr(checked, name))
    task.updated_at = datetime.now(UTC)
    db.session.commit()
    return task


def close_task(task_id: int, state: str, *, user_id: int | None) -> PersonTask:
    """Notes that a task is done or dropped; a second time changes nothing; commits. Raises NotFound."""
    task = _locked(task_id)
    if task.state != state and state in PERSON_TASK_STATES:
        task.state, task.closed_by_id = state, user_id
        task.closed_at = task.updated_at = datetime.now(UTC)
    db.session.commit()
    return task


def reopen_task(task_id: int) -> PersonTask:
    """Takes back that a task was done or dropped; commits. Raises NotFound."""
    task = _locked(task_id)
    if task.state != "open":
        task.state, task.closed_at, task.closed_by_id = "open", None, None
        task.updated_at = datetime.now(UTC)
    db.session.commit()
    return task


def withdraw_tasks(task_ids: Iterable[int]) -> int:
    """Takes tasks back that nobody has touched, in the caller's transaction; returns how many.

    Raises Conflict when somebody has worked on one of them: then all stay.
    """
    query = select(PersonTask).where(PersonTask.id.in_(list(task_ids))).order_by(PersonTask.id).with_for_update()
    tasks = db.session.scalars(query.execution_options(populate_existing=True)).all()
    touched = [task for task in tasks if task.state != "open" or task.updated_at != task.created_at]
    if touched:
        raise Conflict(f"Somebody has worked on “{touched[0].title}” since. Drop what is not wanted on the Tasks page.")
    for task in tasks:
        db.session.delete(task)
    db.session.flush()
    return len(tasks)


def list_tasks(
    wanted: TaskFilter, *, after: int | None = None, limit: int = PAGE_SIZE
) -> tuple[list[PersonTask], int | None]:
    """A page of tasks, and the id from which the next one goes on: open ones by day, closed ones the newest first."""
    query = (
        select(PersonTask)
        .options(selectinload(PersonTask.assignee), selectinload(PersonTask.contact), selectinload(PersonTask.campaign))
        .where(*_conditions(wanted))
        .limit(limit + 1)
    )
    anchor = find_task(after) if after is not None else None
    if wanted.state == "open":
        query = query.order_by(PersonTask.due_on, PersonTask.id)
        if anchor is not None:
            query = query.where(_is_after(anchor))
    else:
        query = query.order_by(PersonTask.closed_at.desc(), PersonTask.id.desc())
        if anchor is not None:
            query = query.where(tuple_(PersonTask.closed_at, PersonTask.id) < tuple_(anchor.closed_at, anchor.id))
    rows = list(db.session.scalars(query))
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None


def count_tasks(wanted: TaskFilter) -> int:
    """How many tasks are meant."""
    return db.session.scalar(select(func.count(PersonTask.id)).where(*_conditions(wanted))) or 0


def count_due_tasks(user_id: int) -> int:
    """How many tasks of a person, or of nobody, are due today or late: the number in the menu."""
    mine = or_(PersonTask.assignee_id == user_id, PersonTask.assignee_id.is_(None))
    is_due = and_(PersonTask.state == "open", PersonTask.due_on <= today(), mine)
    return db.session.scalar(select(func.count(PersonTask.id)).where(is_due)) or 0


def list_tasks_of_contact(contact_id: int, limit: int = 20) -> Sequence[PersonTask]:
    """What is to be done for a contact: open tasks by day, then those that were closed last."""
    query = (
        select(PersonTask)
        .options(selectinload(PersonTask.assignee))
        .where(PersonTask.contact_id == contact_id)
        .order_by(PersonTask.state != "open", PersonTask.due_on, PersonTask.id.desc())
        .limit(limit)
    )
    return db.session.scalars(query).all()


def list_tasks_between(first: date, last: date) -> Sequence[PersonTask]:
    """Open and done tasks that are due in a span of days, for the calendar."""
    query = select(PersonTask).where(PersonTask.due_on.between(first, last), PersonTask.state != "dropped")
    return db.session.scalars(query.order_by(PersonTask.due_on, PersonTask.id)).all()


def list_assignees() -> Sequence[User]:
    """The people who can be given a task."""
    query = select(User).where(User.state == "active", User.role.is_not(None)).order_by(func.lower(User.name), User.id)
    return db.session.scalars(query).all()


_LINKS: tuple[tuple[str, Any, str], ...] = (
    ("assignee_id", User, "This person is not there any more."),
    ("contact_id", Contact, "This contact is not there any more."),
    ("campaign_id", Campaign, "This campaign is not there any more."),
)


def _is_after(anchor: PersonTask) -> ColumnElement[bool]:
    """Open tasks that come later than one; those without a day come last, as PostgreSQL sorts them."""
    if anchor.due_on is None:
        return and_(PersonTask.due_on.is_(None), PersonTask.id > anchor.id)
    is_later: ColumnElement[bool] = tuple_(PersonTask.due_on, PersonTask.id) > tuple_(anchor.due_on, anchor.id)
    return or_(is_later, PersonTask.due_on.is_(None))


def _conditions(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    closed = PersonTask.state.in_(("done", "dropped"))
    found: list[ColumnElement[bool]] = [closed if wanted.state == "done" else PersonTask.state == "open"]
    if wanted.assignee_id is not None:
        is_theirs = PersonTask.assignee_id == wanted.assignee_id
        found.append(or_(is_theirs, PersonTask.assignee_id.is_(None)) if wanted.with_free else is_theirs)
    if wanted.when in WHENS and wanted.state == "open":
        now = today()
        found.append(
            {
                "late": PersonTask.due_on < now,
                "today": PersonTask.due_on == now,
                "week": PersonTask.due_on.between(now, date.fromordinal(now.toordinal() + 7)),
                "later": PersonTask.due_on > date.fromordinal(now.toordinal() + 7),
                "never": PersonTask.due_on.is_(None),
            }[wanted.when]
        )
    text = func.lower(PersonTask.title + " " + PersonTask.detail)
    return found + [text.contains(word, autoescape=True) for word in one_line(wanted.q).lower().split()[:8]]


def _locked(task_id: int) -> PersonTask:
    task = db.session.get(PersonTask, task_id, with_for_update=True, populate_existing=True)
    if task is None:
        raise NotFound("There is no such task. It may have gone with the person whom it was about.")
    return task
