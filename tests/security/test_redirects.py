"""No address of LUX leads where its caller says (Gophish CVE-2022-25295): targets come from the store or stay here."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest

from tests.security.house import House

ELSEWHERE = (
    "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "/\t/evil.example", "/\n/evil.example", "https:evil.example", "https:/evil.example", "http:///evil.example",
    "javascript:alert(1)", "data:text/html,x", "//evil.example@mail.lumen.example/", "/..//evil.example",
    "/./\\evil.example", "/%09/evil.example", "/%5cevil.example", "//evil%2eexample", "\u2028//evil.example",
    "/\u3000//evil.example", "/。evil.example", "//[::1]/", "/;//x@evil.example", "/?next=//evil.example",
    "https://mail.lumen.example@evil.example/", "https://mail.lumen.example.evil.example/",
)  # fmt: skip
NAMES = ("next", "url", "u", "to", "target", "redirect", "redirect_uri", "return", "return_to", "continue", "back", "r")


def leads_away(location: str) -> bool:
    """Whether a browser on LUX would leave it by this Location."""
    read = location.replace("\\", "/").replace("\t", "").replace("\n", "").replace("\r", "").strip()
    parts = urlsplit(read)
    return bool(parts.scheme or parts.netloc) or read.startswith("//")


@pytest.mark.parametrize("principal", ["nobody", "owner"])
def test_no_argument_leads_away(house: House, principal: str) -> None:
    rules = [rule for rule in house.app.url_map.iter_rules() if "GET" in (rule.methods or set())]
    for number, rule in enumerate(rules):
        # The plainest for all, the others in turn.
        for elsewhere in (ELSEWHERE[0], ELSEWHERE[1 + number % (len(ELSEWHERE) - 1)]):
            query = "&".join(f"{name}={quote(elsewhere)}" for name in NAMES)
            answer = house.ask(principal, "GET", f"{house.address_of(rule)}?{query}")
            location = answer.headers.get("Location", "")
            if rule.endpoint == "public.click":
                assert location == house.ask("nobody", "GET", house.address_of(rule)).headers["Location"]
                continue
            assert not leads_away(location), (rule.rule, location)


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_signing_in_leads_to_a_page_of_lux(house: House, elsewhere: str) -> None:
    signed_in = house.ask("owner", "GET", "/sign-in", query_string={"next": elsewhere})
    assert signed_in.status_code == 302 and not leads_away(signed_in.headers["Location"])
    form = {"email": "owner@house.example", "password": "seven violet lanterns", "next": elsewhere}
    done = house.ask("nobody", "POST", "/sign-in", data=form)
    assert done.status_code == 303 and not leads_away(done.headers["Location"])


def test_no_answer_builds_an_address_from_the_host_that_the_caller_names(house: House) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    for rule in house.app.url_map.iter_rules():
        if "GET" in (rule.methods or set()):
            answer = house.ask("owner", "GET", house.address_of(rule), headers=forged)
            assert b"evil.example" not in answer.get_data(), rule.rule
            assert "evil.example" not in answer.headers.get("Location", ""), rule.rule
