"""Every answer carries its protection: pages, fragments, files, redirects, refusals and faults, from every address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.security.house import FROM_OUTSIDE, PRINCIPALS, House, anonymous_browser, open_house

SECRET_PAGES = ("dashboard.", "contacts.", "contact.", "campaign", "segments.", "settings", "diagnostics", "users.")


ASKERS = (("nobody", "own"), ("viewer", "own"), ("owner", "own"), ("owner", "random"))
# What everybody gets alike, without a session, and what only one's own browser may keep.
KEPT_BY_ALL = {"assets.send_asset", "media.show", "conversions_api.snippet"}
KEPT_BY_ONESELF = {"library.thumbnail"}


def list_missing(answer: TestResponse) -> list[str]:
    """Which protection an answer lacks."""
    headers = answer.headers
    policy = {part.strip().split(" ")[0]: part for part in headers.get("Content-Security-Policy", "").split(";")}
    is_isolated = "sandbox" in policy
    wrong = []
    if "frame-ancestors" not in policy or "*" in policy["frame-ancestors"]:
        wrong.append("frame-ancestors")
    if policy.get("default-src", "").strip() != "default-src 'none'":
        wrong.append("default-src")
    # Mails bring their styles along; the frame that shows one runs nothing and has no origin.
    if "'unsafe-inline'" in policy.get("script-src", "") or "'unsafe-eval'" in headers["Content-Security-Policy"]:
        wrong.append("script-src")
    if "'unsafe" in headers["Content-Security-Policy"] and not is_isolated:
        wrong.append("unsafe")
    if is_isolated and ("allow-scripts" in policy["sandbox"] or "allow-same-origin" in policy["sandbox"]):
        wrong.append("sandbox")
    if any(part in headers["Content-Security-Policy"] for part in ("https:", "http:", "*")) and not is_isolated:
        wrong.append("other hosts")
    if headers.get("X-Content-Type-Options") != "nosniff":
        wrong.append("nosniff")
    if headers.get("Referrer-Policy") not in ("strict-origin-when-cross-origin", "no-referrer", "same-origin"):
        wrong.append("Referrer-Policy")
    if "camera=()" not in headers.get("Permissions-Policy", ""):
        wrong.append("Permissions-Policy")
    if "max-age=31536000" not in headers.get("Strict-Transport-Security", ""):
        wrong.append("HSTS")
    if headers.get("Cross-Origin-Opener-Policy") != "same-origin":
        wrong.append("Cross-Origin-Opener-Policy")
    if "Server" in headers or "X-Powered-By" in headers:
        wrong.append("names its software")
    return wrong


def test_every_answer_of_every_address_is_protected(house: House) -> None:
    seen: set[int] = set()
    for rule in house.app.url_map.iter_rules():
        for method in ("GET", "HEAD", "OPTIONS", "POST", "TRACE"):
            for principal, whose in ASKERS if method in ("GET", "POST") else ASKERS[:1]:
                answer = house.ask(principal, method, house.address_of(rule, whose))
                seen.add(answer.status_code)
                assert list_missing(answer) == [], (method, rule.rule, principal, answer.status_code)
    assert {200, 303, 401, 403, 404, 405, 422} <= seen


def test_what_a_signed_in_person_sees_is_kept_by_no_cache(house: House) -> None:
    rules = [rule for rule in house.app.url_map.iter_rules() if "GET" in (rule.methods or set())]
    for number, rule in enumerate(rules):
        # The owner, who sees all, and the others in turn; what everybody gets alike is asked for by each of them.
        others = PRINCIPALS if rule.endpoint in KEPT_BY_ALL else [PRINCIPALS[number % len(PRINCIPALS)]]
        for principal in {"owner", *others}:
            answer = house.ask(principal, "GET", house.address_of(rule))
            told, is_there = answer.headers["Cache-Control"], answer.status_code == 200
            if rule.endpoint in KEPT_BY_ALL and is_there:
                assert "Set-Cookie" not in answer.headers and "Cookie" not in answer.headers.get("Vary", ""), rule.rule
            elif rule.endpoint in KEPT_BY_ONESELF and is_there:
                assert "private" in told and "public" not in told, rule.rule
            else:
                assert "no-store" in told, (rule.rule, principal)
    asset = house.ask("owner", "GET", "/assets/0/css/tokens.css")
    assert "no-store" not in asset.headers["Cache-Control"]
    assert "Set-Cookie" not in asset.headers and "Cookie" not in asset.headers.get("Vary", "")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503])
def test_every_status_is_protected(house: House, make_app: Callable[..., Flask], status: int) -> None:
    answers: dict[int, Callable[[], TestResponse]] = {
        400: lambda: house.visitors["nobody"].post("/sign-in", headers={"X-CSRFToken": "x"}, environ_base=FROM_OUTSIDE),
        401: lambda: house.ask("nobody", "GET", "/api/me"),
        403: lambda: house.ask("viewer", "GET", "/settings/users"),
        404: lambda: house.ask("nobody", "GET", "/nowhere"),
        405: lambda: house.ask("nobody", "DELETE", "/livez"),
        413: lambda: house.ask("owner", "POST", "/settings/name", data=b"x" * (21 * 1024 * 1024)),
        422: lambda: house.ask("owner", "POST", "/settings/name", data={"name": ""}),
    }
    answer = answers[status]() if status in answers else raised(house, status)
    assert answer.status_code == status
    assert list_missing(answer) == []
    assert "no-store" in answer.headers["Cache-Control"]


def raised(house: House, status: int) -> TestResponse:
    """The answer when a view ends with that status; 500 is a fault, as nobody foresaw it."""

    def end() -> str:
        if status == 500:
            raise ZeroDivisionError("planted")
        return house.app.aborter(status)

    kept, house.app.view_functions["health.livez"] = house.app.view_functions["health.livez"], end
    try:
        return house.ask("nobody", "GET", "/livez")
    finally:
        house.app.view_functions["health.livez"] = kept


def test_no_answer_fits_into_a_frame_of_another_site(house: House) -> None:
    for rule in house.app.url_map.iter_rules():
        if "GET" in (rule.methods or set()):
            policy = house.ask("owner", "GET", house.address_of(rule)).headers["Content-Security-Policy"]
            ancestors = policy.split("frame-ancestors", 1)[1].split(";")[0].split()
            assert ancestors in (["'none'"], ["'self'"]), (rule.rule, ancestors)


def test_production_without_its_proxy_says_https_all_the_same(database_url: str) -> None:
    """Whoever forgot PROXY_HOPS still gets the header: the browser decides whether it came over https."""
    with open_house(database_url) as house:
        plain = anonymous_browser(house.app).get("/sign-in", environ_base={"wsgi.url_scheme": "http"})
        assert "max-age=31536000" in plain.headers["Strict-Transport-Security"]
