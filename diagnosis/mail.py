"""Rules for the mail server: the sign-in, the pace, single addresses, what it does not let through."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from diagnosis.base import (
    AUTHENTICATION,
    CONFIGURATION,
    CONNECTION,
    RESOURCE,
    Find,
    Match,
    Rule,
    Scene,
    Sign,
    Signal,
    finds,
    words,
)
from diagnosis.offers import PAUSE_CHANNEL, RESUME_CHANNEL, SLOW_DOMAIN

_MAIL = re.compile(
    r"^(?:smtplib\.|aiosmtplib\.|channels\.)|^SMTP|(?:^|\.)Channel(?:Error|Refused|Unavailable)$|^ChannelError"
)
_BROAD = (
    "SMTPException", "SMTPResponseException", "SMTPDataError", "SMTPSenderRefused", "SMTPRecipientsRefused",
    "SMTPConnectError", "SMTPHeloError", "SMTPServerDisconnected", "SMTPAuthenticationError", "SMTPNotSupportedError",
    "ChannelError", "ChannelRefused", "ChannelUnavailable",
)  # fmt: skip
_NETWORK = ("ConnectionRefusedError", "TimeoutError", "timeout", "ConnectionResetError", "gaierror", "OSError")
_SOURCES = ("error", "gunicorn", "systemd", "app", "text", "health")


def is_of_mail(signal: Signal) -> bool:
    """Whether the exception is the mail client's or LUX's own, or was raised inside of it."""
    if signal.error_type:
        return _MAIL.search(signal.error_type) is not None or any(
            "/smtplib.py:" in f.partition("\t")[0] for f in signal.frames
        )
    return (
        any(code.startswith("smtp ") for code in signal.codes) or "mail server" in signal.said or _is_of_server(signal)
    )


def _is_of_server(signal: Signal) -> bool:
    return re.match(r"postfix|sendmail|exim|opensmtpd|msmtp", signal.fields.get("program", "")) is not None


def _says(*alternatives: str, codes: tuple[str, ...] = ()) -> Find:
    sign = Sign(
        codes=codes, words=words(*alternatives) if alternatives else None, broad=_BROAD, sources=_SOURCES, calm=_SOURCES
    )

    def find(scene: Scene) -> Match | None:
        hits = [(sign.weigh(s), s) for s in scene.signals if is_of_mail(s)]
        surest = max((weight for weight, _ in hits), default=0.0)
        return Match(tuple(s for weight, s in hits if weight > 0), surest) if surest > 0 else None

    return find


def _sign_in(scene: Scene) -> Match | None:
    by_code = _says(
        r"Username and Password not accepted", r"authentication (?:failed|unsuccessful|credentials invalid)",
        "BadCredentials", "Application-specific password required", "authentication required",
        "offers no way to sign in", "Invalid login", "Must issue a STARTTLS command first",
        "The password is not sent over a connection that is not encrypted", "SMTP AUTH extension not supported",
        codes=("smtp 535", "smtp 534", "smtp 538", "smtp 530", "5.7.8", "5.7.9", "5.7.3"),
    )(scene)  # fmt: skip
    raised = [s for s in scene.signals if s.name in ("SMTPAuthenticationError", "ChannelRefused")]
    fit = [s for s in _joined(by_code, raised) if "smtp 454" not in s.codes and "smtp 421" not in s.codes]
    return Match(tuple(fit), by_code.confidence if by_code else 0.93) if fit else None


def _sender(scene: Scene) -> Match | None:
    found = _says(
        r"sender address rejected", "sender (?:is )?not (?:allowed|authori[sz]ed|verified)",
        "not (?:allowed|authori[sz]ed) to send (?:as|from)", "Email address is not verified", "SendAsDenied",
        "sender domain", "mail from .{0,40}not (?:allowed|owned)",
        codes=("5.1.7", "5.1.8", "5.7.60", "5.7.708"),
    )(scene)  # fmt: skip
    for_good = ("smtp 550", "smtp 553", "smtp 501", "smtp 554")
    raised = [s for s in scene.signals if s.name == "SMTPSenderRefused" and any(c in s.codes for c in for_good)]
    signals = _joined(found, raised)
    return Match(tuple(signals), 0.93) if signals else None


def _policy(scene: Scene) -> Match | None:
    found = _says(
        r"\b(?:SPF|DKIM|DMARC)\b", "unauthenticated (?:email|mail)",
        r"blocked using|\bblacklist|\bblocklist|spamhaus|\bRBL\b|\bDNSBL\b",
        "message (?:rejected|content rejected)|looks like spam|spam message|(?:low|poor) reputation",
        "unsolicited mail",
        codes=("5.7.26", "5.7.23", "5.7.25", "5.7.27", "5.7.509", "5.7.515", "5.7.606", "5.7.28"),
    )(scene)  # fmt: skip
    # A try later is worth it while the answer is a 4xx.
    left = [s for s in found.signals if not any(c.startswith("smtp 4") for c in s.codes)] if found else []
    return Match(tuple(left), found.confidence) if found and left else None


def _address(scene: Scene) -> Match | None:
    found = _says(
        "user unknown", r"no such (?:user|mailbox|recipient|address)",
        "mailbox (?:unavailable|not found|does not exist)", "recipient (?:address )?rejected",
        r"address (?:does not exist|rejected|couldn't be found)", "invalid (?:recipient|mailbox)",
        "bad destination", "unknown (?:user|recipient|address)",
        "account (?:is disabled|has been disabled|does not exist)",
        codes=("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.1", "5.1.0"),
    )(scene)  # fmt: skip
    plain = _says(codes=("smtp 550", "smtp 551", "smtp 553"))(scene)
    signals = _joined(found, plain.signals if plain else ())
    return Match(tuple(signals), found.confidence if found else 0.8) if signals else None


def _hung_up(signal: Signal) -> bool:
    """Whether the network failed under the mail client; a server that says why has another rule."""
    has_reply = any(code.startswith("smtp ") for code in signal.codes)
    if signal.name in ("SMTPServerDisconnected", "SMTPHeloError", "SMTPTimeoutError"):
        return not has_reply
    if signal.name == "SMTPConnectError":
        return not has_reply
    paths = [frame.partition("\t")[0] for frame in signal.frames]
    return signal.name in _NETWORK and any("/smtplib.py:" in path or "smtp_conversation" in path for path in paths)


def _unreachable(scene: Scene) -> Match | None:
    said = _says(
        r"The mail server says -1\b", r"No connection to the mail server", r"No secure connection to the mail server",
        "The mail server closed the connection", "offers no STARTTLS", "STARTTLS extension not supported",
        "Connection unexpectedly closed",
        r"connect to \S{1,120}: (?:Connection (?:refused|timed out)|No route to host)",
    )(scene)  # fmt: skip
    signals = _joined(said, [s for s in scene.signals if _hung_up(s)])
    has_name = not any(s.name == "gaierror" for s in signals)
    cause = (
        "" if has_name else "The mail server's host name is not resolved: SMTP_URL names a wrong host, or the resolver."
    )
    return Match(tuple(signals), 0.93, cause=cause) if signals else None


def _joined(found: Match | None, further: Iterable[Signal]) -> list[Signal]:
    return list(dict.fromkeys([*(found.signals if found else ()), *further]))


# Who is asked first: an answer has one cause, and its number alone may fit several.
_FAMILIES: dict[str, Find] = {
    "sign-in": _sign_in,
    "relay": _says(
        r"relay(?:ing)? (?:access )?(?:denied|not (?:permitted|allowed)|prohibited)", "unable to relay",
        "not permitted to relay", "we do not relay", codes=("5.7.64",),
    ),
    "sender": _sender,
    "policy": _policy,
    "storage": _says("insufficient system (?:storage|resources)", codes=("4.3.1", "5.3.1")),
    "mailbox": _says(
        "mailbox (?:is )?full", "over (?:its )?quota", "storage limit", "out of storage space", codes=("5.2.2", "4.2.2")
    ),
    "size": _says("message (?:size )?exceeds", "message too (?:large|big)", codes=("5.3.4", "5.2.3")),
    "pace": _says(
        "too many (?:connections|messages|recipients|errors|concurrent)", "try again later", "rate (?:limit|exceeded)",
        "throttl", "greylist", "graylist", "temporarily (?:deferred|rejected|blocked|unavailable)",
        "service (?:not|temporarily) (?:available|unavailable)", "sending (?:limit|quota) exceeded",
        "Maximum credits exceeded", "daily user sending",
        codes=(
            "smtp 421", "4.7.0", "4.7.1", "4.7.28", "4.7.26", "4.7.650", "4.4.2", "4.3.2", "4.2.1", "4.2.0", "5.4.5",
            "4.5.3", "smtp 450", "smtp 451", "smtp 452", "smtp 454",
        ),
    ),
    "address": _address,
    "network": _unreachable,
    "other": _says(codes=tuple(f"smtp {code}" for code in (500, 501, 502, 503, 504, 521, 523, 525, 541, 552, 554, 555,
    556, 571))),
}  # fmt: skip


def _claimed_by(family: str) -> Find:
    """What a family finds of the signals that none before it has claimed."""

    def find(scene: Scene) -> Match | None:
        left = scene
        for name, look in _FAMILIES.items():
            found = look(left)
            if name == family:
                return found
            taken = {id(signal) for signal in found.signals} if found else set()
            left = replace(left, signals=tuple(signal for signal in left.signals if id(signal) not in taken))
        return None

    return find


SIGN_IN = Rule(
    key="mail-sign-in-refused",
    row="31",
    class_=AUTHENTICATION,
    cause="The mail server does not accept LUX's sign-in: the app password was changed or revoked, or sign-in "
    "needs another way.",
    find=_claimed_by("sign-in"),
    trap="Trying again and again locks the account.",
    repairs=(PAUSE_CHANNEL,),
    advice=(
        "Pause the channel; the queue keeps every message.",
        "Make a new app password at the mail provider, set it in SMTP_URL, restart LUX, send a test, resume the "
        "channel.",
        "530 or `STARTTLS first`: use smtp:// with port 587 or smtps:// with port 465.",
    ),
)
THROTTLED = Rule(
    key="mail-throttled",
    row="32",
    class_=RESOURCE,
    cause="The mail server asks for a slower pace or a later try (4xx); nothing is refused for good.",
    find=_claimed_by("pace"),
    trap="Sending faster from more connections makes it last longer.",
    repairs=(SLOW_DOMAIN,),
    advice=("Slow down for this domain; LUX tries each message again later. Warm up new senders over days.",),
    gravity=0,
)
ADDRESS = Rule(
    key="mail-address-refused",
    row="32, neighbour",
    class_=CONFIGURATION,
    cause="The mail server does not know this recipient: the address is wrong or gone.",
    find=_claimed_by("address"),
    trap="Sending to dead addresses again costs the sender's good name.",
    advice=("Nothing is to be repaired: LUX marks the contact as bounced and leaves it out from now on.",),
    gravity=0,
)
RELAY = Rule(
    key="mail-relay-refused",
    row="31, neighbour",
    class_=CONFIGURATION,
    cause="The mail server does not pass mail on for LUX: it does not know LUX as one of its own.",
    find=_claimed_by("relay"),
    trap="The recipients are fine: nobody should be marked as bounced for this.",
    repairs=(PAUSE_CHANNEL,),
    advice=(
        "Sign in (user and password in SMTP_URL), use the submission port 587, or let the server trust this machine.",
    ),
)
POLICY = Rule(
    key="mail-policy-refused",
    row="32, neighbour",
    class_=CONFIGURATION,
    cause="The receiving side distrusts the sender: SPF, DKIM or DMARC do not fit, or the address has a bad name.",
    find=_claimed_by("policy"),
    trap="Changing words of the message does not help while the domain's records are wrong.",
    repairs=(PAUSE_CHANNEL,),
    advice=(
        "Settings › Channels checks SPF, DKIM and DMARC and shows the records to set. Ask the list named in the "
        "answer to delist.",
    ),
)
SENDER = Rule(
    key="mail-sender-refused",
    row="31, neighbour",
    class_=CONFIGURATION,
    cause="The mail server does not let this account send as MAIL_FROM.",
    find=_claimed_by("sender"),
    repairs=(PAUSE_CHANNEL,),
    advice=("Verify the sender's address or domain at the provider, or set MAIL_FROM to one that this account owns.",),
)
STORAGE = Rule(
    key="mail-server-storage",
    row="32, neighbour",
    class_=RESOURCE,
    cause="The mail server's own disk is full; it takes nothing for now.",
    find=_claimed_by("storage"),
    trap="It is their disk, not ours.",
    repairs=(SLOW_DOMAIN,),
    advice=("Tell whoever runs the mail server; LUX tries again later.",),
)
MAILBOX = Rule(
    key="mail-mailbox-full",
    row="32, neighbour",
    class_=RESOURCE,
    cause="This recipient's mailbox is full.",
    find=_claimed_by("mailbox"),
    advice=("Nothing is to be repaired; LUX tries again, and counts it as a bounce when it lasts.",),
    gravity=0,
)
TOO_LARGE = Rule(
    key="mail-too-large",
    row="32, neighbour",
    class_=CONFIGURATION,
    cause="The message is larger than the mail server takes.",
    find=_claimed_by("size"),
    advice=("Use smaller pictures, or link to them.",),
    gravity=0,
)
UNREACHABLE = Rule(
    key="mail-server-unreachable",
    row="32, neighbour",
    class_=CONNECTION,
    cause="The mail server does not answer, hangs, or hangs up: network, port, encryption, or the server is down.",
    find=_claimed_by("network"),
    trap="Many hosts block port 25 outwards: 587 or 465 are meant for this.",
    repairs=(PAUSE_CHANNEL,),
    advice=("`openssl s_client -starttls smtp -connect HOST:587` from this machine; check host and port of SMTP_URL.",),
    explains=("connection-failed",),
)
PAUSED = Rule(
    key="mail-channel-paused",
    row="31, neighbour",
    class_=CONFIGURATION,
    cause="The mail channel is paused: nothing is sent over it, and the queue stays.",
    find=finds(
        Sign(
            sources=("health", "app", "error"),
            words=words(r"the (?:mail|e-mail|email) channel is paused", r"^health mail_server \w+: .{0,80}paused"),
        )
    ),
    repairs=(RESUME_CHANNEL,),
    advice=("Send a test message; when it arrives, resume the channel: the queue goes on where it stopped.",),
)
REFUSED = Rule(
    key="mail-refused",
    row="32, neighbour",
    class_=CONFIGURATION,
    cause="The mail server refuses for good (5xx), for a reason that only its own words tell.",
    find=_claimed_by("other"),
    trap="Sending the same again meets the same answer.",
    advice=("Read the server's words in the evidence; they often name a page. Ask whoever runs the server.",),
    gravity=0,
)
