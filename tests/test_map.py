"""The map is whole: every address has a guard, and none vanishes unnoticed."""

from __future__ import annotations

from flask import Flask

from access import Guard
from routes import PAGES
from site_map import guard_of


def test_every_address_is_guarded(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        assert isinstance(guard_of(rule.endpoint), Guard), rule


def test_every_exception_names_a_view_that_exists(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    for row in PAGES:
        for view in row.exceptions:
            assert f"{row.page.name}.{view}" in endpoints


def test_an_address_off_the_map_is_not_found(app: Flask) -> None:
    assert app.test_client().get("/no-such-page").status_code == 404


def test_the_app_can_be_built_twice(app: Flask, make_app: object) -> None:
    assert callable(make_app)
    assert len(list(make_app().url_map.iter_rules())) == len(list(app.url_map.iter_rules()))
