"""Tasks of people: added, changed, done, taken back; listed by day, counted for the menu."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask

from audience.erasure import erase_contact
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import PersonTask
from planning.tasks import (
    TaskDraft,
    TaskFilter,
    add_task,
    change_task,
    close_task,
    count_due_tasks,
    count_tasks,
    find_task,
    get_task,
    list_assignees,
    list_tasks,
    list_tasks_between,
    list_tasks_of_contact,
    put_tasks,
    reopen_task,
    today,
    withdraw_tasks,
)
from tests.makers import make_campaign, make_contact, make_user


def add(title: str = "Call Ann", **values: object) -> PersonTask:
    return add_task(TaskDraft(title, **values), made_by="Ada")  # type: ignore[arg-type]  # a test's shorthand


def test_a_task_is_added_done_and_taken_back(app: Flask) -> None:
    owner, contact, campaign = make_user(), make_contact(), make_campaign()
    task = add(
        detail="Ask about\nthe order.", due_on=today(), assignee_id=owner.id, contact_id=contact.id,
        campaign_id=campaign.id, link="/contacts/",
    )  # fmt: skip
    assert (task.state, task.detail, task.made_by) == ("open", "Ask about\nthe order.", "Ada")
    done = close_task(task.id, "done", user_id=owner.id)
    assert (done.state, done.closed_by_id, done.closed_at is not None) == ("done", owner.id, True)
    at = done.closed_at
    assert close_task(task.id, "done", user_id=None).closed_at == at, "a second time changes nothing"
    again = reopen_task(task.id)
    assert (again.state, again.closed_at, again.closed_by_id) == ("open", None, None)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (TaskDraft("  "), "title"),
        (TaskDraft("x" * 161), "title"),
        (TaskDraft("Call", detail="x" * 4_001), "detail"),
        (TaskDraft("Call", due_on=date(1999, 12, 31)), "due_on"),
        (TaskDraft("Call", assignee_id=424242), "assignee_id"),
        (TaskDraft("Call", contact_id=424242), "contact_id"),
        (TaskDraft("Call", campaign_id=424242), "campaign_id"),
        (TaskDraft("Call", link="https://evil.example/"), "link"),
        (TaskDraft("Call", link="//evil.example/"), "link"),
        (TaskDraft("Call", link="/\\evil.example/"), "link"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(app: Flask, draft: TaskDraft, field: str) -> None:
    with pytest.raises(InputInvalid) as raised:
        put_tasks([TaskDraft("Fine"), draft], made_by="Ada")
    assert field in raised.value.fields
    assert count_tasks(TaskFilter()) == 0, "all or none"


def test_a_task_is_changed(app: Flask) -> None:
    owner = make_user()
    task = change_task(add().id, TaskDraft("Write to Ann", due_on=today(), assignee_id=owner.id))
    assert (task.title, task.due_on, task.assignee_id) == ("Write to Ann", today(), owner.id)
    with pytest.raises(NotFound):
        change_task(424242, TaskDraft("x"))


def test_open_tasks_come_by_day_and_those_without_one_last(app: Flask) -> None:
    days = [None, today() + timedelta(days=3), today() - timedelta(days=1), today(), None]
    tasks = [add(f"Task {number}", due_on=day) for number, day in enumerate(days)]
    seen: list[str] = []
    after = None
    while True:
        rows, after = list_tasks(TaskFilter(), after=after, limit=2)
        seen += [task.title for task in rows]
        if after is None:
            break
    assert seen == ["Task 2", "Task 3", "Task 1", "Task 0", "Task 4"]
    assert tasks[0].id


def test_filters_mean_what_they_say(app: Flask) -> None:
    owner = make_user()
    add("Late", due_on=today() - timedelta(days=2), assignee_id=owner.id)
    add("Now", due_on=today(), detail="about the ORDER")
    add("Soon", due_on=today() + timedelta(days=7))
    add("Later", due_on=today() + timedelta(days=8))
    add("Some day")
    closed = add("Closed")
    close_task(closed.id, "dropped", user_id=owner.id)
    titles = {
        when: [task.title for task in list_tasks(TaskFilter(when=when))[0]]
        for when in ("late", "today", "week", "later", "never")
    }
    assert titles == {
        "late": ["Late"],
        "today": ["Now"],
        "week": ["Now", "Soon"],
        "later": ["Later"],
        "never": ["Some day"],
    }
    assert [task.title for task in list_tasks(TaskFilter(assignee_id=owner.id))[0]] == ["Late"]
    assert [task.title for task in list_tasks(TaskFilter(q="order now"))[0]] == ["Now"]
    assert [task.title for task in list_tasks(TaskFilter(state="done"))[0]] == ["Closed"]
    assert count_tasks(TaskFilter()) == 5


def test_done_tasks_come_the_newest_first_page_by_page(app: Flask) -> None:
    ids = [add(f"Task {number}").id for number in range(3)]
    for task_id in ids:
        close_task(task_id, "done", user_id=None)
    first, after = list_tasks(TaskFilter(state="done"), limit=2)
    rest, end = list_tasks(TaskFilter(state="done"), after=after, limit=2)
    assert [task.id for task in (*first, *rest)] == ids[::-1]
    assert end is None


def test_the_menu_counts_what_is_due_for_me_or_for_nobody(app: Flask) -> None:
    me, other = make_user(), make_user()
    add(due_on=today(), assignee_id=me.id)
    add(due_on=today() - timedelta(days=9))
    add(due_on=today(), assignee_id=other.id)
    add(due_on=today() + timedelta(days=1), assignee_id=me.id)
    close_task(add(due_on=today(), assignee_id=me.id).id, "done", user_id=None)
    assert count_due_tasks(me.id) == 2
    assert count_tasks(TaskFilter(assignee_id=me.id, with_free=True)) == 3
    assert count_tasks(TaskFilter(assignee_id=me.id)) == 2


def test_tasks_of_a_contact_go_with_them(app: Flask) -> None:
    contact = make_contact()
    task = add(contact_id=contact.id)
    task_id = task.id
    done = add("Write", contact_id=contact.id)
    close_task(done.id, "done", user_id=None)
    assert [one.id for one in list_tasks_of_contact(contact.id)] == [task.id, done.id]
    erase_contact(contact.id, actor="Ada", user_id=None, peer=None)
    assert find_task(task_id) is None
    with pytest.raises(NotFound):
        get_task(task_id)


def test_the_calendar_gets_what_is_due_in_its_days(app: Flask) -> None:
    task = add(due_on=today())
    close_task(add(due_on=today()).id, "dropped", user_id=None)
    add(due_on=today() + timedelta(days=40))
    assert [one.id for one in list_tasks_between(today(), today() + timedelta(days=30))] == [task.id]


def test_tasks_nobody_has_touched_are_taken_back_together(app: Flask) -> None:
    tasks = put_tasks([TaskDraft("One"), TaskDraft("Two")], made_by="Sales")
    db.session.commit()
    assert withdraw_tasks([task.id for task in tasks]) == 2
    db.session.commit()
    assert count_tasks(TaskFilter()) == 0
    tasks = put_tasks([TaskDraft("One"), TaskDraft("Two")], made_by="Sales")
    db.session.commit()
    close_task(tasks[1].id, "done", user_id=None)
    with pytest.raises(Conflict, match="worked on “Two”"):
        withdraw_tasks([task.id for task in tasks])


def test_only_people_with_a_role_are_given_tasks(app: Flask) -> None:
    owner = make_user()
    make_user(role=None)
    assert [person.id for person in list_assignees()] == [owner.id]
