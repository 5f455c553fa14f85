"""The Tasks page: added by hand, on the contact's page, ticked off and opened again, counted in the menu."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from extensions import db
from models import PersonTask
from planning.tasks import TaskDraft, add_task, get_task, today
from tests.makers import make_contact, make_user, soup


def test_a_task_is_added_ticked_off_and_opened_again(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    person = make_user(role="marketer")
    client = sign_in(user=person)
    assert "Nothing to do" in client.get("/tasks/").get_data(as_text=True)
    answer = client.post(
        "/tasks/new", data={"title": "Call Ann", "due_on": today().isoformat(), "assignee_id": str(person.id)}
    )
    assert answer.headers["Location"] == "/tasks/?view=mine"
    page = soup(client.get("/tasks/"))
    assert "Call Ann" in page.select_one("#tasks").text  # type: ignore[union-attr]  # the next line tells
    assert "Today" in page.select_one(".task__due").text  # type: ignore[union-attr]  # as above
    menu = page.select_one("nav a[href='/tasks/']")
    assert menu is not None
    assert "1" in menu.text
    task_id = db.session.scalars(db.select(PersonTask.id)).one()
    client.post(f"/tasks/{task_id}/state", data={"to": "done", "back": "/tasks/?view=mine"})
    assert "Call Ann" in client.get("/tasks/?view=done").get_data(as_text=True)
    client.post(f"/tasks/{task_id}/state", data={"to": "open"})
    db.session.rollback()
    assert get_task(task_id).state == "open"


def test_a_contacts_task_stands_on_their_page(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    contact = make_contact(name="Ann Lee")
    client = sign_in("marketer")
    form = client.get(f"/tasks/new?contact_id={contact.id}").get_data(as_text=True)
    assert "Ann Lee" in form
    answer = client.post("/tasks/new", data={"title": "Write to Ann", "contact_id": str(contact.id)})
    assert answer.headers["Location"] == f"/contacts/{contact.id}"
    profile = client.get(f"/contacts/{contact.id}").get_data(as_text=True)
    assert "Write to Ann" in profile
    assert "Some day" in profile


def test_what_was_typed_stays_when_something_is_wrong(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    client = sign_in("marketer")
    answer = client.post("/tasks/new", data={"title": "", "detail": "Mind the order", "due_on": "soon"})
    assert answer.status_code == 422
    assert "Mind the order" in answer.get_data(as_text=True)
    task = add_task(TaskDraft("Call"), made_by="Ada")
    answer = client.post(f"/tasks/{task.id}", data={"title": " "})
    assert answer.status_code == 422
    assert "Say what is to be done" in answer.get_data(as_text=True)
    assert client.post(f"/tasks/{task.id}", data={"title": "Call twice"}).status_code == 303
    db.session.rollback()
    assert get_task(task.id).title == "Call twice"


@pytest.mark.parametrize(
    "query",
    ["?view=all&when=late&q=call", "?view=all&who=1", "?view=done&when=late", "?view=x&after=9", "?who=abc&when=x"],
)
def test_every_filter_answers(app: Flask, sign_in: Callable[..., FlaskClient], query: str) -> None:
    add_task(TaskDraft("Call", due_on=today() - timedelta(days=1)), made_by="Ada")
    assert sign_in("viewer").get(f"/tasks/{query}").status_code == 200


def test_who_only_reads_changes_nothing(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    task = add_task(TaskDraft("Call"), made_by="Ada")
    client = sign_in("viewer")
    assert client.get(f"/tasks/{task.id}").status_code == 200
    assert client.get("/tasks/new").status_code == 403
    assert client.post(f"/tasks/{task.id}/state", data={"to": "done"}).status_code == 403


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "/settings"])
def test_the_way_back_stays_in_the_house(app: Flask, sign_in: Callable[..., FlaskClient], back: str) -> None:
    task = add_task(TaskDraft("Call"), made_by="Ada")
    answer = sign_in("marketer").post(f"/tasks/{task.id}/state", data={"to": "dropped", "back": back})
    assert answer.headers["Location"] == "/tasks/"
