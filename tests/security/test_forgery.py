"""Nobody else's page can act for a signed-in person: every unsafe address, in every shape a foreign form can take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from site_map import guard_of
from tests.security.house import House

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
CONTENT_TYPES = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/json",
    "application/octet-stream",
)
# How a browser tells where a request comes from: another site's form, fetch, frame; and a page of another origin.
FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://www.lumen.example"},
    {"Sec-Fetch-Site": "Cross-Site"},
)


def list_unsafe(house: House) -> Iterator[tuple[str, str]]:
    """Method and address of every act that a browser's cookie opens."""
    with house.app.app_context():
        for rule in house.app.url_map.iter_rules():
            guard = guard_of(rule.endpoint)
            if guard is not None and guard.uses_session:
                for method in sorted(UNSAFE & (rule.methods or set())):
                    yield method, house.address_of(rule)


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_no_unsafe_address_acts_without_a_token(house: House, content_type: str) -> None:
    owner = house.visitors["owner"]
    token, owner.csrf_token = owner.csrf_token, ""
    try:
        unsafe = list(list_unsafe(house))
        assert len(unsafe) > 60
        for method, address in unsafe:
            answer = house.ask("owner", method, address, data=b"a=1", content_type=content_type)
            assert answer.status_code == 400, (method, address, answer.status_code)
        assert house.contents.changed() == set()
    finally:
        owner.csrf_token = token


def test_a_token_of_another_session_opens_nothing(house: House) -> None:
    foreign = {"X-CSRFToken": house.visitors["viewer"].csrf_token}
    for method, address in list_unsafe(house):
        assert house.ask("owner", method, address, headers=foreign).status_code == 400, (method, address)
    assert house.contents.changed() == set()


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: " ".join(headers.values()))
def test_no_unsafe_address_acts_for_another_site(house: House, headers: dict[str, str]) -> None:
    for method, address in list_unsafe(house):
        assert house.ask("owner", method, address, headers=headers).status_code == 403, (method, address)
    assert house.contents.changed() == set()


def test_the_session_cookie_is_kept_from_scripts_other_sites_and_plain_connections(house: House) -> None:
    page = house.ask("nobody", "GET", "/sign-in")
    cookie = page.headers["Set-Cookie"]
    assert cookie.startswith("__Host-lux=")
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in cookie
    assert "Domain=" not in cookie
