"""What stands in the way of a launch: each check in words, with the field where it is put right. Blockers block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import select

from campaigns.audience_count import AudienceCount, count_audience
from campaigns.channel_states import find_pause_reason
from campaigns.content import Content, walk_addresses
from campaigns.drafting import content_of
from campaigns.dry_run import DryRun, ensure_dry_run
from campaigns.mail_brand import MailBrand, get_mail_brand
from campaigns.merge_values import VALUES
from campaigns.rendering import UNSUBSCRIBE, CompiledCampaign, render_campaign
from channels import find_channel
from channels.sender_domain import DomainRecord, check_domain, find_sender_domain
from config import current_settings
from extensions import db
from lib.mail_template import Slot
from models import Campaign

Kind = Literal["blocker", "warning", "good", "waiting"]
LARGEST_HTML_BYTES = 102 * 1024
FAR_LARGER = 3
RECENT_CAMPAIGNS = 5
SMALL_AUDIENCE = 500
PLACEHOLDER_HOSTS = ("example.com", "example.org", "example.net", "yourdomain.com", "your-domain.com", "domain.com")
PATH_WORDS = {
    "preheader": "preview text",
    "from_name": "sender’s name",
    "reply_to": "reply address",
    "text": "text part",
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `step` and `field` say where it is put right: a step of the wizard or a page."""

    kind: Kind
    title: str
    text: str = ""
    step: str = ""
    field: str = ""


@dataclass(frozen=True)
class Preflight:
    """Everything that was looked at, the worst first."""

    checks: list[Check]
    count: AudienceCount | None
    dry_run: DryRun | None

    @property
    def blockers(self) -> list[Check]:
        return [check for check in self.checks if check.kind == "blocker"]

    @property
    def is_waiting(self) -> bool:
        """Whether something is still being looked at."""
        return any(check.kind == "waiting" for check in self.checks)

    @property
    def is_ready(self) -> bool:
        """Whether nothing blocks and nothing is still being looked at."""
        return not self.blockers and not self.is_waiting


def check_campaign(campaign: Campaign) -> Preflight:
    """Looks at everything but the DNS; commits what the dry run found."""
    said, brand = content_of(campaign), get_mail_brand()
    compiled = render_campaign(said, brand)
    count = count_audience(campaign.segment_id) if campaign.segment_id else None
    can_render = bool(said.subject and said.blocks and brand.sender_address and not compiled.problems)
    run = ensure_dry_run(campaign, count.will_receive) if count and count.will_receive and can_render else None
    checks = [
        *_check_audience(campaign, count),
        *_check_words(said, compiled),
        *_check_addresses(said),
        *_check_people(run),
        *_check_size(compiled, run),
        *_check_sender(brand, compiled),
        *_check_channel(campaign),
        *_check_time(campaign),
    ]
    order = ("blocker", "waiting", "warning", "good")
    return Preflight(sorted(checks, key=lambda check: order.index(check.kind)), count, run)


def check_sender_domain() -> list[Check]:
    """What the DNS says about the domain in MAIL_FROM: warnings only. Takes two seconds at most; cached."""
    domain = find_sender_domain(current_settings().mail_from)
    if not domain:
        return []
    return [_domain_check(domain, record) for record in check_domain(domain) if record.kind != "MX"]


def _domain_check(domain: str, record: DomainRecord) -> Check:
    if record.state == "pass":
        return Check("good", f"{record.kind} is set up for {domain}")
    if record.state == "unknown":
        return Check("warning", f"{record.kind} of {domain} could not be looked up", record.advice, "channels")
    text = f"{record.advice} Mailbox providers treat mail without it as suspicious."
    return Check("warning", f"{record.kind} is missing for {domain}", text, "channels")


def _check_audience(campaign: Campaign, count: AudienceCount | None) -> Iterator[Check]:
    if count is None:
        yield Check(
            "blocker", "No audience is chosen", "Choose the segment that this goes to.", "audience", "segment_id"
        )
    elif not count.will_receive:
        text = "Nobody is in the segment." if not count.segment else "Nobody in the segment may get your e-mail."
        yield Check("blocker", "Nobody would receive this", text, "audience", "segment_id")
    else:
        yield Check("good", f"{_people(count.will_receive)} will receive it")
        usual = _largest_recent(campaign)
        if usual and count.will_receive > max(usual * FAR_LARGER, SMALL_AUDIENCE):
            text = f"The largest of the last {RECENT_CAMPAIGNS} went to {usual:,} people. Is the segment the right one?"
            title = f"{count.will_receive:,} is far more than usual"
            yield Check("warning", title, text, "audience", "segment_id")


def _check_words(said: Content, compiled: CompiledCampaign) -> Iterator[Check]:
    if not said.subject:
        yield Check("blocker", "The subject is missing", "", "content", "subject")
    if not said.blocks:
        yield Check("blocker", "The message is empty", "Add at least one block.", "content", "blocks")
    for problem in compiled.problems:
        yield Check("blocker", f"{_place(problem.path)}: {problem.text}", "", "content", problem.path.replace(".", "-"))
    has_text = any(isinstance(piece, str) and piece.strip() for piece in compiled.text)
    if said.blocks and not has_text:
        yield Check("blocker", "The text part is missing", "Write one, or add a block with words.", "content", "text")
    for number, block in enumerate(said.blocks):
        if block.kind == "image" and not block.alt:
            title = f"The image in block {number + 1} has no words"
            text = "People whose mailbox hides images, and people who listen, get nothing from it."
            yield Check("warning", title, text, "content", f"blocks-{number}-alt")


