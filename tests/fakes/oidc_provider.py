"""An OpenID provider over real HTTP that signs with real keys, keeps its protocol strictly, and lies on request.

with OidcProvider() as provider:
    app = make_app(REPL_ID=provider.client_id, ISSUER_URL=provider.issuer)
    provider.people["17"] = {"email": "ada@lumen.example"}   # who may sign in, by subject
    provider.lies = ["id_token_nonce"]                         # how the next answers misbehave, in order
    provider.requests                                          # paths that were asked, with their parameters

The person at the provider is named by the header X-Person, otherwise it is the first one.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import json
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENT_ID = "11111111-2222-4333-8444-555555555555"
PLANTED = "<script>alert('from the provider')</script>"


@dataclass
class Grant:
    """What a person has let the client do."""

    subject: str
    nonce: str
    challenge: str
    redirect_uri: str
    is_spent: bool = False


@dataclass
class Refresh:
    """A chain of refresh tokens: the newest is good, an older one ends them all."""

    subject: str
    newest: str
    is_ended: bool = False
    olds: set[str] = field(default_factory=set)


class OidcProvider:
    """Stands on a free port of the loopback from `with` to its end, at /oidc."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reset()
        key_of(self.kid)  # now: threads that met without it would each make their own
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def reset(self) -> None:
        """Becomes honest, and forgets everything."""
        self.client_id = CLIENT_ID
        self.people: dict[str, dict[str, Any]] = {}
        self.lies: list[str] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.seconds = 3600
        self.rotates_refresh_tokens = True
        self.sends_refresh_tokens = True
        self.delay_seconds = 0.0
        self.kid = "first"
        self.published = ["first"]
        self.codes: dict[str, Grant] = {}
        self.chains: list[Refresh] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def issuer(self) -> str:
        return f"{self.origin}/oidc"

    def __enter__(self) -> OidcProvider:
        self._server.socket.listen(1024)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Goes away: from now on nobody answers."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()

    def rotate_key(self, kid: str) -> None:
        """Signs with a new key from now on, and publishes it alone."""
        self.kid, self.published = kid, [kid]

    def asked(self, path: str) -> list[dict[str, str]]:
        """The parameters of every request for a path."""
        return [parameters for asked, parameters in self.requests if asked == f"/oidc/{path}"]

    def note(self, path: str, parameters: dict[str, str]) -> None:
        with self.lock:
            self.requests.append((path, parameters))

    def next_lie(self, *kinds: str) -> str:
        """The next lie, if it is one of these kinds."""
        with self.lock:
            if self.lies and self.lies[0].startswith(kinds):
                return self.lies.pop(0)
        return ""

    def claims_of(self, subject: str, nonce: str, access_token: str) -> dict[str, Any]:
        now = int(time.time())
        person = {"email": f"person{subject}@lumen.example", "username": f"person{subject}", "last_name": None}
        return {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": subject,
            "iat": now,
            "exp": now + 3600,
            "nonce": nonce,
            "at_hash": left_half(access_token),
            **person,
            **self.people.get(subject, {}),
        }


