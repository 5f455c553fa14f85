"""What machines ask first: is LUX alive, is it ready."""

from __future__ import annotations

from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from answers import problem
from extensions import db

page = Blueprint("health", __name__)


@page.get("/livez")
def livez() -> Response:
    """Alive, without touching the database."""
    return jsonify({"status": "pass"})


@page.get("/readyz")
def readyz() -> Response:
    """Ready: the database answers and its migrations are at head."""
    try:
        current = db.session.scalar(text("SELECT version_num FROM alembic_version"))
    except SQLAlchemyError:
        db.session.rollback()
        return problem(503, "Not ready", "The database does not answer.")
    if current != _head():
        return problem(503, "Not ready", "The database is not at the newest migration.")
    return jsonify({"status": "pass"})


def _head() -> str | None:
    config = Config()
    config.set_main_option("script_location", f"{current_app.root_path}/migrations")
    return ScriptDirectory.from_config(config).get_current_head()
