"""What machines ask first: is LUX alive, is it ready."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from answers import problem
from diagnostics.readiness import find_obstacle

page = Blueprint("health", __name__)


@page.get("/livez")
def livez() -> Response:
    """Alive, without touching the database."""
    return jsonify({"status": "pass"})


@page.get("/readyz")
def readyz() -> Response:
    """Ready: the database answers within a second and its migrations are at head."""
    obstacle = find_obstacle()
    if obstacle is not None:
        return problem(503, "Not ready", obstacle)
    return jsonify({"status": "pass"})
