"""The command palette finds pages, agents, segments, campaigns and contacts by name."""

from __future__ import annotations

from collections.abc import Callable

from bs4 import BeautifulSoup
from flask.testing import FlaskClient

from extensions import db
from models import Campaign, Contact, Segment

SignIn = Callable[..., FlaskClient]


def find(client: FlaskClient, words: str) -> list[tuple[str, str, str]]:
    page = BeautifulSoup(client.get("/palette/", query_string={"q": words}).get_data(as_text=True), "html.parser")
    return [
        (str(one.select("span")[0].get_text()), str(one.select("span")[1].get_text()), str(one["data-href"]))
        for one in page.select("[role=option]")
    ]


def test_without_words_it_lists_the_pages_of_the_menu(sign_in: SignIn) -> None:
    found = find(sign_in("viewer"), "")
    assert ("Dashboard", "page", "/") in found
    assert {kind for _, kind, _ in found} == {"page"}


def test_a_viewer_is_not_led_to_pages_that_are_closed_to_them(sign_in: SignIn) -> None:
    assert find(sign_in("viewer"), "users") == []


def test_it_finds_agents_segments_campaigns_and_contacts(sign_in: SignIn) -> None:
    db.session.add_all(
        [
            Contact(email="ada@harvest.example", name="Ada Lovelace"),
            Segment(key="harvest", name="Harvest readers"),
            Campaign(name="Harvest letter"),
        ]
    )
    db.session.commit()
    client = sign_in("marketer")
    assert [label for label, kind, _ in find(client, "harv") if kind == "segment"] == ["Harvest readers"]
    assert [label for label, kind, _ in find(client, "harv") if kind == "campaign"] == ["Harvest letter"]
    assert [label for label, kind, _ in find(client, "harv") if kind == "contact"] == ["Ada Lovelace"]
    assert ("Email & CRM", "agent") in [(label, kind) for label, kind, _ in find(client, "e-mail camp")]


def test_every_address_that_it_offers_can_be_opened(sign_in: SignIn) -> None:
    db.session.add_all(
        [
            Contact(email="ada@harvest.example", name="Harvest Ada"),
            Segment(key="harvest", name="Harvest readers"),
            Campaign(name="Harvest letter"),
        ]
    )
    db.session.commit()
    client = sign_in("owner")
    for words in ("", "harvest", "agent", "a"):
        for label, _, href in find(client, words):
            assert client.get(href, follow_redirects=True).status_code == 200, (label, href)


def test_words_are_only_words(sign_in: SignIn) -> None:
    client = sign_in("viewer")
    for words in ("%", "_", "' OR 1=1 --", "a & b | !c", ":*", "<script>", "\\", "é" * 300):
        answer = client.get("/palette/", query_string={"q": words})
        assert answer.status_code == 200, words
        assert "<script>" not in answer.get_data(as_text=True)
