"""What Prometheus asks for: LUX in figures."""

from __future__ import annotations

from flask import Blueprint, Response

from diagnostics.metrics import write_metrics
from lib.prometheus_text import CONTENT_TYPE

page = Blueprint("metrics", __name__)


@page.get("/metrics")
def metrics() -> Response:
    """All metrics as text."""
    return Response(write_metrics(), content_type=CONTENT_TYPE)
