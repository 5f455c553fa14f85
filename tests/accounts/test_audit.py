"""The audit trail only grows, and each deed of a person is in it under their name."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from accounts.audit import add_audit_entry
from agents import AGENTS
from agents.proposals import add_proposal, approve_proposal
from agents.runner import carry_out_run
from agents.runs import start_run
from audience.imports import add_import
from campaigns.channel_states import pause_channel, resume_channel
from campaigns.launching import launch_campaign, take_back
from campaigns.test_sends import send_test
from extensions import db
from models import AuditEntry, User
from receipts.actors import CLOCK, Actor
from receipts.ledger import add_receipt
from tests import makers


def add_entry(user: User) -> int:
    add_audit_entry("role_changed", actor=user.name, user_id=user.id, subject="mia@lumen.example", role="viewer")
    db.session.commit()
    return int(db.session.scalars(select(AuditEntry.id)).one())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor = 'nobody'",
        "UPDATE audit_entries SET user_id = NULL, actor = 'nobody'",
        "UPDATE audit_entries SET detail = '{}'",
        "UPDATE audit_entries SET user_id = (SELECT max(id) FROM users)",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "TRUNCATE users CASCADE",
    ],
)
def test_the_audit_trail_is_append_only_in_the_database(app: Flask, database_url: str, statement: str) -> None:
    add_entry(makers.make_user())
    makers.make_user()
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match="append-only"),
    ):
        connection.execute(statement)


def test_an_entry_outlives_the_user_it_tells_of(app: Flask) -> None:
    user = makers.make_user()
    name, entry_id = user.name, add_entry(user)
    db.session.execute(delete(User).where(User.id == user.id))
    db.session.commit()
    kept = db.session.get_one(AuditEntry, entry_id, populate_existing=True)
    assert (kept.user_id, kept.actor) == (None, name)


def tell(action: str) -> tuple[str, str | None, int | None]:
    """Who, about what, and whose account the newest entry of an action names."""
    db.session.rollback()
    newest = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id.desc())
    entry = db.session.scalars(newest).first()
    assert entry is not None, f"nothing tells of {action}"
    return entry.actor, entry.subject, entry.user_id


def test_a_launch_and_what_follows_it_name_the_person(app: Flask) -> None:
    user = makers.make_user(role="marketer")
    makers.make_contact()
    campaign = makers.make_campaign(segment_id=makers.make_segment().id)
    name, campaign_id, user_id = user.name, campaign.id, user.id
    launch_campaign(campaign_id, user_id, grace_seconds=3600)
    assert tell("campaign_launched") == (name, f"campaign {campaign_id}", user_id)
    take_back(campaign_id, user_id)
    assert tell("campaign_taken_back") == (name, f"campaign {campaign_id}", user_id)
    pause_channel("email", "a test", user_id)
    assert tell("channel_paused") == (name, "email", user_id)
    resume_channel("email", user_id)
    assert tell("channel_resumed") == (name, "email", user_id)


def test_a_test_message_names_the_person_and_its_address(app: Flask) -> None:
    user = makers.make_user(role="marketer")
    campaign = makers.make_campaign()
    name, campaign_id, user_id = user.name, campaign.id, user.id
    send_test(campaign_id, "friend@lumen.example", by_user_id=user_id)
    assert tell("test_message_sent") == (name, f"campaign {campaign_id}", user_id)


def test_an_export_names_the_person(sign_in: Callable[..., FlaskClient]) -> None:
    user = makers.make_user(role="marketer")
    makers.make_contact()
    name, user_id = user.name, user.id
    sign_in(user=user).post("/contacts/export").get_data()
    assert tell("contacts_exported") == (name, None, user_id)


def test_an_import_and_its_undoing_name_the_person(sign_in: Callable[..., FlaskClient]) -> None:
    other, user = makers.make_user(role="marketer"), makers.make_user(role="marketer")
    name, user_id = user.name, user.id
    made = add_import("people.csv", b"email\nann@example.com\n", actor=other.name, user_id=other.id).id
    client = sign_in(user=user)
    client.post(f"/contacts/imports/{made}/check", data={"column-0": "email"})
    client.post(f"/contacts/imports/{made}/start")
    assert tell("import_started") == (name, "people.csv", user_id)
    client.post(f"/contacts/imports/{made}/undo")
    assert tell("import_undone") == (name, "people.csv", user_id)


def test_a_repair_names_who_did_it_and_its_receipt(app: Flask) -> None:
    user = makers.make_user(role="operator")
    name, user_id = user.name, user.id
    receipt = add_receipt("switch", Actor(name, user_id), note="Stopped.")
    receipt_id = receipt.id
    db.session.commit()
    assert tell("repair_switch") == (name, "all repairs", user_id)
    assert db.session.scalars(select(AuditEntry)).one().detail["receipt"] == receipt_id


def test_a_verification_is_proof_and_no_deed(app: Flask) -> None:
    add_receipt("verification", CLOCK)
    db.session.commit()
    assert db.session.scalars(select(AuditEntry)).all() == []


def test_an_approval_names_the_person(app: Flask) -> None:
    user = makers.make_user(role="marketer")
    agent = next(agent for agent in AGENTS if agent.key == "email_crm")
    task = agent.tasks[0]
    run = start_run(
        agent, task, task.brief.model_validate(dict(task.examples[0].values)), user_id=user.id, way="playbook"
    )
    run_id, name, user_id = run.id, user.name, user.id
    carry_out_run(run_id)
    proposal_id = add_proposal(run_id).id
    approve_proposal(proposal_id, db.session.get_one(User, user_id), peer="203.0.113.9")
    assert tell("proposal_approved") == (name, f"proposal {proposal_id}", user_id)
