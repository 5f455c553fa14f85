"""Two LUXes to look at: one as it is on its first day, one with people, campaigns, drafts and a few mishaps in it.

A new page is found by itself through the map. If its address has a part that no page had before, give that part a
value in `make_full`.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule

from accounts.first_start import find_owner_token
from accounts.invitations import invite
from accounts.letters import NEW_ADDRESS, RESET
from accounts.one_time_links import add_link
from accounts.tokens import add_token
from accounts.webhook_credentials import add_credential
from agents import AGENTS
from agents.proposals import add_proposal
from agents.runner import carry_out_run
from agents.runs import start_run
from agents.schedules import add_schedule
from analytics.conversion_rules import change_rules
from analytics.conversions import take_from_server
from analytics.days import sum_days
from analytics.people import sum_cohorts
from audience.imports import ImportOptions, add_import, check_import
from audience.sample import add_sample_data
from campaigns.launching import launch_campaign, start_campaign
from campaigns.mail_links import CONFIRM, make_link_signer
from campaigns.sending import send_due_messages
from channels.outbox import get_outbox_message, list_outbox_messages
from chatbot import carry_out
from config import current_settings
from conversation.turns import Asker, start_turn
from creative.drawings import add_drawings, read_design
from error_logger import error_logger
from extensions import db
from lib.networks import EMAIL_HEADER
from models import Asset, Contact, ErrorGroup, IntakeBody, User
from planning.ad_plans import AdFacts, PlanFacts, add_ad, change_audience
from planning.ad_plans import add_plan as add_ad_plan
from receipts.actors import Actor
from receipts.plans import StepDraft, add_plan, list_steps
from tests import makers
from tests.audience.people_scene import add_people_work
from tests.campaigns.ledger_scene import make_contacts
from tests.publishing.publishing_scene import add_publishing
from tests.servers import Lux

PAYLOADS = Path(__file__).parent.parent / "fixtures" / "webhook_payloads.json"
CSV = b"Email,Name,City\nann@example.com,Ann,Paris\nno address,Bo,Rome\nann@example.com,Ann twice,Paris\n"
SETTINGS: dict[str, Any] = {
    "MAIL_FROM": "Lumen Tea <hello@lumen.example>",
    "POSTAL_ADDRESS": "Lumen Tea, 1 Harbour Street, Springfield",
}
# Whose signed part of a letter's link opens which page.
TOKEN_PARTS = {
    "public.click": "c",
    "public.opened": "o",
    "public.ask": "u",
    "public.view": "v",
    "public.preferences": "p",
}


@dataclass
class Scene:
    """A LUX, who looks at it, and what stands for each part of an address."""

    lux: Lux
    name: str
    app: Flask
    owner_cookie: str = ""
    waiting_cookie: str = ""
    values: dict[str, str | int] = field(default_factory=dict)
    of_area: dict[str, dict[str, str | int]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def list_addresses(self) -> list[tuple[str, str]]:
        """Each page's name and address, as far as this LUX has something to show there."""
        rules = sorted(self.app.url_map.iter_rules(), key=lambda rule: rule.rule)
        pages = [rule for rule in rules if "GET" in (rule.methods or ()) and rule.endpoint != "assets.send_asset"]
        readable = [(rule.endpoint, self.address_of(rule)) for rule in pages]
        return [(endpoint, address) for endpoint, address in readable if address is not None]

    def address_of(self, rule: Rule) -> str | None:
        """The rule with its parts filled in, or None where this LUX has no such row."""
        values = {**self.values, **self.of_area.get(rule.endpoint.split(".")[0], {}), **self.tokens_of(rule.endpoint)}
        if not rule.arguments <= set(values):
            assert self.name == "empty", f"{rule.rule} needs a value for {rule.arguments - set(values)} in make_full"
            return None
        with self.app.test_request_context():
            return str(self.app.url_map.bind("").build(rule.endpoint, {name: values[name] for name in rule.arguments}))

    def tokens_of(self, endpoint: str) -> dict[str, str]:
        part = TOKEN_PARTS.get(endpoint, endpoint)
        return {"token": self.tokens[part]} if part in self.tokens else {}


def make_empty(lux: Lux) -> Scene:
    """A LUX that has just been started."""
    app = lux.make_app()
    with app.app_context():
        token = find_owner_token()
        assert token is not None
        scene = Scene(lux, "empty", app, tokens={"first_start.make_owner": token}, values=always(app))
        add_people(scene)
    return scene


