"""The map of the site: every area's pages, their address, who may enter. No view code.

To add a page, write pages/x.py with a blueprint `page` and add its row to PAGES. A row's guard holds for all its
addresses; `exceptions` names views with a guard of their own. The order of rows with a menu label is the menu's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flask import Blueprint, Flask, current_app, g, request, url_for
from flask_login import current_user
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import NotFound as UnknownAddress
from werkzeug.local import LocalProxy

import replit_auth
from access import (
    Guard,
    NotSignedIn,
    anyone,
    chatbot_call,
    conversion_sender,
    marketer,
    operator,
    operator_call,
    owner,
    public,
    scraper,
    signed_in,
    viewer,
    viewer_reads_marketer_writes,
    zapier,
    zapier_or_operator,
)
from agents.figures import count_waiting_proposals
from errors import NotAllowed
from extensions import csrf
from lib.row_ids import LARGEST
from models import Campaign, Contact
from pages import (
    ad_plans,
    agent_runs,
    agents,
    analytics,
    api_description,
    approvals,
    articles,
    ask_lux,
    assets,
    audit,
    auto_repair_api,
    brand,
    calendar,
    campaign_results,
    campaign_versions,
    campaign_wizard,
    campaigns,
    channels,
    chatbot,
    contact,
    contact_imports,
    contacts,
    conversions,
    conversions_api,
    dashboard,
    diagnosis,
    diagnostics,
    diagnostics_api,
    diagnostics_logs,
    docs,
    duplicates,
    first_start,
    health,
    lead_scores,
    library,
    media,
    metrics,
    outbox,
    outgoing_webhooks,
    palette,
    password_reset,
    posts,
    profile,
    repairs,
    segments,
    sending_rules,
    settings,
    settings_connections,
    sign_in,
    styleguide,
    tasks,
    tokens,
    users,
    webhook,
    webhook_inbox,
)
from pages import public as public_pages
from probes.base import Probe

# Typed, bookmarked or asked by a program; or from one of our own pages. Another subdomain is another site.
OWN_SITE = ("none", "same-origin")
CROSS_SITE = "This request came from another site, so LUX did not act on it."


@dataclass(frozen=True)
class Row:
    """One area of the site. `menu` is its label in the menu, `icon` its icon there."""

    page: Blueprint
    address: str
    guard: Guard
    menu: str = ""
    icon: str = ""
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


PAGES: list[Row] = [
    Row(
        dashboard.page,
        "/",
        viewer,
        menu="Dashboard",
        icon="layout-dashboard",
        probes={
            "index": Probe("Dashboard</h1>"),
            "attention": Probe("Needs attention</h1>"),
            "approvals": Probe("Waiting for you</h1>"),
            "campaigns": Probe("Recent campaigns</h1>"),
            "weeks": Probe("Last eight weeks</h1>"),
        },
    ),
    Row(
        agents.page,
        "/agents",
        viewer_reads_marketer_writes,
        menu="Agents",
        icon="bot",
        probes={"index": Probe("Agents</h1>")},
    ),
    Row(agent_runs.page, "/agents", viewer_reads_marketer_writes),
    Row(assets.page, "/assets", anyone),
    Row(styleguide.page, "/styleguide", viewer),
    Row(palette.page, "/palette", viewer),
    Row(ask_lux.page, "/ask", viewer, probes={"index": Probe("Ask LUX</h1>")}),
    Row(chatbot.page, "/chatbot", chatbot_call),
    Row(docs.page, "/help", viewer, probes={"index": Probe("Documents</h1>")}),
    Row(health.page, "/", anyone),
    Row(metrics.page, "/", scraper),
    Row(sign_in.page, "/", anyone, exceptions={"sign_out": signed_in, "waiting": signed_in}),
    Row(
        contacts.page,
        "/contacts",
        viewer_reads_marketer_writes,
        menu="Contacts",
        icon="users",
        probes={"index": Probe("Contacts</h1>")},
    ),
    Row(
        contact.page,
        "/contacts",
        viewer_reads_marketer_writes,
        exceptions={"add": marketer, "edit": marketer, "erase": marketer},
        probes={"show": Probe("Story</h2>", {"contact_id": Contact.id})},
    ),
    Row(duplicates.page, "/contacts/duplicates", viewer_reads_marketer_writes),
    Row(
        contact_imports.page,
        "/contacts/imports",
        viewer_reads_marketer_writes,
        exceptions={"refused": marketer},
        probes={"index": Probe("Import contacts</h1>")},
    ),
    Row(
        segments.page,
        "/segments",
        viewer_reads_marketer_writes,
        menu="Segments",
        icon="target",
        exceptions={"add": marketer, "edit": marketer},
        probes={"index": Probe("Segments</h1>")},
    ),
    Row(
        campaigns.page,
        "/campaigns",
        viewer_reads_marketer_writes,
        menu="Campaigns",
        icon="megaphone",
        exceptions={"new": marketer},
        probes={"index": Probe("Campaigns</h1>")},
    ),
    Row(
        library.page,
        "/campaigns/library",
        viewer_reads_marketer_writes,
        exceptions={"upload": marketer, "choose": marketer, "choose_for_post": marketer},
        probes={"index": Probe("Pictures</h1>")},
    ),
    Row(media.page, "/media", public),
    Row(
        ad_plans.page,
        "/campaigns/ad-plans",
        viewer_reads_marketer_writes,
        exceptions={"add": marketer, "edit": marketer, "add_one": marketer, "edit_ad": marketer},
    ),
    Row(campaign_wizard.page, "/campaigns", viewer_reads_marketer_writes),
    Row(campaign_versions.page, "/campaigns", viewer_reads_marketer_writes),
    Row(
        campaign_results.page,
        "/campaigns",
        viewer_reads_marketer_writes,
        exceptions={"confirm_cancel": marketer},
        probes={"why": Probe("Why did or didn’t somebody get it?</h1>", {"campaign_id": Campaign.id})},
    ),
    Row(
        approvals.page,
        "/approvals",
        viewer_reads_marketer_writes,
        menu="Approvals",
        icon="stamp",
        probes={"index": Probe("Approvals</h1>")},
    ),
    Row(
        tasks.page,
        "/tasks",
        viewer_reads_marketer_writes,
        menu="Tasks",
        icon="list-checks",
        exceptions={"add": marketer},
        probes={"index": Probe("Tasks</h1>")},
    ),
    Row(
        calendar.page,
        "/calendar",
        viewer_reads_marketer_writes,
        menu="Calendar",
        icon="calendar",
        exceptions={"new_entry": marketer, "move": marketer},
        probes={"index": Probe("Calendar</h1>")},
    ),
    Row(
        posts.page,
        "/calendar/posts",
        viewer_reads_marketer_writes,
        exceptions={"new": marketer},
        probes={"index": Probe("Posts</h1>")},
    ),
    Row(
        articles.page,
        "/calendar/articles",
        viewer_reads_marketer_writes,
        exceptions={"new": marketer},
        probes={"index": Probe("Articles</h1>")},
    ),
    Row(
        analytics.page,
        "/analytics",
        viewer,
        menu="Analytics",
        icon="chart-no-axes-column",
        probes={"index": Probe("Analytics</h1>")},
    ),
    Row(
        conversions.page,
        "/analytics/conversions",
        viewer_reads_marketer_writes,
        probes={"index": Probe("Conversions</h1>")},
    ),
    Row(conversions_api.page, "/", public, exceptions={"take_from_program": conversion_sender}),
    Row(
        webhook_inbox.page,
        "/webhook-inbox",
        operator,
        menu="Webhook inbox",
        icon="inbox",
        exceptions={"connect": marketer},
        probes={"index": Probe("Webhook inbox</h1>")},
    ),
    Row(outbox.page, "/outbox", viewer),
    Row(
        replit_auth.page,
        "/auth/replit_auth",
        anyone,
        exceptions={"link": signed_in, "start_link": signed_in, "unlink": signed_in},
    ),
    Row(public_pages.page, "/", public),
    Row(
        diagnostics.page,
        "/diagnostics",
        operator,
        menu="Diagnostics",
        icon="activity",
        probes={"index": Probe("Diagnostics</h1>"), "jobs": Probe("Timed jobs</h1>")},
    ),
    Row(
        settings.page,
        "/settings",
        viewer,
        menu="Settings",
        icon="settings",
        exceptions={"environment": operator},
        probes={"index": Probe("Settings</h1>")},
    ),
    Row(brand.page, "/settings/brand", viewer_reads_marketer_writes, probes={"index": Probe("Brand</h1>")}),
    Row(channels.page, "/settings/channels", viewer, probes={"index": Probe("Channels</h1>")}),
    Row(sending_rules.page, "/settings/sending", operator, probes={"index": Probe("Sending</h1>")}),
    Row(lead_scores.page, "/settings/lead-scores", viewer_reads_marketer_writes),
    Row(settings_connections.page, "/settings/connections", operator, probes={"index": Probe("Connections</h1>")}),
    Row(
        outgoing_webhooks.page,
        "/settings/outgoing-webhooks",
        operator,
        probes={"index": Probe("Outgoing webhooks</h1>")},
    ),
    Row(tokens.page, "/settings/tokens", operator, probes={"index": Probe("Tokens</h1>")}),
    Row(audit.page, "/settings/audit", operator, probes={"index": Probe("Audit trail</h1>")}),
    Row(profile.page, "/", viewer, exceptions={"confirm_address": anyone}),
    Row(password_reset.page, "/password-reset", anyone),
    Row(users.page, "/", owner, exceptions={"accept": anyone}, probes={"index": Probe("Users</h1>")}),
    Row(webhook.page, "/api", zapier, exceptions={"show_me": zapier_or_operator}),
    Row(diagnostics_logs.page, "/diagnostics/logs", operator, probes={"index": Probe("Logs</h1>")}),
    Row(diagnosis.page, "/diagnostics/diagnosis", operator, probes={"index": Probe("Diagnosis</h1>")}),
    Row(repairs.page, "/diagnostics/repairs", operator, probes={"index": Probe("Repairs</h1>")}),
    Row(auto_repair_api.page, "/api/auto-repair", operator_call),
    Row(diagnostics_api.page, "/api/diagnostics", operator_call, exceptions={"health": anyone}),
    Row(api_description.page, "/api", anyone),
    Row(first_start.page, "/first-start", marketer, exceptions={"make_owner": anyone}),
]

# What waits behind a line of the menu: a number beside its label.
COUNTS: dict[str, Callable[[], int]] = {
    "approvals.index": count_waiting_proposals,
    "tasks.index": tasks.count_my_due_tasks,
}


def init_routes(app: Flask) -> None:
    """Hangs every area on the app, and one look-up before each request that refuses what is not on the map."""
    guards: dict[str, Guard] = {}
    for row in PAGES:
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
    app.config["PROBES"] = {f"{row.page.name}.{view}": probe for row in PAGES for view, probe in row.probes.items()}
    app.before_request(check_guard)
    # Proxies: a page that needs no database, such as an error page, never asks who is signed in.
    menu = LocalProxy(list_menu_items)
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


def list_menu_items() -> list[MenuItem]:
    """The menu: the first address of every row with a label that the signed-in person may enter."""
    items = []
    for row in PAGES:
        endpoint = f"{row.page.name}.index"
        if row.menu and may_enter(endpoint):
            href = url_for(endpoint)
            is_current = request.path.startswith(href) if href != "/" else request.path == href
            count = COUNTS[endpoint]() if endpoint in COUNTS else 0
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
