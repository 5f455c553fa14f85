"""The parts that the whole app shares, made here and attached in app.py: database, migrations, login, CSRF, queue."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import BigInteger, DateTime, LargeBinary, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Session, registry, scoped_session


class Base(DeclarativeBase):
    """What every table shares: names of constraints, and how Python types become columns."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(column_0_N_label)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={
            int: BigInteger,
            str: Text,
            bytes: LargeBinary,
            datetime: DateTime(timezone=True),
            dict[str, Any]: JSONB,
            list[Any]: JSONB,
        },
    )


db = SQLAlchemy(model_class=Base, disable_autonaming=True)
migrate = Migrate()
login = LoginManager()
csrf = CSRFProtect()

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


def defer(
    session: Session | scoped_session[Any],
    task: str,
    /,
    *,
    queue: str = "default",
    lock: str | None = None,
    **arguments: Any,
) -> None:
    """Puts a task of worker.py on the queue within the session's transaction: no commit, no task.

    `task` is the task's name in worker.py; `lock` keeps tasks of the same lock from running side by side.
    """
    session.execute(
        text(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW("
            ":queue, :task, 0, :lock, NULL, CAST(:arguments AS jsonb), NULL)::procrastinate_job_to_defer_v1])"
        ),
        {"queue": queue, "task": task, "lock": lock, "arguments": json.dumps(arguments)},
    )