def _check_addresses(said: Content) -> Iterator[Check]:
    for path, address in walk_addresses(said):
        parts = urlsplit(address) if "{{" not in address else None
        if parts is None or parts.scheme not in ("http", "https"):
            continue
        host = (parts.hostname or "").removeprefix("www.")
        if host in PLACEHOLDER_HOSTS:
            text = f"{address} is an address for examples."
            yield Check("warning", f"{_place(path)} looks like a placeholder", text, "content", path.replace(".", "-"))
        elif parts.scheme == "http":
            text = f"{address} is not encrypted; readers may be warned."
            yield Check("warning", f"{_place(path)} begins with http:", text, "content", path.replace(".", "-"))


def _check_people(run: DryRun | None) -> Iterator[Check]:
    if run is None:
        return
    if not run.is_done:
        text = "Each recipient’s message is rendered once, to see whether anything is missing."
        yield Check("waiting", f"Looking at {run.checked:,} of {run.people:,} messages", text)
        return
    for name, count in sorted(run.missing.items(), key=lambda item: -item[1]):
        text = (
            f"Say what stands there instead, {{{{{name}|friend}}}}, or that nothing does, {{{{{name}|}}}}. "
            f"Such as {', '.join(run.examples[:3])}."
        )
        meaning = VALUES.get(name, name.removeprefix("attributes."))
        title = f"{_people(count)} without a value for {name}"
        yield Check("blocker", title, f"{meaning}. {text}" if name in VALUES else text, "content", "subject")
    if run.refused:
        text = "A value of theirs holds a line break and cannot stand in the subject. Take the merge tag out of it."
        yield Check("blocker", f"{_people(run.refused)} could not be written to", text, "content", "subject")
    if not run.missing and not run.refused:
        yield Check("good", f"Rendered for all {run.checked:,}: no value is missing")


def _check_size(compiled: CompiledCampaign, run: DryRun | None) -> Iterator[Check]:
    size = compiled.size_bytes
    if size > LARGEST_HTML_BYTES:
        text = "Gmail cuts a message off at 102 KB, and with it the way to unsubscribe. Take something out."
        yield Check("blocker", f"The message is too large: {size / 1024:.0f} KB", text, "content", "blocks")
    elif run is not None and run.is_done:
        yield Check("good", f"The message is {max(1, round(size / 1024))} KB; mailboxes show up to 102 KB")


def _check_sender(brand: MailBrand, compiled: CompiledCampaign) -> Iterator[Check]:
    if not brand.sender_address:
        yield Check("blocker", "No sender is set up", "Set MAIL_FROM to the address that you send from.", "channels")
    if not brand.postal_address:
        text = "The law asks for one in every message. Set POSTAL_ADDRESS."
        yield Check("blocker", "The postal address is missing", text, "channels")
    has_way_out = any(isinstance(piece, Slot) and piece.name == UNSUBSCRIBE for piece in compiled.html)
    if has_way_out:
        yield Check("good", "Everybody can unsubscribe with one click")
    else:
        yield Check("blocker", "The way to unsubscribe is missing", "Add a footer block.", "content", "blocks")


def _check_channel(campaign: Campaign) -> Iterator[Check]:
    channel = find_channel(campaign.channel)
    if channel is not None and channel.is_test_outbox(current_settings()):
        text = "No mail server is set up (SMTP_URL): every message is written to the test outbox and reaches nobody."
        yield Check("warning", "This goes to the test outbox", text, "channels")
    reason = find_pause_reason(campaign.channel)
    if reason is not None:
        yield Check("warning", "The channel is paused", f"{reason} Nothing leaves until it is resumed.", "channels")


def _check_time(campaign: Campaign) -> Iterator[Check]:
    if campaign.scheduled_at is not None and campaign.scheduled_at < datetime.now(UTC):
        yield Check("blocker", "The time it was scheduled for has passed", "Choose another one.", "schedule", "date")


def _largest_recent(campaign: Campaign) -> int | None:
    """The largest of the last campaigns that were launched, or None when there was none."""
    recent = (
        select(Campaign.planned_count)
        .where(Campaign.launched_at.is_not(None), Campaign.id != campaign.id)
        .order_by(Campaign.launched_at.desc())
        .limit(RECENT_CAMPAIGNS)
    )
    return max(db.session.scalars(recent), default=None)


def _place(path: str) -> str:
    """Where in the message, as a person would say it."""
    parts = path.split(".")
    if parts[0] != "blocks":
        return PATH_WORDS.get(path, path).capitalize()
    return f"Block {int(parts[1]) + 1}" if len(parts) > 1 and parts[1].isdecimal() else "The blocks"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"
