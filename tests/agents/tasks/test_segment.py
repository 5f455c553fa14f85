"""A segment from words: what the playbook understands, what the model may say, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from agents import get_agent
from agents.base import Task
from agents.drafts import get_result, get_version, list_failures
from agents.proposals import approve_proposal, carry_out_now, find_address, undo_proposal
from agents.runner import carry_out_run
from agents.runs import get_run, start_run
from agents.tasks.segment import SegmentBrief, SegmentDraft
from agents.tasks.segment_words import read_segment_words
from audience.scores import RULES, Points, score_contacts, set_scoring
from audience.segments import get_segment, list_segments
from errors import Conflict
from extensions import db
from models import AgentRun, Contact
from tests.fakes.openai_server import OpenAIServer
from tests.makers import make_user


def run_words(words: str) -> AgentRun:
    agent = get_agent("email_crm")
    found = agent.find_task("segment")
    assert found is not None
    run_id = start_run(agent, found, SegmentBrief(words=words), user_id=None).id
    carry_out_run(run_id)
    db.session.rollback()
    return get_run(run_id)


def draft_of(run: AgentRun) -> SegmentDraft:
    draft = get_result(run, get_version(run.id, run.version))
    assert isinstance(draft, SegmentDraft)
    return draft


@pytest.mark.parametrize(
    ("words", "match", "rules"),
    [
        ("Subscribed and clicked in the last 60 days", "all", ["subscription is subscribed", "clicked within_days 60"]),
        ("People who signed up in the last two weeks", "all", ["created_at within_days 14"]),
        ("everybody tagged vip who never clicked", "all", ["tag has vip", "clicked never None"]),
        ("contacts from the newsletter form", "all", ["source contains newsletter"]),
        ("whose plan is pro and whose city is Berlin", "all", ["attribute.plan is pro", "attribute.city is Berlin"]),
        ("opened or clicked this month", "any", ["opened within_days 30", "clicked within_days 30"]),
        ("did not open in the last year", "all", ["opened not_within_days 365"]),
        ("who unsubscribed in the last week", "all", ["left within_days 7"]),
        ("people at gmail.com", "all", ["email ends_with @gmail.com"]),
        ("with a lead score of at least 40", "all", ["score at_least 40"]),
        ("subscribed people with a score of 50 or more", "all", ["subscription is subscribed", "score at_least 50"]),
        (
            "whose lead score is over 50 and who clicked this month",
            "all",
            ["clicked within_days 30", "score at_least 51"],
        ),
        ("lead score below 20", "all", ["score less_than 20"]),
        ("scored between 20 and 50 points", "all", ["score at_least 20", "score less_than 51"]),
        ("hot leads", "all", ["score at_least 60"]),
        ("people who are hot", "all", ["score at_least 60"]),
        ("hot and warm contacts tagged vip", "all", ["tag has vip", "score at_least 35"]),
        (
            "warm leads who opened in the last week",
            "all",
            ["opened within_days 7", "score at_least 35", "score less_than 60"],
        ),
        ("clicked this month or with a score above 70", "any", ["clicked within_days 30", "score at_least 71"]),
        ("everybody tagged hot", "all", ["tag has hot"]),
        ("those who have gone quiet", "all", ["received within_days 90", "opened not_within_days 90"]),
    ],
)
def test_the_playbook_understands(words: str, match: str, rules: list[str]) -> None:
    understood = read_segment_words(words)
    found = [f"{rule['field']} {rule['operator']} {rule['value']}" for rule in understood.conditions]
    assert (understood.match, found, understood.leftover) == (match, rules, [])


def test_two_edges_of_a_score_hold_together_where_any_rule_is_enough() -> None:
    edges = [
        {"field": "score", "operator": "at_least", "value": 35},
        {"field": "score", "operator": "less_than", "value": 60},
    ]
    understood = read_segment_words("tagged vip or warm leads")
    assert understood.match == "any"
    assert understood.conditions[1:] == [{"match": "all", "rules": edges}]


def test_hot_is_what_the_settings_say_and_a_segment_of_scores_counts_who_has_them(app: Flask) -> None:
    db.session.add_all(Contact(email=f"a{n}@example.org", subscription="subscribed", name="Ada") for n in range(3))
    db.session.commit()
    run = run_words("hot leads")
    assert draft_of(run).count == 0
    assert "not kept yet" in str((run.result or {})["checks"])
    set_scoring(Points({rule.key: rule.points for rule in RULES}, 2, 1), actor="tests")
    score_contacts()
    run = run_words("hot leads")
    assert draft_of(run).rules["rules"] == [{"field": "score", "operator": "at_least", "value": 2}]
    assert "not kept yet" not in str((run.result or {})["checks"])
    assert draft_of(run).count == 3
    assert draft_of(run).reads == "Contacts whose lead score is at least 2."


def test_what_is_not_understood_is_said_and_not_guessed(app: Flask) -> None:
    run = run_words("subscribers who dream of the sea")
    draft = draft_of(run)
    assert draft.not_understood == ["dream of the sea"]
    assert draft.reads
    nothing = run_words("dreamers of the sea")
    assert "No rule was understood" in list_failures(nothing)[0]
    with pytest.raises(Conflict, match="Put this right first"):
        carry_out_now(nothing.id, make_user())


def test_it_is_counted_and_becomes_a_segment_once_and_can_be_undone(app: Flask) -> None:
    db.session.add_all(Contact(email=f"a{n}@example.org", subscription="subscribed") for n in range(3))
    db.session.commit()
    run = run_words("all subscribers")
    assert draft_of(run).count == 3
    person = make_user()
    proposal = carry_out_now(run.id, person)
    assert approve_proposal(proposal.id, person).outcome == proposal.outcome
    segment = get_segment((proposal.outcome or {})["segment_id"])
    assert segment.rules == {
        "match": "all",
        "rules": [{"field": "subscription", "operator": "is", "value": "subscribed"}],
    }
    assert find_address(proposal) == f"/segments/{segment.id}"
    undo_proposal(proposal.id, person)
    assert list_segments() == []


def test_a_name_that_is_taken_gets_a_number(app: Flask) -> None:
    carry_out_now(run_words("all subscribers").id, make_user())
    assert draft_of(run_words("all subscribers")).name == "All subscribers 2"


def answer(**changes: Any) -> dict[str, Any]:
    rules = [{"field": "opened", "operator": "within_days", "value": "30"}]
    return {"name": "Openers", "match": "all", "rules": rules, "not_understood": [], **changes}


def test_the_models_rules_are_checked_read_back_and_counted_by_code(model_app: Flask, server: OpenAIServer) -> None:
    server.answers = [answer()]
    run = run_words("people who opened something lately")
    assert run.provider == "model"
    assert draft_of(run).rules["rules"][0]["value"] == 30
    assert "30 days" in draft_of(run).reads


def test_a_model_may_ask_for_lead_scores_and_is_told_who_is_hot(model_app: Flask, server: OpenAIServer) -> None:
    server.answers = [answer(rules=[{"field": "score", "operator": "at_least", "value": "60"}])]
    run = run_words("our hottest leads")
    assert (run.provider, draft_of(run).rules["rules"][0]["value"]) == ("model", 60)
    assert "hot means at_least 60" in str(server.requests[0]["messages"])


@pytest.mark.parametrize(
    "bad",
    [
        answer(rules=[{"field": "score", "operator": "at_least", "value": "very"}]),
        answer(rules=[{"field": "password_hash", "operator": "is", "value": "x"}]),
        answer(rules=[{"field": "opened", "operator": "drop table", "value": "30"}]),
        answer(rules=[{"field": "opened", "operator": "within_days", "value": "many"}]),
        answer(rules=[{"field": "segment", "operator": "in", "value": "4242"}]),
        answer(rules=[]),
        answer(match="none"),
    ],
)
def test_rules_that_cannot_be_are_repaired_or_left_to_the_playbook(
    model_app: Flask, server: OpenAIServer, bad: dict[str, Any]
) -> None:
    server.answers = [bad, answer()]
    assert run_words("opened in the last 30 days").provider == "model"
    server.answers = [bad]
    run = run_words("opened in the last 30 days")
    assert run.provider == "playbook"
    assert draft_of(run).rules["rules"][0] == {"field": "opened", "operator": "within_days", "value": 30}


def test_no_contact_reaches_the_model(model_app: Flask, server: OpenAIServer, task: Task[Any, Any]) -> None:
    db.session.add(Contact(email="ada.secret@example.org", name="Ada Secret"))
    db.session.commit()
    server.answers = [answer()]
    run_words("opened in the last 30 days")
    assert "secret" not in str(server.requests).lower()
