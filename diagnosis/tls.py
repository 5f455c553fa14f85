"""Rules for certificates: expired, renewed but not loaded, untrusted, made for another name."""

from __future__ import annotations

import re

from diagnosis.base import CONFIGURATION, Find, Match, Rule, Scene, Sign, finds, words

_BROAD = (
    "SSLCertVerificationError", "SSLError", "CertificateError", "ConnectError", "URLError", "APIConnectionError",
    "OSError", "ConnectionError", "MaxRetryError", "RequestException", "ChannelUnavailable",
    "ClientConnectorCertificateError",
    "OperationalError", "PyJWKClientConnectionError",
)  # fmt: skip
_RENEWED = re.compile(
    r"all (?:simulated )?renewals succeeded|Successfully (?:received|deployed) certificate|certificate "
    r".{0,80}(?:renewed|deployed)"
    r"|renewed certificate|Renewal succeeded|new certificate deployed|Certificate not yet due for renewal|Cert "
    r"not yet due for renewal",
    re.IGNORECASE,
)


def _says(*alternatives: str) -> Find:
    return finds(
        Sign(
            words=words(*alternatives),
            broad=_BROAD,
            sources=("error", "gunicorn", "systemd", "app", "text", "postgresql"),
            calm=("systemd", "text"),
        ),
        Sign(sources=("nginx",), words=words(*(rf"SSL\S{{0,40}} failed .{{0,200}}(?:{one})" for one in alternatives))),
    )


def _expired(scene: Scene) -> Match | None:
    found = _says(
        "certificate has expired",
        "certificate is expired",
        "CERT_HAS_EXPIRED",
        "ERR_CERT_DATE_INVALID",
        "sslv3 alert certificate expired",
        "tlsv1 alert certificate expired",
        "Zertifikat ist abgelaufen",
    )(scene)
    health = finds(Sign(sources=("health",), words=words("^health certificate fail")))(scene)
    signals = (*(found.signals if found else ()), *(health.signals if health else ()))
    return Match(signals, found.confidence if found else 0.85) if signals else None


def _not_reloaded(scene: Scene) -> Match | None:
    """A renewal that succeeded beside visitors who still see the old one."""
    expired = _expired(scene)
    renewed = [
        s
        for s in scene.signals
        if s.source in ("systemd", "app", "text") and not s.error_type and _RENEWED.search(s.said)
    ]
    if expired is None or not renewed:
        return None
    return Match((*renewed, *expired.signals), 0.95)


NOT_RELOADED = Rule(
    key="certificate-not-reloaded",
    row="24, neighbour of certificates",
    class_=CONFIGURATION,
    cause="The certificate was renewed on disk, but nginx still serves the old one: it was never reloaded.",
    find=_not_reloaded,
    trap="Renewing it once more changes nothing and meets the authority's rate limit.",
    advice=(
        "`nginx -t && systemctl reload nginx`.",
        "For the next time: a deploy hook of certbot (`--deploy-hook 'systemctl reload nginx'`).",
        "`openssl s_client -connect HOST:443 </dev/null | openssl x509 -noout -enddate` shows what is served.",
    ),
    explains=(
        "connection-failed",
        "certificate-expired",
    ),
)
EXPIRED = Rule(
    key="certificate-expired",
    row="24, neighbour of certificates",
    class_=CONFIGURATION,
    cause="A certificate is past its end: LUX's own for visitors, or that of a server which LUX calls.",
    find=_expired,
    trap="Switching verification off lets anybody listen. Renewed on disk is not yet served: nginx must reload.",
    advice=(
        "Whose is it? `openssl s_client -connect HOST:PORT </dev/null | openssl x509 -noout -subject -enddate`.",
        "Ours: `certbot renew`, then `systemctl reload nginx`. Theirs: tell them, and wait.",
        "If it ended in the future, this machine's clock is wrong.",
    ),
    explains=("connection-failed", "sign-in-keys-unavailable", "mail-server-unreachable"),
)
UNTRUSTED = Rule(
    key="certificate-untrusted",
    row="24, neighbour of certificates",
    class_=CONFIGURATION,
    cause="A server's certificate is not signed by an authority that this machine trusts: self-signed, or a "
    "chain with a gap.",
    find=_says(
        "unable to get (?:local )?issuer certificate",
        "self[- ]signed certificate",
        "unable to verify the first certificate",
        "unknown ca\\b",
        "certificate verify failed(?!: (?:certificate has expired|Hostname|IP address|certificate is not yet))",
    ),
    trap="Switching verification off lets anybody listen.",
    advice=(
        "Let the server send its whole chain; for an authority of your own add its certificate to this "
        "machine's store.",
    ),
    explains=(
        "connection-failed",
        "mail-server-unreachable",
    ),
)
MISMATCH = Rule(
    key="certificate-for-another-name",
    row="24, neighbour of certificates",
    class_=CONFIGURATION,
    cause="A server's certificate is made for another name than the one that was called.",
    find=_says(
        "Hostname mismatch",
        r"doesn't match (?:either of )?['\"]?",
        "IP address mismatch",
        "certificate is not valid for",
    ),
    advice=("Call the server by the name in its certificate, or have one made for this name.",),
    explains=(
        "connection-failed",
        "mail-server-unreachable",
    ),
)
NOT_LOADED = Rule(
    key="nginx-certificate-missing",
    row="11, neighbour",
    class_=CONFIGURATION,
    cause="nginx cannot load its certificate or key: the file is missing, not readable, or the two do not "
    "belong together.",
    find=finds(
        Sign(
            sources=("nginx",),
            words=words(
                "cannot load certificate", r"SSL_CTX_use_PrivateKey", "key values mismatch", r"BIO_new_file\(\)"
            ),
        )
    ),
    advice=("Compare ssl_certificate and ssl_certificate_key with the files; `nginx -t`, then reload.",),
    explains=("nginx-configuration",),
)
WRONG_PROTOCOL = Rule(
    key="tls-wrong-protocol",
    row="24, neighbour of certificates",
    class_=CONFIGURATION,
    cause="One side speaks TLS and the other does not: the scheme or the port in a setting is wrong.",
    find=_says("WRONG_VERSION_NUMBER", "wrong version number", "HTTP request to an HTTPS server", "unknown protocol"),
    trap="Switching encryption off would make it go away.",
    advice=(
        "Port 465 is smtps://, port 587 is smtp:// with STARTTLS; an address with https:// needs a port with TLS.",
    ),
    explains=("mail-server-unreachable", "connection-failed"),
)