def make_full(lux: Lux) -> Scene:
    """A LUX at work."""
    app = lux.make_app()
    scene = Scene(lux, "full", app)
    with app.app_context():
        owner_id = int(add_people(scene).id)
        add_sample_data(actor="Ada")
        for number in range(6):
            makers.make_contact(name=f"Reader {number}", tags="tea lover")
        segment_id = int(makers.make_segment(name="Readers").id)
        draft_id = int(makers.make_campaign(name="Autumn letter", segment_id=segment_id).id)
        sent_id = int(makers.make_campaign(name="Spring sale", segment_id=segment_id).id)
        launch_campaign(sent_id, owner_id, grace_seconds=0)
        start_campaign(sent_id)
        report = send_due_messages(sent_id)
        assert report.sent, report
        scheduled = makers.make_campaign(name="Scheduled letter", segment_id=segment_id)
        launch_campaign(scheduled.id, owner_id, grace_seconds=86_400)
        owner = db.session.get_one(User, owner_id)
        add_conversions(owner)
        run_id = add_agent_run(owner_id)
        proposal = add_proposal(run_id)
        add_schedule(run_id, every="week", hour=8, user_id=owner_id)
        made = add_import("people.csv", CSV, actor="Ada", user_id=owner_id)
        check_import(made.id, ImportOptions(columns={0: "email", 1: "name", 2: "attribute"}))
        post_bodies(lux)
        group_id = add_error()
        contact_id = db.session.scalars(select(Contact.id).order_by(Contact.id)).first()
        dead_id = db.session.scalars(select(IntakeBody.id).where(IntakeBody.state == "dead")).first()
        assert contact_id is not None
        assert dead_id is not None
        folder = current_settings().lux_data_dir / "outbox"
        letters = list_outbox_messages(folder)
        scene.tokens |= tokens_in(get_outbox_message(folder, letters[0].name))
        _, token = invite(email="new@lumen.example", name="New Person", role="viewer", by=owner, peer="127.0.0.1")
        assert token is not None
        scene.tokens["users.accept"] = token
        (asked_id,) = make_contacts(1, domain="asked.example", subscription="pending")
        signer = make_link_signer(current_settings().session_secrets)
        scene.tokens["public.question"] = signer.sign(CONFIRM, asked_id)
        scene.tokens["first_start.make_owner"] = "spent"
        drawn = add_pictures()
        scene.tokens["media.show"] = drawn.public_token
        scene.tokens["password_reset.choose"] = add_link(RESET, user_id=owner_id, hours=1)
        new_address = {"address": "ada.new@lumen.example"}
        scene.tokens["profile.confirm_address"] = add_link(NEW_ADDRESS, user_id=owner_id, hours=1, detail=new_address)
        add_token("Backup script", scopes=["operator"], days=30, by=owner, peer="127.0.0.1")
        # The wizard and its versions show a draft; everything else of a campaign shows one that was sent.
        draft_areas = ("campaign_wizard", "campaign_versions", "library")
        scene.of_area = {area: {"campaign_id": draft_id} for area in draft_areas}
        scene.of_area["ad_plans"] = {"key": "google"}
        scene.values = {
            **always(app),
            "campaign_id": sent_id,
            "contact_id": contact_id,
            "segment_id": segment_id,
            "import_id": made.id,
            "table": "campaigns",
            "body_id": dead_id,
            "run_id": run_id,
            "proposal_id": proposal.id,
            "group_id": group_id,
            "asset_id": drawn.id,
            "ending": "png",
            **add_ads(segment_id, drawn.id),
            "key": "email_crm",
            "number": 1,
            "name": letters[0].name,
            **add_conversation(owner_id),
            **add_publishing(owner_id),
            **add_people_work(owner_id),
            "step_id": add_repair_step(group_id),
        }
        db.session.commit()
        db.session.remove()
    return scene


def add_conversions(owner: User) -> None:
    """A site that reports, a purchase that an advertisement brought, and the sums of all that happened."""
    change_rules(sites="https://shop.example", names="purchase", window_days="30", by=owner, peer="127.0.0.1")
    words = {"utm_source": "search", "utm_medium": "cpc", "utm_campaign": "spring"}
    take_from_server({"name": "purchase", "key": "A-1", "value": 49.9, "currency": "EUR", **words})
    sum_days()
    sum_cohorts()


def add_pictures() -> Asset:
    """An uploaded picture, and one that LUX drew."""
    makers.make_asset()
    design = read_design({"headline": "The first flush is here", "call": "Try a cup", "name": "Lumen Tea"})
    return add_drawings(design, [EMAIL_HEADER], name="First flush", alt="The first flush is here", made_by="Ada")[0]