Lie = Callable[[dict[str, Any]], dict[str, Any]]
NOW = time.time
# Not a lie: the code flow may leave at_hash out.
WITHOUT_AT_HASH = "without at_hash"
CLAIM_LIES: dict[str, Lie] = {
    "id_token_nonce": lambda claims: claims | {"nonce": "another"},
    "id_token_nonce missing": lambda claims: without(claims, "nonce"),
    "id_token_audience": lambda claims: claims | {"aud": "another-application"},
    "id_token_audience several without azp": lambda claims: claims | {"aud": [CLIENT_ID, "another-application"]},
    "id_token_audience wrong azp": lambda claims: claims | {"aud": [CLIENT_ID, "other"], "azp": "other"},
    "id_token_audience azp alone": lambda claims: claims | {"azp": "other"},
    "id_token_issuer": lambda claims: claims | {"iss": "https://evil.example/oidc"},
    "id_token_at_hash": lambda claims: claims | {"at_hash": left_half("another token")},
    "id_token_at_hash null": lambda claims: claims | {"at_hash": None},
    "id_token_at_hash empty": lambda claims: claims | {"at_hash": ""},
    "id_token_claim_missing exp": lambda claims: without(claims, "exp"),
    "id_token_claim_missing iat": lambda claims: without(claims, "iat"),
    "id_token_claim_missing sub": lambda claims: without(claims, "sub"),
    "id_token_claim_missing aud": lambda claims: without(claims, "aud"),
    "id_token_claim_missing iss": lambda claims: without(claims, "iss"),
    "id_token_subject": lambda claims: claims | {"sub": "  "},
    "id_token_subject too long": lambda claims: claims | {"sub": "9" * 300},
    "id_token_expired": lambda claims: claims | {"iat": int(NOW()) - 7200, "exp": int(NOW()) - 90},
    "id_token_from_the_future": lambda claims: claims | {"iat": int(NOW()) + 600},
}
HEADER_LIES: dict[str, dict[str, Any]] = {
    "id_token_header jku": {"jku": "https://evil.example/jwks"},
    "id_token_header jwk": {"jwk": {"kty": "RSA"}},
    "id_token_header x5u": {"x5u": "https://evil.example/cert"},
    "id_token_header crit": {"crit": ["exp"]},
    "id_token_key none": {"kid": None},
    "id_token_key unknown": {"kid": "nobody-knows"},
}
ALGORITHM_LIES = ("id_token_algorithm none", "id_token_algorithm HS256", "id_token_signature", "id_token_key weak")
SHAPE_LIES = {
    "id_token_missing": None,
    "id_token_malformed": "not.a.token",
    "id_token_missing too large": "e" * 20_000,
}
TOKEN_LIES: dict[str, tuple[int, str, str]] = {
    "provider_unreachable 500": (500, "text/html", f"<h1>Oops</h1>{PLANTED}"),
    "provider_unreachable 429": (429, "application/json", '{"error": "slow_down"}'),
    "provider_unreachable redirect": (302, "text/plain", ""),
    "token_answer_unusable html": (200, "text/html", "<p>Hello</p>"),
    "token_answer_unusable list": (200, "application/json", "[1, 2]"),
    "token_answer_unusable empty": (200, "application/json", "{}"),
    "token_answer_unusable number": (200, "application/json", '{"access_token": 7, "token_type": "Bearer"}'),
    "token_refused": (400, "application/json", f'{{"error": "invalid_grant", "error_description": "{PLANTED}"}}'),
    "client_refused": (401, "application/json", '{"error": "invalid_client"}'),
}
ANSWER_LIES: dict[str, list[tuple[str, str]]] = {
    "duplicate_parameter": [("state", "again")],
    "duplicate_parameter code": [("code", "again")],
    "provider_refused_access": [("error", "access_denied"), ("error_description", PLANTED)],
    "provider_error": [("error", PLANTED), ("error_description", PLANTED), ("error_uri", "javascript:alert(1)")],
}
# Every lie is named for the reason with which it is refused.
ID_TOKEN_LIES = [*CLAIM_LIES, *HEADER_LIES, *ALGORITHM_LIES, *SHAPE_LIES]
ALL_LIES = [
    *ID_TOKEN_LIES,
    *TOKEN_LIES,
    *ANSWER_LIES,
    "answer_from_another_issuer",
    "code_missing",
    "state_missing",
    "state_unknown",
]


def left_half(text: str) -> str:
    """at_hash, written down here a second time on purpose."""
    return encoded(hashlib.sha256(text.encode()).digest()[:16])


def encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}


@functools.cache
def key_of(kid: str) -> RSAPrivateKey:
    """The private key of that id, the same for the whole run."""
    return generate_private_key(public_exponent=65537, key_size=1024 if kid == "weak" else 2048)


def jwk_of(kid: str) -> dict[str, Any]:
    numbers = key_of(kid).public_key().public_numbers()
    n, e = (encoded(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.n, numbers.e))
    return {"kty": "RSA", "n": n, "e": e, "kid": kid, "alg": "RS256", "use": "sig"}


def sign(provider: OidcProvider, claims: dict[str, Any], lie: str) -> str | None:
    """The id_token, honest or not."""
    if lie in SHAPE_LIES:
        return SHAPE_LIES[lie]
    if lie == WITHOUT_AT_HASH:
        claims = without(claims, "at_hash")
    if lie in CLAIM_LIES:
        claims = CLAIM_LIES[lie](claims)
    headers: dict[str, Any] = {"kid": provider.kid, **HEADER_LIES.get(lie, {})}
    if lie == "id_token_algorithm none":
        return jwt.encode(claims, "", algorithm="none", headers=headers)
    if lie == "id_token_algorithm HS256":
        return by_hand(claims, headers, key_of(provider.kid))
    kid = {"id_token_signature": "somebody else", "id_token_key weak": "weak"}.get(lie, provider.kid)
    if lie == "id_token_key weak":
        headers["kid"] = "weak"
        provider.published = [*provider.published, "weak"]
    if headers["kid"] is None:
        del headers["kid"]
    return jwt.encode(claims, key_of(kid), algorithm="RS256", headers=headers)


def by_hand(claims: dict[str, Any], headers: dict[str, Any], key: RSAPrivateKey) -> str:
    """HS256 with the public key as its secret: what a careless library takes for a signature."""
    secret = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT", **headers}, claims)]
    signature = hmac.new(secret, ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, encoded(signature)])


