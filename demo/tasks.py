"""What the people of the demo have to do: late, due today, to come, without a day, done and dropped."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from demo.team import Team
from extensions import db
from models import Campaign, Contact
from planning.tasks import TaskDraft, add_task, close_task, today


def add_tasks(team: Team) -> int:
    """Adds the tasks; commits each. How many."""
    ada, femi, grace = team.writer.id, team.seller.id, team.operator.id
    cafe = db.session.scalar(select(Contact.id).where(Contact.source == "Wholesale enquiry").order_by(Contact.id))
    letter = db.session.scalar(select(Campaign.id).order_by(Campaign.id.desc()))
    rows = (
        (-3, femi, "Call the café back about the iced tea card", "They asked for amounts for 20 litres a day.", cafe),
        (-1, ada, "Ask Mr. Ito for a photo of the spring picking", "He reads mail on Sundays.", None),
        (0, femi, "Send samples of the winter blend to three cafés", "Address labels are in the tray.", None),
        (0, None, "Look through the comments on the first flush post", "", None),
        (2, grace, "Set the DMARC record for lumen.example", "Settings › Channels shows what to set.", None),
        (4, ada, "Write the text for the tasting evening", "24 places, customers first.", None),
        (9, femi, "Renew the wholesale price sheet", "", None),
        (15, ada, "Print the cards for the parcels", "The picture is in the library.", None),
        (None, None, "Think about a subscription box", "Twelve tins, one a month. What would it cost to send?", None),
    )
    for days, who, title, detail, contact_id in rows:
        due_on = None if days is None else today() + timedelta(days=days)
        link = "/settings/channels/" if "DMARC" in title else ""
        add_task(TaskDraft(title, detail, due_on, who, contact_id, link=link), made_by=team.writer.name)
    results = TaskDraft("Look at the results of the last letter", "", today(), ada, campaign_id=letter)
    add_task(results, made_by=team.writer.name)
    return len(rows) + 1 + _add_closed(team)


def _add_closed(team: Team) -> int:
    """Tasks of the last days that nobody has to do any more."""
    rows = (
        (-6, "Put the stocktaking day on the calendar", "done"),
        (-8, "Answer the question about Norway", "done"),
        (-11, "Order tins for the winter blend", "done"),
        (-13, "Fetch the banner from the tea fair", "done"),
        (-20, "Ask for a stand nearer to the door", "dropped"),
    )
    for days, title, state in rows:
        draft = TaskDraft(title, "", today() + timedelta(days=days), team.seller.id)
        close_task(add_task(draft, made_by=team.writer.name).id, state, user_id=team.seller.id)
    return len(rows)
