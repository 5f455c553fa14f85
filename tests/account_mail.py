"""What LUX writes to the people who sign in, as a test reads it: the queue carried out, the newest mail found."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

from sqlalchemy import text

from channels.system_mail import FOLDER
from config import current_settings
from extensions import db
from worker import TASKS


def list_queue() -> list[tuple[str, dict[str, object]]]:
    """What waits in the queue: the task's name and its arguments."""
    rows = db.session.execute(text("SELECT task_name, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id"))
    return [(name, dict(arguments)) for name, arguments in rows]


def carry_out_queue() -> None:
    """Does what the worker would do now."""
    tasks = {task.name: task.function for task in TASKS}
    waiting = list_queue()
    db.session.execute(text("DELETE FROM procrastinate_jobs"))
    db.session.commit()
    for name, arguments in waiting:
        tasks[name](**arguments)
    db.session.expire_all()


def list_mails(recipient: str) -> list[EmailMessage]:
    """The mails to an address, the newest first."""
    folder = current_settings().lux_data_dir / FOLDER
    paths = sorted(folder.glob("*.eml"), key=lambda path: path.name, reverse=True) if folder.is_dir() else []
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]
    return [mail for mail in mails if mail["To"] == recipient]


def find_link(recipient: str, path: str) -> str:
    """The path of the newest link to somebody that begins with `path`."""
    for mail in list_mails(recipient):
        found = re.search(rf"({re.escape(path)}[\w-]+)", mail.get_content())
        if found:
            return found[1]
    raise AssertionError(f"no mail to {recipient} has a link to {path}")
