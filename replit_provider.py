"""The door to the identity provider: its description, its keys, its tokens; each answer checked before it is used.

Replit's own facts stand in the settings (ISSUER_URL, REPL_ID). Everything that goes wrong becomes a Refused with its
reason.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from flask import current_app
from oauthlib.oauth2 import OAuth2Error

from accounts.replit_refusals import Refused
from accounts.replit_tokens import Tokens
from config import allow_plain_http_on_loopback, current_settings
from errors import NotFound
from lib.id_tokens import Claims, IdTokenInvalid, check_id_token
from lib.provider_metadata import ProviderMetadata, read_metadata
from lib.signing_keys import SigningKeys

TIMEOUT_SECONDS = (3.05, 5.0)
LONGEST_ANSWER_SECONDS = 10.0
LARGEST_ANSWER = 262_144
DESCRIPTION_SECONDS = 3600.0
ASK_AGAIN_SECONDS = 5.0
USUAL_TOKEN_SECONDS = 3600
TOKEN_ERRORS = {
    "invalid_grant": "token_refused",
    "missing_token": "token_answer_unusable",
    "insecure_transport": "provider_misconfigured",
    "server_error": "provider_unreachable",
    "temporarily_unavailable": "provider_unreachable",
}

# These write tokens into their debug records.
for name in ("requests_oauthlib", "oauthlib", "flask_dance"):
    logging.getLogger(name).setLevel(logging.WARNING)


class Provider:
    """The provider of one app: its description and its keys, fetched once for all threads."""

    def __init__(self, issuer: str, client_id: str, *, may_be_loopback: bool) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.keys = SigningKeys(lambda: fetch_json(self.describe().jwks_uri))
        self._may_be_loopback = may_be_loopback
        self._lock = threading.Lock()
        self._description: ProviderMetadata | None = None
        self._described_at = self._failed_at = float("-inf")

    def describe(self) -> ProviderMetadata:
        """The discovery document, an hour old at most; raises Refused. A provider that is away is not asked by all."""
        with self._lock:
            now = time.monotonic()
            if self._description is not None and now - self._described_at < DESCRIPTION_SECONDS:
                return self._description
            if now - self._failed_at < ASK_AGAIN_SECONDS:
                raise Refused("provider_unreachable")
            try:
                self._description = self._fetch()
            except Refused:
                self._failed_at = time.monotonic()
                raise
            self._described_at = time.monotonic()
            return self._description

    def check(self, tokens: Tokens, nonce: str | None) -> Claims:
        """Who the id_token speaks of; raises Refused unless every check holds."""
        try:
            return check_id_token(
                tokens.id_token,
                find_key=self.keys.find,
                issuer=self.describe().issuer,
                client_id=self.client_id,
                nonce=nonce,
                access_token=tokens.access_token,
            )
        except IdTokenInvalid as error:
            raise Refused(error.reason) from error

    def _fetch(self) -> ProviderMetadata:
        answer = fetch_json(f"{self.issuer}/.well-known/openid-configuration")
        found = read_metadata(answer, issuer=self.issuer, may_be_loopback=self._may_be_loopback)
        if found is None:
            raise Refused("provider_misconfigured")
        return found


def get_provider() -> Provider:
    """The provider of this app; raises NotFound where REPL_ID is not set."""
    settings = current_settings()
    if not settings.repl_id:
        raise NotFound("Sign in with Replit is not set up here. Sign in by e-mail and password.")
    found: Provider | None = current_app.extensions.get("lux_replit")
    if found is None:
        may_be_loopback = not settings.is_production
        if may_be_loopback and settings.issuer_url.startswith("http://"):
            allow_plain_http_on_loopback()
        made = Provider(settings.issuer_url, settings.repl_id, may_be_loopback=may_be_loopback)
        found = current_app.extensions.setdefault("lux_replit", made)
    return found


def asked_for_tokens(ask: Callable[[], Any]) -> Tokens:
    """Whatever becomes of a call to the token endpoint: tokens, or Refused."""
    try:
        answer = dict(ask())
    except requests.RequestException as error:
        raise Refused("provider_unreachable") from error
    except OAuth2Error as error:
        raise Refused(TOKEN_ERRORS.get(error.error or "", "client_refused")) from error
    except (ValueError, TypeError) as error:
        raise Refused("token_answer_unusable") from error
    access, refresh, identity = (answer.get(name) for name in ("access_token", "refresh_token", "id_token"))
    if not isinstance(access, str) or not isinstance(refresh, str | None) or not isinstance(identity, str | None):
        raise Refused("token_answer_unusable")
    seconds = answer.get("expires_in")
    lasts = int(seconds) if isinstance(seconds, int | float) and 0 < seconds < 10**8 else USUAL_TOKEN_SECONDS
    return Tokens(access, refresh or None, identity or None, lasts)


def check_token_answer(response: requests.Response) -> requests.Response:
    """Lets only JSON objects of a provider in good health through to oauthlib; raises Refused."""
    if response.status_code >= 500 or response.status_code == 429 or 300 <= response.status_code < 400:
        raise Refused("provider_unreachable")
    try:
        is_object = len(response.content) <= LARGEST_ANSWER and isinstance(response.json(), dict)
    except ValueError:
        is_object = False
    if not is_object:
        raise Refused("token_answer_unusable")
    return response


def fetch_json(url: str) -> object:
    """A small JSON document of the provider; raises Refused. Follows no redirect and waits for nobody."""
    deadline = time.monotonic() + LONGEST_ANSWER_SECONDS
    try:
        with requests.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True) as response:
            content = b""
            for piece in response.iter_content(16_384):
                content += piece
                if len(content) > LARGEST_ANSWER or time.monotonic() > deadline:
                    raise Refused("provider_unreachable")
            if response.status_code != 200:
                raise Refused("provider_unreachable")
    except requests.RequestException as error:
        raise Refused("provider_unreachable") from error
    try:
        return json.loads(content)
    except ValueError as error:
        raise Refused("provider_misconfigured") from error
