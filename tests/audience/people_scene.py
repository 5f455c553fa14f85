"""Contacts that may be one person, two that were merged, tasks for people, and scores: a scene for looking at pages."""

from __future__ import annotations

from datetime import timedelta

from audience.duplicates import find_duplicates, keep_apart
from audience.merges import merge_now
from audience.scores import Points, change_scoring
from planning.tasks import TaskDraft, add_task, close_task, today
from tests import makers


def add_people_work(owner_id: int | None, maker: str = "Ada") -> dict[str, str | int]:
    """A pair to look at, a pair that is two people, a merge, four tasks and scores; the ids that addresses name."""
    domain = f"{maker.lower().replace(' ', '-')}.example"
    first = makers.make_contact(
        email=f"ann@{domain}", name="Ann Lee", attributes={"city": "Rome", "company": "Lee Ltd"}
    )
    second = makers.make_contact(
        email=f"ann+shop@{domain}", name="A. Lee", attributes={"city": "Paris"}, subscription="unsubscribed", tags="vip"
    )
    kept = makers.make_contact(email=f"bo@{domain}", name="Bo Hill")
    gone = makers.make_contact(email=f"bo.hill@{domain}", name="Bo Hill")
    apart = [makers.make_contact(email=f"twin{number}@{domain}", name="Cleo Diaz") for number in range(2)]
    keep_apart(apart[0].id, apart[1].id, actor=maker)
    merge = merge_now(kept.id, gone.id, actor=maker, user_id=owner_id)
    find_duplicates()
    change_scoring(Points(), actor=maker)
    detail = "Thank them for looking at the spring letter, ask one question about what they need, and offer one thing."
    days = (-1, 0, 5, None)
    titles = ("Call Ann", "Set the DMARC record", "Ask the café about the menu", "Write a page about oolong")
    tasks = [
        add_task(
            TaskDraft(
                title,
                detail if days_left == -1 else "",
                None if days_left is None else today() + timedelta(days=days_left),
                assignee_id=owner_id,
                contact_id=first.id if days_left == -1 else None,
                link="/settings/channels/" if days_left == 0 else "",
            ),
            made_by="Sales Enablement" if days_left == -1 else maker,
        )
        for title, days_left in zip(titles, days, strict=True)
    ]
    close_task(tasks[3].id, "done", user_id=owner_id)
    return {"first_id": first.id, "second_id": second.id, "merge_id": merge.id, "task_id": tasks[0].id}
