"""What kind of trouble a log record tells of; the class and code of an error count before its words.

To add a sign, add a row to the table it belongs to; the first that fits decides.
"""

from __future__ import annotations

import re

CONNECTION, AUTHENTICATION, TIMEOUT, RESOURCE = "connection", "authentication", "timeout", "resource"
CONFIGURATION, CODE, NOISE = "configuration", "code", "traffic noise"
CLASSES = (CONNECTION, AUTHENTICATION, TIMEOUT, RESOURCE, CONFIGURATION, CODE, NOISE)

Table = tuple[tuple[re.Pattern[str], str], ...]


def _table(*rows: tuple[str, str]) -> Table:
    return tuple((re.compile(pattern), kind) for pattern, kind in rows)


# nginx: how the message begins, which is the one part that no stranger writes.
_NGINX = _table(
    (r"(?:connect|recv|send|readv|writev|SSL_read|SSL_write)\(\) .*failed \(110|upstream timed out", TIMEOUT),
    (r"connect\(\) (?:to \S+ )?failed \(13:", CONFIGURATION),
    (r"connect\(\) (?:to \S+ )?failed|no live upstreams|upstream prematurely closed", CONNECTION),
    (r"(?:recv|send|readv|writev)\(\) failed .*upstream", CONNECTION),
    (r"client intended to send too large body|upstream sent too big header", CONFIGURATION),
    (r"(?:\S+ )?\S+ could not be resolved", CONFIGURATION),
    (r"host not found in upstream|invalid number of arguments", CONFIGURATION),
    (
        r"bind\(\) to|cannot load certificate|SSL_CTX|unknown directive|still could not bind|host not found",
        CONFIGURATION,
    ),
    (r"unexpected |invalid |duplicate |conflicting server name|\"\w+\" directive", CONFIGURATION),
    (
        r"(?:\d+ )?worker_connections are not enough|accept4?\(\) failed \((?:24|23):|malloc|write\(\) .*\(28:",
        RESOURCE,
    ),
    (r"(?:pwrite|mkdir|open)\(\) \"/var/(?:lib|cache)/nginx", RESOURCE),
    (r"open\(\) \".*\" failed \(13:", CONFIGURATION),
    (
        r"limiting (?:requests|connections)|access forbidden|directory index of|open\(\) \"|user \"|no user/password",
        NOISE,
    ),
    (r"client (?:sent|closed|prematurely|timed out|\S+ closed)", NOISE),
    (r"SSL_do_handshake\(\)|epoll_wait\(\) reported", NOISE),
    (r"(?:recv|send|writev|readv)\(\) failed", NOISE),
)
# Answers in nginx's access log.
_ANSWERS = _table((r"answered 504", TIMEOUT), (r"answered 50[23]", CONNECTION), (r"answered 413", CONFIGURATION),
                  (r"answered 5", CODE), (r"answered 4", NOISE))  # fmt: skip
