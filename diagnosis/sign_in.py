"""Rules for signing in and for tokens: states that are lost, tokens that expired, keys that do not fit."""

from __future__ import annotations

from diagnosis.base import AUTHENTICATION, CONFIGURATION, CONNECTION, NOISE, Find, Rule, Sign, finds, words
from diagnosis.offers import DROP_OAUTH_TOKEN, MARK_NOISE

_BROAD = (
    "OAuth2Error", "OAuthError", "CustomOAuth2Error", "PyJWTError", "InvalidTokenError", "DecodeError", "HTTPError",
    "PyJWKClientError", "Exception", "ConnectionError", "ConnectTimeout", "ReadTimeout", "URLError", "SSLError",
    "ConnectError", "TokenRefused", "SignInFailed", "RequestException", "LuxError", "Unavailable",
)  # fmt: skip


def _says(*alternatives: str, types: tuple[str, ...] = (), codes: tuple[str, ...] = ()) -> Find:
    return finds(
        Sign(
            types=types,
            codes=codes,
            words=words(*alternatives) if alternatives else None,
            broad=_BROAD,
            sources=("error", "gunicorn", "systemd", "app", "text"),
        )
    )


STATE_LOST = Rule(
    key="sign-in-state-lost",
    row="34",
    class_=AUTHENTICATION,
    cause="Somebody came back from the sign-in provider without the cookie that began it: another host or "
    "scheme, two tabs, "
    "or a bot.",
    find=_says(
        "mismatching_state",
        "CSRF Warning! State not equal",
        "state (?:parameter )?(?:mismatch|does not match|not equal)",
        "MismatchingState",
        types=("MismatchingStateError",),
    ),
    trap="Switching the check off lets strangers sign people in to other accounts. Under 1 % of sign-ins it is noise.",
    repairs=(MARK_NOISE,),
    advice=(
        "Compare LUX_PUBLIC_URL with the address in the browser: the same host, and https.",
        "Behind a proxy set PROXY_HOPS, so that LUX knows the visitor's scheme.",
        "Count: if fewer than one sign-in in a hundred has it, it is two tabs and bots.",
    ),
    gravity=0,
)
TOKEN_EXPIRED = Rule(
    key="sign-in-token-expired",
    row="35",
    class_=AUTHENTICATION,
    cause="A token of the sign-in provider expired or was revoked: the person must agree again.",
    find=_says(
        "invalid_grant",
        r"\(token_expired\)",
        "Token has been expired or revoked",
        "refresh token .{0,40}(?:expired|revoked|invalid)",
        types=("InvalidGrantError", "TokenExpiredError", "ExpiredTokenError"),
    ),
    trap="Refreshing it again and again never succeeds and may block the app at the provider.",
    repairs=(DROP_OAUTH_TOKEN,),
    advice=(
        "Drop that token and ask this person to sign in again.",
        "If it happens to everybody at once: was the client's secret changed, or is the machine's clock wrong?",
    ),
    gravity=0,
)
JWT_EXPIRED = Rule(
    key="token-expired",
    row="35, neighbour",
    class_=AUTHENTICATION,
    cause="A signed token is past its expiry: the person must sign in again.",
    find=_says(
        "Signature has expired", r"token (?:has )?expired", types=("ExpiredSignatureError", "ExpiredIdTokenError")
    ),
    trap="Skipping the check (verify_exp) accepts stolen tokens for ever. For many people at once, look at the clock.",
    repairs=(DROP_OAUTH_TOKEN,),
    advice=(
        "Drop the token and ask for a new sign-in.",
        "`timedatectl`: a machine whose clock runs ahead sees every token as expired.",
    ),
    gravity=0,
)
JWT_SIGNATURE = Rule(
    key="token-signature",
    row="35, neighbour",
    class_=AUTHENTICATION,
    cause="A token was signed by another key than the one it is checked with: a rotated key, two settings, or a "
    "forgery.",
    find=_says(
        "Signature verification failed",
        types=("InvalidSignatureError", "BadSignatureError", "InvalidKeyError", "InvalidAlgorithmError"),
    ),
    trap="Never accept it unsigned. After a change of SESSION_SECRET put the old value behind the new one, "
    "comma-separated.",
    advice=(
        "Do all processes have the same SESSION_SECRET? Was it changed without keeping the old one as second value?",
        "For the provider's tokens: its key set is fetched anew when the key id is unknown; look whether that works.",
    ),
    gravity=0,
)
JWT_CLAIMS = Rule(
    key="token-for-another",
    row="35, neighbour",
    class_=CONFIGURATION,
    cause="A token was made for another audience or by another issuer than LUX is set to.",
    find=_says(
        "Audience doesn't match",
        "Invalid (?:audience|issuer)",
        types=("InvalidAudienceError", "InvalidIssuerError", "MissingRequiredClaimError"),
    ),
    advice=("Compare REPL_ID and ISSUER_URL with what is registered at the provider; a trailing slash counts.",),
    gravity=0,
)
CLOCK_SKEW = Rule(
    key="clock-skew",
    row="35, neighbour",
    class_=CONFIGURATION,
    cause="This machine's clock is wrong: what others signed or issued is not valid yet, or no longer.",
    find=finds(
        Sign(
            types=("ImmatureSignatureError", "InvalidIssuedAtError", "RequestTimeTooSkewed"),
            words=words(
                r"token is not yet valid", r"clock skew", "certificate is not yet valid", "issued in the future",
                "RequestTimeTooSkewed", "used too early", r"System clock (?:wrong|was stepped) by",
            ),
            broad=(*_BROAD, "SSLError", "SSLCertVerificationError", "URLError", "ConnectError"),
            sources=("error", "gunicorn", "systemd", "app", "text"),
        ),
        Sign(sources=("health",), words=words("^health clock_offset (?:warn|fail)")),
    ),
    trap="A generous leeway for tokens hides it until certificates fail too.",
    advice=("`timedatectl set-ntp true`, then `chronyc tracking` or `timedatectl timesync-status`: offset under "
            "a second.",),
    explains=("connection-failed", "token-expired", "sign-in-token-expired", "certificate-expired"),
)  # fmt: skip
KEY_SET = Rule(
    key="sign-in-keys-unavailable",
    row="35, neighbour",
    class_=CONNECTION,
    cause="The sign-in provider's key set could not be fetched, or lacks the key that signed the token.",
    find=_says(
        "Fail to fetch data from the url",
        "Unable to find a signing key that matches",
        r"(?:/jwks\b|/\.well-known/openid-configuration).{0,300}(?:Caused by|failed|error|timed out|refused)",
        "The JWK Set did not contain",
        "jwks?[ _](?:uri|url|client).{0,80}(?:failed|error|timed out)",
        r"\.well-known/openid-configuration .{0,80}(?:failed|error|timed out)",
        types=("PyJWKClientConnectionError", "PyJWKClientError", "PyJWKSetError", "PyJWKError"),
    ),
    trap="Accepting tokens unchecked meanwhile lets everybody in.",
    advice=(
        "`curl -sS ISSUER_URL/.well-known/openid-configuration`: does it answer, and its jwks_uri too?",
        "Nobody who is signed in is thrown out; local accounts work meanwhile.",
    ),
    explains=("connection-failed",),
)
CLIENT = Rule(
    key="sign-in-client-refused",
    row="35, neighbour",
    class_=CONFIGURATION,
    cause="The sign-in provider does not accept LUX itself: client id, secret or redirect address are not as "
    "registered.",
    find=_says(
        "invalid_client",
        "unauthorized_client",
        "redirect_uri_mismatch",
        "invalid[ _]redirect[ _]uri",
        "redirect_uri .{0,60}(?:not|mismatch)",
        types=(
            "InvalidClientError",
            "InvalidClientIdError",
            "UnauthorizedClientError",
            "InvalidRedirectURIError",
            "MismatchingRedirectURIError",
        ),
    ),
    advice=("Register LUX_PUBLIC_URL's callback address exactly (https, host, path) and compare REPL_ID.",),
)
CONSENT = Rule(
    key="sign-in-declined",
    row="35, neighbour",
    class_=NOISE,
    cause="Somebody declined at the sign-in provider.",
    find=_says(r"^\(?access_denied", types=("AccessDeniedError", "ConsentRequired", "LoginRequired")),
    repairs=(MARK_NOISE,),
    gravity=0,
)
INSECURE = Rule(
    key="sign-in-insecure-transport",
    row="34, neighbour",
    class_=CONFIGURATION,
    cause="LUX takes its own address for http: the proxy in front does not say https, or PROXY_HOPS is not set.",
    find=_says("insecure_transport", "OAuth 2 MUST utilize https", types=("InsecureTransportError",)),
    trap="OAUTHLIB_INSECURE_TRANSPORT=1 sends tokens in the clear.",
    advice=("Let nginx send X-Forwarded-Proto, set PROXY_HOPS to the number of proxies, and LUX_PUBLIC_URL to https.",),
)