def add_ads(segment_id: int, asset_id: int) -> dict[str, str | int]:
    """A plan of advertising with an ad, an audience and a file; their ids."""
    parts = [("Search ads", 60), ("Tests", 40)]
    facts = PlanFacts("Spring tea", "sales", "Calmly.", "https://tea.example", "EUR", "900", parts=parts)
    plan = add_ad_plan(facts, made_by="Ada")
    lines = ["First flush tea", "From one garden", "Free returns"]
    ad = add_ad(plan.id, AdFacts("google_search", "Tea", lines, lines[:2], asset_id=asset_id))
    audience = change_audience(plan.id, segment_id, is_excluded=False)
    return {"plan_id": plan.id, "ad_id": ad.id, "audience_id": audience.id}


def add_error() -> int:
    """An error with its trace; its group's id."""
    try:
        raise ConnectionError("The mail server refused message 7.")
    except ConnectionError as error:
        error_logger().capture(error, place="task send_due_messages")
    assert error_logger().flush_now()
    return int(db.session.scalars(select(ErrorGroup.id)).one())


def add_repair_step(group_id: int) -> int:
    """A plan for the group with a step that waits for somebody; the step's id."""
    group = db.session.get_one(ErrorGroup, group_id)
    text = "Mark as noise (mark_noise)"
    plan = add_plan(
        group=group,
        error_id=None,
        actor=Actor("Ada"),
        mode="diagnose",
        diagnosis={"rule": "scanner-noise", "cause": "A scanner.", "class": "code", "confidence": 0.9, "evidence": []},
        facts={},
        fix_steps=["Mark as noise (mark_noise): LUX may do this by itself."],
        baseline=[],
        steps=[StepDraft("mark_noise", "A", "planned", None, text, "0" * 64)],
    )
    return int(list_steps(plan.id)[0].id)


def always(app: Flask) -> dict[str, str | int]:
    """What every LUX has, whatever is in it."""
    return {"key": AGENTS[0].key, "document": "readme"}


def add_conversation(user_id: int) -> dict[str, str | int]:
    """A question to LUX with its answer; the ids of both."""
    turn, _ = start_turn(Asker(f"user {user_id}", "Ada", "owner", user_id), "How many people can I write to?")
    ids: dict[str, str | int] = {"conversation_id": turn.conversation_id or 0, "turn_id": turn.id}
    carry_out(turn.id)
    return ids


def add_people(scene: Scene) -> User:
    """The owner, and somebody who waits for a role; their browsers' cookies."""
    owner = makers.make_user(role="owner", email="ada@lumen.example")
    waiting = makers.make_user(role=None, email="waiting@lumen.example")
    scene.owner_cookie = cookie_of(makers.signed_in_client(scene.app, owner))
    scene.waiting_cookie = cookie_of(makers.signed_in_client(scene.app, waiting))
    db.session.commit()
    return owner


def cookie_of(client: FlaskClient) -> str:
    cookie = client.get_cookie(str(client.application.config["SESSION_COOKIE_NAME"]))
    assert cookie is not None
    return cookie.value


def add_agent_run(owner_id: int) -> int:
    """A finished draft of Email & CRM, by its playbook."""
    agent = next(agent for agent in AGENTS if agent.key == "email_crm")
    task = agent.tasks[0]
    brief = task.brief.model_validate(dict(task.examples[0].values))
    run = start_run(agent, task, brief, user_id=owner_id, way="playbook")
    run_id = int(run.id)
    carry_out_run(run_id)
    return run_id


def post_bodies(lux: Lux) -> None:
    """The real bodies of the fixtures, some of which are refused."""
    made = add_credential("Zapier", by=None)
    login = base64.b64encode(f"{made.username}:{made.password}".encode()).decode()
    for payload in json.loads(PAYLOADS.read_text()):
        headers = {"Authorization": f"Basic {login}", "Content-Type": payload["content_type"]}
        lux.request("POST", "/api/webhook/zapier-contact", base64.b64decode(payload["body_base64"]), headers)


def tokens_in(letter: EmailMessage) -> dict[str, str]:
    """The signed parts of a letter's own links, by the first part of their path."""
    html = letter.get_body(("html",))
    assert html is not None
    text = str(letter["List-Unsubscribe"]) + html.get_content()
    return dict(re.findall(r"/([covup])/([\w.-]+)", text))