# By the name of the exception alone.
_EXCEPTIONS = _table(
    (
        r"SMTPAuthenticationError|AuthenticationError|PermissionDeniedError|ExpiredSignatureError|TokenExpiredError",
        AUTHENTICATION,
    ),
    (
        r"InvalidSignatureError|InvalidGrantError|InvalidTokenError|MismatchingStateError|InvalidPassword",
        AUTHENTICATION,
    ),
    (r"InvalidAuthorizationSpecification|MissingTokenError", AUTHENTICATION),
    (r"InvalidIssuerError|InvalidAudienceError", AUTHENTICATION),
    (r"TooManyConnections|DiskFull|OutOfMemory|MemoryError", RESOURCE),
    (r"RateLimitError|ConfigurationLimitExceeded", RESOURCE),
    (
        r"(?:API|Read|Write|Connect|Pool|Lock|Statement)?Timeout(?:Error|Expired)?$|QueryCanceled|LockNotAvailable",
        TIMEOUT,
    ),
    (
        r"ModuleNotFoundError|ImportError|UndefinedTable|UndefinedColumn|SettingInvalid|InvalidCatalogName",
        CONFIGURATION,
    ),
    (r"UndefinedFunction|InvalidSchemaName|CertificateError", CONFIGURATION),
    (r"SSLCertVerificationError|AppImportError", CONFIGURATION),
    (r"API(?:Connection)Error|Connection(?:Refused|Reset|Aborted)?Error", CONNECTION),
    (r"BrokenPipeError|ConnectionTimeout", CONNECTION),
    (
        r"AdminShutdown|CrashShutdown|CannotConnectNow|gaierror|SMTPServerDisconnected|RemoteDisconnected|IncompleteRead",
        CONNECTION,
    ),
    (
        r"^(?:BadRequest|BadRequestKeyError|NotFound|MethodNotAllowed|Unauthorized|Forbidden|Gone|TooManyRequests)$",
        NOISE,
    ),
    (r"^(?:RequestEntityTooLarge|UnsupportedMediaType|ClientDisconnected|CSRFError|NoMoreData)$", NOISE),
    (r"InvalidRequestLine|InvalidHeader|InvalidHTTPVersion|InvalidChunkSize|LimitRequest", NOISE),
)
# By what is said, for exceptions that stand for many things (OperationalError, OSError), and for logs.
_WORDS = _table(
    (r"password authentication failed|no pg_hba\.conf entry", AUTHENTICATION),
    (r"role \"[^\"]*\" does not exist|invalid_api_key", AUTHENTICATION),
    (r"Incorrect API key|invalid_grant|InvalidGrantError", AUTHENTICATION),
    (r"MismatchingState|\(535,|\b535[ -]5\.7|BadCredentials", AUTHENTICATION),
    (r"too many clients already|remaining connection slots", RESOURCE),
    (r"No space left on device|insufficient_quota", RESOURCE),
    (r"exceeded your current quota|Too many open files|QueuePool limit", RESOURCE),
    (r"[Oo]ut of memory|OOM killer|Cannot allocate memory", RESOURCE),
    (r"\(421,|\b421[ -]4\.|could not extend file", RESOURCE),
    (r"could not write to file|rate.?limit|Errno 28|status=9/KILL", RESOURCE),
    (r"WORKER TIMEOUT|canceling statement due to|timed out", TIMEOUT),
    (r"[Tt]imeout (?:expired|exceeded)|lock timeout|Timed out", TIMEOUT),
    (r"model_not_found|The model .{1,80} does not exist", CONFIGURATION),
    (r"Missing credentials|api_key client option must be set", CONFIGURATION),
    (r"Worker failed to boot|Connection in use|Address already in use", CONFIGURATION),
    (r"Failed to find (?:attribute|application)", CONFIGURATION),
    (r"relation \"[^\"]*\" does not exist|column \S+ does not exist", CONFIGURATION),
    (r"database \"[^\"]*\" does not exist", CONFIGURATION),
    (r"certificate (?:verify failed|has expired)", CONFIGURATION),
    (r"Permission denied|Read-only file system|No module named", CONFIGURATION),
    (r"Failed at step|Failed to load environment files", CONFIGURATION),
    (r"EnvironmentFile|Failed to locate executable", CONFIGURATION),
    (r"Connection refused|server closed the connection", CONNECTION),
    (r"terminating connection|SSL connection has been closed", CONNECTION),
    (r"SSL SYSCALL error|lost synchronization|Connection reset", CONNECTION),
    (r"Broken pipe|could not translate host name", CONNECTION),
    (r"Name or service not known|Temporary failure in name resolution", CONNECTION),
    (r"Network is unreachable|No route to host", CONNECTION),
    (r"connection (?:to server )?.{0,120}failed", CONNECTION),
    (r"the database system is (?:starting up|shutting down)|Connection error", CONNECTION),
    (r"was sent SIGKILL|was sent SIGSEGV", RESOURCE),
    (r"Start request repeated too quickly|Shutting down: Master", CONFIGURATION),
    (r"Failed with result|exited with code|Failed to start", CONFIGURATION),
    (r"Invalid request from|Invalid HTTP|Bad Request|404 Not Found|\b499\b", NOISE),
    (r"deadlock detected|duplicate key value|violates .{1,40}constraint", CODE),
    (r"Working outside of application context", CODE),
)  # fmt: skip
# Exceptions whose class says little: their words decide first.
_BROAD = re.compile(
    r"OperationalError|DatabaseError|InterfaceError|OpenAIError|OSError|IOError|SMTP\w*|RuntimeError|NotFoundError"
    r"|SystemExit|Exception|APIStatusError|OAuth2Error|ProgrammingError|URLError|HTTPError|HaltServer"
)


def class_of(source: str, level: str, message: str, exception: str | None, name: str | None) -> str | None:
    """The class of a record, or None when it tells of no trouble; `name` is the class of its exception."""
    if source == "nginx":
        return _nginx_class(level, message)
    if exception is not None and name is not None:
        if name == "SystemExit" and "handle_abort" in message:
            return TIMEOUT
        return _exception_class(exception, name)
    if level in ("debug", "info", "notice"):
        return None
    found = _first(_WORDS, message, anywhere=True)
    if found is not None or level == "warning":
        return found
    return CODE


def _nginx_class(level: str, message: str) -> str | None:
    answer = _first(_ANSWERS, message)
    if answer is not None:
        return answer
    if level in ("debug", "info", "notice"):
        return NOISE if message.startswith("client ") and level == "info" else None
    return _first(_NGINX, message) or CONFIGURATION


def _exception_class(exception: str, name: str) -> str:
    if _BROAD.fullmatch(name):
        return _first(_WORDS, exception, anywhere=True) or _first(_EXCEPTIONS, name, anywhere=True) or CODE
    return _first(_EXCEPTIONS, name, anywhere=True) or (
        (_first(_WORDS, exception, anywhere=True) or CODE)
        if name.endswith("Error") and _is_wrapped(exception)
        else CODE
    )


def _is_wrapped(exception: str) -> bool:
    """Whether the words are another program's: `(psycopg.errors.X) …` or a database's `FATAL:`."""
    return "FATAL:" in exception or ": (" in exception


def _first(table: Table, text: str, anywhere: bool = False) -> str | None:
    for pattern, kind in table:
        if pattern.search(text) if anywhere else pattern.match(text):
            return kind
    return None
