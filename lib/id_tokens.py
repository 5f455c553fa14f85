"""What an identity provider says about a person, believed only after each of its claims has been checked.

To check one more claim, add its line to check_id_token() and its reason's sentence to accounts/replit_refusals.py.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.types import Options

ALGORITHM = "RS256"
LEEWAY_SECONDS = 60
LARGEST_TOKEN = 16_384
LONGEST_SUBJECT = 255
# Headers by which a token would bring its own key, or rules of its own.
FORBIDDEN_HEADERS = ("jku", "jwk", "x5u", "x5c", "crit")
REQUIRED = ["iss", "sub", "aud", "exp", "iat"]

# By PyJWT's error, most particular first.
REASONS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "id_token_expired",
    jwt.ImmatureSignatureError: "id_token_from_the_future",
    jwt.InvalidIssuerError: "id_token_issuer",
    jwt.InvalidAudienceError: "id_token_audience",
    jwt.InvalidSignatureError: "id_token_signature",
    jwt.MissingRequiredClaimError: "id_token_claim_missing",
}


class IdTokenInvalid(Exception):
    """The token is not believed; `reason` is the key of its sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Claims:
    """Who the provider says is there. Only issuer and subject make the identity."""

    issuer: str
    subject: str
    email: str
    is_email_verified: bool
    username: str
    name: str


def check_id_token(
    token: object,
    *,
    find_key: Callable[[str], jwt.PyJWK | None],
    issuer: str,
    client_id: str,
    nonce: str | None,
    access_token: str,
) -> Claims:
    """The claims, if every check holds; raises IdTokenInvalid. `nonce` is None after a refresh, where none was sent."""
    if not isinstance(token, str) or not token or len(token) > LARGEST_TOKEN:
        raise IdTokenInvalid("id_token_missing")
    claims = _verified(token, _key(token, find_key), issuer, client_id)
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims:
        raise IdTokenInvalid("id_token_audience")
    if claims.get("azp", client_id) != client_id:
        raise IdTokenInvalid("id_token_audience")
    if nonce is not None and not _is_same(claims.get("nonce"), nonce):
        raise IdTokenInvalid("id_token_nonce")
    # OpenID Connect Core 3.1.3.6 lets the code flow leave at_hash out, and oidc-provider does since its version 9.
    if "at_hash" in claims and not _is_same(claims["at_hash"], at_hash_of(access_token)):
        raise IdTokenInvalid("id_token_at_hash")
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject.strip() or len(subject) > LONGEST_SUBJECT:
        raise IdTokenInvalid("id_token_subject")
    return _claims(claims, issuer, subject)


def at_hash_of(access_token: str) -> str:
    """The left half of the access token's SHA-256 (OpenID Connect Core 3.1.3.6)."""
    return urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()


def _key(token: str, find_key: Callable[[str], jwt.PyJWK | None]) -> jwt.PyJWK:
    header = _header(token)
    if header.get("alg") != ALGORITHM:
        raise IdTokenInvalid("id_token_algorithm")
    if any(name in header for name in FORBIDDEN_HEADERS):
        raise IdTokenInvalid("id_token_header")
    kid = header.get("kid")
    key = find_key(kid) if isinstance(kid, str) and kid else None
    if key is None:
        raise IdTokenInvalid("id_token_key")
    return key


def _header(token: str) -> dict[str, Any]:
    first = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except ValueError as error:
        raise IdTokenInvalid("id_token_malformed") from error
    if not isinstance(header, dict) or token.count(".") != 2:
        raise IdTokenInvalid("id_token_malformed")
    return header


def _verified(token: str, key: jwt.PyJWK, issuer: str, client_id: str) -> dict[str, Any]:
    options: Options = {"require": REQUIRED}
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options=options,
        )
    except jwt.PyJWTError as error:
        reason = next((name for kind, name in REASONS.items() if isinstance(error, kind)), "id_token_malformed")
        raise IdTokenInvalid(reason) from error
    if not all(isinstance(claims[name], int | float) and not isinstance(claims[name], bool) for name in ("exp", "iat")):
        raise IdTokenInvalid("id_token_malformed")
    return claims


def _claims(claims: Mapping[str, Any], issuer: str, subject: str) -> Claims:
    full_name = " ".join(part for part in (_text(claims, "first_name"), _text(claims, "last_name")) if part)
    username = _text(claims, "username")
    email = _text(claims, "email")
    return Claims(
        issuer=issuer,
        subject=subject,
        email=email,
        is_email_verified=claims.get("email_verified") is True,
        username=username,
        name=full_name or username or email.partition("@")[0],
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    shown = "".join(sign for sign in value if sign.isprintable()) if isinstance(value, str) else ""
    return " ".join(shown.split())[:200]


def _is_same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), expected.encode())
