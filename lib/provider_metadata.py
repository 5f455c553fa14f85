"""What an OpenID provider says about itself (its discovery document), as far as LUX believes it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class ProviderMetadata:
    """Where the provider is spoken with. `end_session_endpoint` is empty where it has none."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str
    names_itself_in_answers: bool

    def end_session_url(self, *, id_token: str, client_id: str, return_to: str) -> str:
        """Where a browser goes to sign out there too; empty where the provider has no such place."""
        if not self.end_session_endpoint:
            return ""
        words = {"id_token_hint": id_token, "client_id": client_id, "post_logout_redirect_uri": return_to}
        return f"{self.end_session_endpoint}{'&' if '?' in self.end_session_endpoint else '?'}{urlencode(words)}"


def read_metadata(answer: object, *, issuer: str, may_be_loopback: bool) -> ProviderMetadata | None:
    """The document as typed values; None when it speaks of another issuer or of addresses that are not private."""
    if not isinstance(answer, Mapping) or str(answer.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        return None
    found = {name: answer.get(name) for name in REQUIRED}
    end = answer.get("end_session_endpoint") or ""
    addresses = [*found.values(), end] if end else [*found.values()]
    if not all(isinstance(url, str) and is_private(url, may_be_loopback=may_be_loopback) for url in addresses):
        return None
    return ProviderMetadata(
        issuer=str(answer["issuer"]),
        authorization_endpoint=str(found["authorization_endpoint"]),
        token_endpoint=str(found["token_endpoint"]),
        jwks_uri=str(found["jwks_uri"]),
        end_session_endpoint=str(end),
        names_itself_in_answers=answer.get("authorization_response_iss_parameter_supported") is True,
    )


def is_private(url: str, *, may_be_loopback: bool) -> bool:
    """Whether nobody on the way can listen: https, or this very machine where that is allowed."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https" and host and parts.username is None:
        return True
    return may_be_loopback and parts.scheme == "http" and is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether the host is this very machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