def _make_handler(provider: OidcProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given = dict(parse_qsl(parts.query))
            provider.note(parts.path, given)
            if parts.path == "/oidc/.well-known/openid-configuration":
                self.describe()
            elif parts.path == "/oidc/jwks":
                time.sleep(8 if provider.next_lie("slow_jwks") else 0)
                self.answer(200, {"keys": [jwk_of(kid) for kid in provider.published]})
            elif parts.path == "/oidc/auth":
                self.authorize(given)
            else:
                self.say(404, "text/plain", "no")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            given = dict(parse_qsl(body))
            provider.note(urlsplit(self.path).path, given)
            time.sleep(provider.delay_seconds)
            lie = provider.next_lie(*TOKEN_LIES)
            if lie:
                status, kind, words = TOKEN_LIES[lie]
                self.say(status, kind, words)
            elif given.get("grant_type") == "refresh_token":
                self.refresh(given)
            else:
                self.exchange(given)

        def describe(self) -> None:
            lie = provider.next_lie("description")
            document: dict[str, Any] = {
                "issuer": provider.issuer,
                "authorization_endpoint": f"{provider.issuer}/auth",
                "token_endpoint": f"{provider.issuer}/token",
                "jwks_uri": f"{provider.issuer}/jwks",
                "end_session_endpoint": f"{provider.issuer}/session/end",
                "authorization_response_iss_parameter_supported": True,
            }
            if lie == "description of another issuer":
                document["issuer"] = "https://evil.example/oidc"
            elif lie == "description with plain http":
                document["token_endpoint"] = "http://evil.example/token"
            elif lie == "description in html":
                self.say(200, "text/html", "<p>no</p>")
                return
            elif lie == "description comes later":
                self.say(503, "text/plain", "later")
                return
            self.answer(200, document)

        def authorize(self, given: dict[str, str]) -> None:
            subject = self.headers.get("X-Person") or next(iter(provider.people), "1")
            code = secrets.token_urlsafe(24)
            assert given["response_type"] == "code", given
            assert given["code_challenge_method"] == "S256", given
            grant = Grant(subject, given["nonce"], given["code_challenge"], given["redirect_uri"])
            provider.codes[code] = grant
            answer = [("code", code), ("state", given["state"]), ("iss", provider.issuer)]
            lie = provider.next_lie(*ANSWER_LIES, "answer_from", "code_missing", "state_missing", "state_unknown")
            if lie in ANSWER_LIES:
                answer += ANSWER_LIES[lie]
            changes = {
                "answer_from_another_issuer": ("iss", "https://evil.example/oidc"),
                "code_missing": ("code", ""),
                "state_missing": ("state", ""),
                "state_unknown": ("state", "never-heard-of"),
            }
            name, value = changes.get(lie, ("", ""))
            answer = [(key, value if key == name else kept) for key, kept in answer]
            self.send_response(302)
            self.send_header("Location", f"{given['redirect_uri']}?{urlencode([a for a in answer if a[1]])}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def exchange(self, given: dict[str, str]) -> None:
            grant = provider.codes.get(given.get("code", ""))
            proof = encoded(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
            is_good = grant is not None and not grant.is_spent and proof == grant.challenge
            if grant is None or not is_good or given.get("redirect_uri") != grant.redirect_uri:
                self.answer(400, {"error": "invalid_grant"})
                return
            if given.get("client_id") != provider.client_id:
                self.answer(401, {"error": "invalid_client"})
                return
            grant.is_spent = True
            chain = Refresh(grant.subject, secrets.token_urlsafe(24))
            with provider.lock:
                provider.chains.append(chain)
            lie = provider.next_lie(*ID_TOKEN_LIES, WITHOUT_AT_HASH)
            self.give(chain, grant.nonce, lie)

        def refresh(self, given: dict[str, str]) -> None:
            token = given.get("refresh_token", "")
            with provider.lock:
                chain = next((one for one in provider.chains if token in {one.newest, *one.olds}), None)
                if chain is not None and token in chain.olds:
                    chain.is_ended = True
                if chain is None or chain.is_ended:
                    chain = None
                elif provider.rotates_refresh_tokens:
                    chain.olds.add(chain.newest)
                    chain.newest = secrets.token_urlsafe(24)
            if chain is None:
                self.answer(400, {"error": "invalid_grant", "error_description": "reused"})
                return
            self.give(chain, None, provider.next_lie(*ID_TOKEN_LIES, "id_token_of"), is_refresh=True)

        def give(self, chain: Refresh, nonce: str | None, lie: str, *, is_refresh: bool = False) -> None:
            access = secrets.token_urlsafe(24)
            subject = "somebody else" if lie == "id_token_of_another_person" else chain.subject
            claims = provider.claims_of(subject, nonce or "", access)
            answer = {
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": provider.seconds,
                "scope": "openid profile email",
                "id_token": sign(provider, without(claims, "nonce") if nonce is None else claims, lie),
            }
            if provider.sends_refresh_tokens and (provider.rotates_refresh_tokens or not is_refresh):
                answer["refresh_token"] = chain.newest
            self.answer(200, {key: value for key, value in answer.items() if value is not None})

        def answer(self, status: int, body: dict[str, Any]) -> None:
            self.say(status, "application/json", json.dumps(body))

        def say(self, status: int, kind: str, words: str) -> None:
            content = words.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if status == 302:
                self.send_header("Location", "http://evil.example/")
            self.end_headers()
            # Whoever did not wait is gone.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    return Handler
