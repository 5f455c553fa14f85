"""The logs page: what was written, escaped and redacted; missing logs are a calm sentence."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests import makers


@pytest.fixture
def client(make_app: Callable[..., Flask], app: Flask, tmp_path: Path) -> makers.Browser:
    """An operator's browser on a LUX with logs of its own."""
    running = make_app(APP_LOG=str(tmp_path / "app.log"), GUNICORN_ERROR_LOG=str(tmp_path / "gunicorn.err"))
    return makers.signed_in_client(running, makers.make_user(role="operator"))


def test_what_lux_logs_is_read_back_escaped_and_redacted(client: makers.Browser) -> None:
    logging.getLogger("lux.canary").error("refused <script>alert(1)</script> for ann@example.com, password=hunter22")
    page = client.get("/diagnostics/logs/?source=app").get_data(as_text=True)
    assert "refused &lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "ann@example.com" not in page
    assert "hunter22" not in page


def test_missing_logs_are_a_calm_sentence(client: makers.Browser) -> None:
    answer = client.get("/diagnostics/logs/?source=nginx")
    assert answer.status_code == 200
    assert "nginx" in answer.get_data(as_text=True)


def test_filters_hold(client: makers.Browser) -> None:
    logging.getLogger("lux.canary").error("the spool is full")
    logging.getLogger("lux.canary").warning("the spool fills up")
    assert "the spool is full" in client.get("/diagnostics/logs/?q=FULL").get_data(as_text=True)
    page = client.get("/diagnostics/logs/records?level=error&source=app").get_data(as_text=True)
    assert "the spool is full" in page
    assert "fills up" not in page
    assert client.get("/diagnostics/logs/?source=/etc/passwd&hours=x&level=y").status_code == 200


def test_only_operators_read_logs(app: Flask) -> None:
    for role, status in (("marketer", 403), ("operator", 200)):
        browser = makers.signed_in_client(app, makers.make_user(role=role))
        assert browser.get("/diagnostics/logs/").status_code == status
