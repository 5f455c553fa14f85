"""Who stands behind a request for a pixel or a link: a person, a machine, or nobody can tell; always with the reason.

To teach it another scanner, add a row to SCANNERS or PROXIES.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

HUMAN, MACHINE, UNSURE = "human", "machine", "unsure"
PROMPT_SECONDS = 5.0
# Programs that say what they are. Lower case; a part of the user agent is enough.
SCANNERS = (
    ("barracuda", "Barracuda's link scanner"),
    ("proofpoint", "Proofpoint's link scanner"),
    ("mimecast", "Mimecast's link scanner"),
    ("safelinks", "Microsoft's link scanner"),
    ("microsoft office existence discovery", "Microsoft Office looking whether the page exists"),
    ("ms-office", "Microsoft Office looking whether the page exists"),
    ("symantec", "Symantec's link scanner"),
    ("trendmicro", "Trend Micro's link scanner"),
    ("fortinet", "Fortinet's link scanner"),
    ("cloudmark", "Cloudmark's link scanner"),
    ("bitdefender", "Bitdefender's link scanner"),
    ("kaspersky", "Kaspersky's link scanner"),
    ("zscaler", "Zscaler's link scanner"),
    ("urlscan", "urlscan"),
    ("virustotal", "VirusTotal"),
    ("slackbot", "Slack's preview"),
    ("facebookexternalhit", "Facebook's preview"),
    ("twitterbot", "X's preview"),
    ("whatsapp/", "WhatsApp's preview"),
    ("telegrambot", "Telegram's preview"),
    ("discordbot", "Discord's preview"),
    ("skypeuripreview", "Skype's preview"),
    ("linkedinbot", "LinkedIn's preview"),
    ("googlebot", "Google's crawler"),
    ("bingbot", "Bing's crawler"),
    ("bingpreview", "Bing's preview"),
    ("headlesschrome", "a browser without a screen"),
    ("phantomjs", "a browser without a screen"),
    ("python-requests", "a program"),
    ("python-urllib", "a program"),
    ("aiohttp", "a program"),
    ("go-http-client", "a program"),
    ("curl/", "a program"),
    ("wget/", "a program"),
    ("java/", "a program"),
    ("okhttp", "a program"),
    ("libwww-perl", "a program"),
    ("apache-httpclient", "a program"),
    ("node-fetch", "a program"),
    ("axios/", "a program"),
)
BOT_WORD = re.compile(r"\b(?:bot|crawler|spider|scanner|preview|monitor)\b|bot/", re.I)
# Mail services that load a picture on somebody's behalf.
PROXIES = (
    ("googleimageproxy", "Gmail's image proxy loads pictures when the message is shown"),
    ("yahoomailproxy", "Yahoo's image proxy"),
)
APPLE_NETWORKS = tuple(ip_network(network) for network in ("17.0.0.0/8", "2620:149::/32", "2403:300::/32"))


@dataclass(frozen=True)
class Visit:
    """What is known of a request."""

    method: str = "GET"
    user_agent: str = ""
    peer: str = ""
    at: datetime | None = None
    purpose: str = ""
    # The browser says that its person does not want to be followed (Global Privacy Control, Do Not Track).
    wants_privacy: bool = False


@dataclass(frozen=True)
class Judgement:
    """Who it was, and why we think so."""

    actor: str
    reason: str = ""


def judge_visit(visit: Visit, sent_at: datetime | None, *, is_click: bool) -> Judgement:
    """Who asked. Machines never trigger anything; unsure ones are shown apart."""
    agent = visit.user_agent.strip()
    lowered = agent.lower()
    if visit.method.upper() == "HEAD":
        return Judgement(MACHINE, "asked for the headers only")
    if "prefetch" in visit.purpose.lower() or "preview" in visit.purpose.lower():
        return Judgement(MACHINE, "a browser loading ahead")
    for word, name in SCANNERS:
        if word in lowered:
            return Judgement(MACHINE, name)
    if BOT_WORD.search(agent):
        return Judgement(MACHINE, "calls itself a bot")
    if not agent:
        return Judgement(MACHINE, "does not say what it is")
    if not is_click:
        return _judge_open(lowered, agent, visit.peer)
    if _seconds_since(sent_at, visit.at) < PROMPT_SECONDS:
        return Judgement(MACHINE, f"clicked within {PROMPT_SECONDS:g} s of delivery")
    return Judgement(HUMAN)


def _judge_open(lowered: str, agent: str, peer: str) -> Judgement:
    if agent == "Mozilla/5.0" or _is_apple(peer):
        return Judgement(MACHINE, "Apple's privacy proxy loads every picture, read or not")
    for word, name in PROXIES:
        if word in lowered:
            return Judgement(UNSURE, name)
    return Judgement(HUMAN)


def _is_apple(peer: str) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in APPLE_NETWORKS)


def _seconds_since(sent_at: datetime | None, at: datetime | None) -> float:
    if sent_at is None:
        return float("inf")
    return ((at or datetime.now(UTC)) - sent_at).total_seconds()
