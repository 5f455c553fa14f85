"""What the app makes of the map: hangs its areas, asks their guards before each request, writes the menu."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flask import Blueprint, Flask, current_app, g, request, url_for
from flask_login import current_user
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import NotFound as UnknownAddress
from werkzeug.local import LocalProxy

from access import Guard, NotSignedIn
from errors import NotAllowed
from extensions import csrf
from lib.row_ids import LARGEST
from probes.base import Probe

# Typed, bookmarked or asked by a program; or from one of our own pages. Another subdomain is another site.
OWN_SITE = ("none", "same-origin")
CROSS_SITE = "This request came from another site, so LUX did not act on it."


@dataclass(frozen=True)
class Row:
    """One area of the site. `menu` is its label in the menu, `icon` its icon there, `count` what waits behind it."""

    page: Blueprint
    address: str
    guard: Guard
    menu: str = ""
    icon: str = ""
    count: Callable[[], int] | None = None
    exceptions: dict[str, Guard] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)


@dataclass(frozen=True)
class MenuItem:
    """A line of the menu as the shell shows it."""

    key: str
    label: str
    href: str
    icon: str
    is_current: bool
    count: int = 0


def init_site_map(app: Flask, rows: Sequence[Row]) -> None:
    """Hangs every area on the app, and one look-up before each request that refuses what is not on the map."""
    guards: dict[str, Guard] = {}
    for row in rows:
        app.register_blueprint(row.page, url_prefix=row.address if row.address != "/" else None)
        for rule in app.url_map.iter_rules():
            blueprint, _, view = rule.endpoint.rpartition(".")
            if blueprint == row.page.name:
                guards[rule.endpoint] = row.exceptions.get(view, row.guard)
        if not row.guard.uses_session:
            csrf.exempt(row.page)
    for endpoint, guard in guards.items():
        if guard.checks_forgery:
            csrf.exempt(app.view_functions[endpoint])
    app.config["GUARDS"] = guards
    app.config["PROBES"] = {f"{row.page.name}.{view}": probe for row in rows for view, probe in row.probes.items()}
    app.before_request(check_guard)
    # Proxies: a page that needs no database, such as an error page, never asks who is signed in.
    menu = LocalProxy(lambda: list_menu_items(rows))
    app.context_processor(lambda: {"menu": menu, "may_enter": may_enter, "current_user": current_user})


def check_guard() -> None:
    """Refuses an address that is not on the map, a person who may not enter, and other sites' unsafe requests."""
    if request.routing_exception is not None:
        raise request.routing_exception
    guard = guard_of(request.endpoint)
    if guard is None or has_impossible_id(request.view_args or {}):
        raise UnknownAddress
    if guard.uses_session and has_nul(request.args.values()):
        raise BadRequest
    is_unsafe = request.method not in ("GET", "HEAD", "OPTIONS")
    if is_unsafe and guard.uses_session and request.headers.get("Sec-Fetch-Site", "none") not in OWN_SITE:
        raise NotAllowed(CROSS_SITE)
    g.guard = guard
    guard.check()


def has_impossible_id(arguments: Mapping[str, object]) -> bool:
    """Whether an id in the address is larger than any row's, or a name has a sign that no name has."""
    too_large = any(isinstance(value, int) and value > LARGEST for value in arguments.values())
    return too_large or has_nul(value for value in arguments.values() if isinstance(value, str))


def has_nul(values: Iterable[str]) -> bool:
    """Whether somebody asks with the one sign that PostgreSQL keeps no text with."""
    return any("\0" in value for value in values)


def guard_of(endpoint: str | None) -> Guard | None:
    """The guard of a view, or None when the map does not know it."""
    return _guards().get(endpoint or "")


def list_menu_items(rows: Sequence[Row]) -> list[MenuItem]:
    """The menu: the first address of every row with a label that the signed-in person may enter."""
    items = []
    for row in rows:
        endpoint = f"{row.page.name}.index"
        if row.menu and may_enter(endpoint):
            href = url_for(endpoint)
            is_current = request.path.startswith(href) if href != "/" else request.path == href
            count = row.count() if row.count is not None else 0
            items.append(MenuItem(row.page.name, row.menu, href, row.icon, is_current, count))
    return items


def may_enter(endpoint: str) -> bool:
    """Whether the signed-in person may open that view."""
    guard = guard_of(endpoint)
    try:
        if guard is not None:
            guard.check()
    except (NotSignedIn, NotAllowed):
        return False
    return guard is not None


def _guards() -> dict[str, Guard]:
    guards: dict[str, Guard] = current_app.config["GUARDS"]
    return guards
