"""The dashboard: figures or first steps, twelve tiles, and panels that stand on their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bs4 import BeautifulSoup, Tag
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from agents import AGENTS
from campaigns.figures import WEEKS, list_weeks, sum_period
from extensions import db
from models import AgentRun, AiCall, Campaign, CampaignTally, ChannelState, Contact, Proposal
from pages.dashboard import _ago

SignIn = Callable[..., FlaskClient]


def read(client: FlaskClient, path: str = "/") -> BeautifulSoup:
    answer = client.get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)[:500]
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def words_of(tag: Tag | BeautifulSoup | None) -> str:
    assert tag is not None
    return " ".join(tag.get_text(" ").split())


def add_contact(email: str = "ada@example.org", name: str = "Ada Lovelace") -> None:
    db.session.add(Contact(email=email, name=name))
    db.session.commit()


def add_launched(name: str, days_ago: float, **counts: int) -> Campaign:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    campaign = Campaign(name=name, state="finished", launched_at=at, finished_at=at)
    db.session.add(campaign)
    db.session.flush()
    db.session.add(CampaignTally(campaign_id=campaign.id, writer="test", **counts))
    db.session.commit()
    return campaign


def add_proposal(title: str, agent: str = "email_crm", expires_in_days: int = 7) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=expires_in_days)
    proposal = Proposal(agent=agent, action="draft_campaign", title=title, payload={}, reason="Because", effect="")
    proposal.expires_at = expires_at
    db.session.add(proposal)
    db.session.commit()


def test_an_empty_install_shows_the_five_first_steps_in_place_of_the_figures(sign_in: SignIn) -> None:
    page = read(sign_in("owner"))
    assert len(page.select(".checklist__item")) == 5
    assert len(page.select(".checklist__item--current")) == 1
    assert page.select(".figure") == []


def test_with_a_contact_the_four_figures_take_their_place(sign_in: SignIn) -> None:
    add_contact()
    page = read(sign_in("owner"))
    assert [words_of(label) for label in page.select(".figure__label")] == [
        "Contacts",
        "Delivered",
        "Clicked",
        "AI spend today",
    ]
    assert words_of(page.select_one(".figure__value")) == "1"
    assert page.select(".checklist") == []


def test_it_shows_eleven_agents_in_their_order_and_ask_lux_as_the_twelfth(sign_in: SignIn) -> None:
    page = read(sign_in("viewer"))
    titles = [words_of(title) for title in page.select(".tile__title")]
    assert titles == [*(agent.label for agent in AGENTS), "Ask LUX"]
    assert len(titles) == 12


def test_a_running_agent_says_that_it_works(sign_in: SignIn) -> None:
    ready = AGENTS[0]
    db.session.add(AgentRun(agent=ready.key, task=ready.tasks[0].key, brief={}, state="running"))
    db.session.commit()
    page = read(sign_in("marketer"))
    tiles = {words_of(tile.select_one(".tile__title")): tile for tile in page.select(".tile")}
    assert "tile--running" in (tiles[ready.label].get("class") or [])
    assert "Working" in words_of(tiles[ready.label])


def test_delivered_and_clicked_come_from_four_weeks_with_the_change_to_the_four_before(sign_in: SignIn) -> None:
    add_contact()
    add_launched("New", 3, sent=900, failed=100, clicks_human=45)
    add_launched("Old", 35, sent=800, failed=200, clicks_human=8)
    add_launched("Too old", 70, sent=1, failed=999)
    page = read(sign_in("viewer"))
    delivered, clicked = (words_of(page.select(".figure")[at]) for at in (1, 2))
    assert "90.0%" in delivered and "+10.0 points" in delivered
    assert "5.0%" in clicked and "+4.0 points" in clicked


def test_the_spend_of_today_stands_against_the_budget(sign_in: SignIn) -> None:
    add_contact()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    db.session.add_all(
        [
            AiCall(purpose="agent", model="gpt-4o", state="done", cost_usd=1.25, at=midnight),
            AiCall(purpose="agent", model="gpt-4o", state="done", cost_usd=9, at=midnight - timedelta(seconds=1)),
        ]
    )
    db.session.commit()
    assert "$1.25 of $5.00" in words_of(read(sign_in("viewer")).select(".figure")[3])


def test_proposals_that_wait_are_listed_and_expired_ones_are_not(sign_in: SignIn) -> None:
    add_contact()
    add_proposal("Draft: harvest")
    add_proposal("Draft: forgotten", expires_in_days=-1)
    client = sign_in("marketer")
    assert "One proposal waits for you." in words_of(read(client).select_one(".page__status"))
    panel = words_of(read(client, "/dashboard/approvals"))
    assert "Draft: harvest" in panel
    assert "forgotten" not in panel


def test_a_paused_channel_and_a_paused_campaign_need_attention_with_their_reason(sign_in: SignIn) -> None:
    db.session.add(ChannelState(channel="email", is_paused=True, reason="The password was refused."))
    db.session.add(Campaign(name="Spring", state="paused", pause_reason="Too many bounces."))
    db.session.commit()
    panel = words_of(read(sign_in("viewer"), "/dashboard/attention"))
    assert "Email is paused The password was refused." in panel
    assert "Spring is paused Too many bounces." in panel


def test_missing_settings_are_named(make_app: Callable[..., Flask], sign_in: SignIn, app: Flask) -> None:
    panel = words_of(read(sign_in("viewer"), "/dashboard/attention"))
    assert "Mail goes to the test outbox" in panel
    assert "postal address" not in panel


def test_the_weeks_put_each_campaign_into_the_week_of_its_launch(app: Flask) -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    for name, at in (("First minute", monday), ("Last minute", monday - timedelta(minutes=1))):
        campaign = add_launched(name, 0, sent=10, opens_human=5, clicks_human=1)
        campaign.launched_at = at
        db.session.commit()
    weeks = list_weeks(now)
    assert len(weeks) == WEEKS
    assert [week.total.sent for week in weeks][-3:] == [0, 10, 10]
    assert weeks[-1].starts_at == monday
    assert weeks[-1].total.opened_percent == 50
    assert sum_period(now).sent == 20


def test_the_chart_has_its_numbers_in_a_table_beside_it(sign_in: SignIn) -> None:
    add_launched("New", 0, sent=900, opens_human=300, clicks_human=45)
    panel = read(sign_in("viewer"), "/dashboard/weeks")
    assert len(panel.select(".chart")) == 2
    for chart in panel.select(".chart"):
        assert len(chart.select("tbody tr")) == WEEKS
    assert "900" in words_of(panel.select_one("#weeks-sent tbody"))


def test_rates_of_a_campaign_that_was_just_launched_are_not_drawn_yet(sign_in: SignIn) -> None:
    add_launched("Old", 8, sent=100, opens_human=40)
    add_launched("New", 0.1, sent=100, opens_human=0)
    panel = read(sign_in("viewer"), "/dashboard/weeks")
    rates = [row.select("td")[0].get_text() for row in panel.select("#weeks-rates tbody tr")]
    assert "40%" in rates
    assert "0%" not in rates


def test_no_campaign_ever_makes_an_empty_chart(sign_in: SignIn) -> None:
    assert "Nothing was sent in eight weeks" in words_of(read(sign_in("viewer"), "/dashboard/weeks"))


def test_recent_campaigns_show_what_was_sent_and_clicked(sign_in: SignIn) -> None:
    add_launched("Harvest", 1, sent=1200, clicks_human=60, opens_human=300)
    db.session.add(Campaign(name="Draft of winter"))
    db.session.commit()
    rows = [words_of(row) for row in read(sign_in("viewer"), "/dashboard/campaigns").select("tbody tr")]
    assert any(row.startswith("Harvest Finished 1,200 25.0% 5.0%") for row in rows)
    assert any(row.startswith("Draft of winter Draft – – –") for row in rows)


def test_one_panel_that_fails_leaves_the_others_alone(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("viewer")
    db.session.execute(text("ALTER TABLE channel_states RENAME TO channel_states_away"))
    db.session.commit()
    try:
        assert client.get("/dashboard/attention").status_code == 500
        for path in ("/", "/dashboard/approvals", "/dashboard/weeks", "/dashboard/campaigns"):
            assert client.get(path).status_code == 200, path
    finally:
        db.session.execute(text("ALTER TABLE channel_states_away RENAME TO channel_states"))
        db.session.commit()


def test_names_from_outside_cannot_write_markup_into_the_dashboard(sign_in: SignIn) -> None:
    add_launched("<script>alert(1)</script>", 1, sent=1)
    add_proposal("<img src=x>")
    client = sign_in("viewer")
    assert read(client, "/dashboard/campaigns").select("main script") == []
    assert read(client, "/dashboard/approvals").select("main img") == []


def test_time_past_is_told_in_words() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    told = [_ago(now - timedelta(seconds=seconds), now) for seconds in (-5, 59, 60, 7200, 86_400 * 3)]
    assert told == ["just now", "just now", "1 minute ago", "2 hours ago", "3 days ago"]
