"""Rules for the connection to PostgreSQL: down, full, restarted, unreachable, refusing the sign-in."""

from __future__ import annotations

from diagnosis.base import (
    AUTHENTICATION,
    CODE,
    CONFIGURATION,
    CONNECTION,
    RESOURCE,
    TIMEOUT,
    Find,
    Match,
    Rule,
    Scene,
    Sign,
    finds,
    words,
)
from diagnosis.offers import (
    DISPOSE_POOLS,
    END_IDLE_TRANSACTIONS,
    START_DATABASE,
)

# Classes of database clients that stand for many faults.
BROAD = (
    "TimeoutError",     "OperationalError", "InterfaceError", "DatabaseError", "InternalError", "Error",
    "PostgresError", "DBAPIError",
    "ConnectionTimeout", "ConnectionFailure", "CannotConnectNowError", "PoolTimeout", "ProtocolViolation",
    "ConnectorError", "InternalServerError", "ConnectionDoesNotExistError", "log.psycopg.pool", "CommandError",
    "InvalidRequestError",
)  # fmt: skip
# What comes after the database is gone: nobody answers, and everything that needed it fails too.
_FOLLOWS = (
    "connection-failed",
    "nginx-upstream-refused", "nginx-upstream-timeout", "nginx-upstream-closed", "worker-boot-failed", "worker-timeout",
    "database-transaction-broken", "systemd-unit-failed", "systemd-start-limit", "spool-waiting",
    "clock-without-leader",
    "worker-absent", "nginx-socket-missing", "pool-exhausted",
)  # fmt: skip


def says(
    *alternatives: str, codes: tuple[str, ...] = (), types: tuple[str, ...] = (), calm: tuple[str, ...] = ()
) -> Find:
    """By SQLSTATE and class, else by words of a database client, of PostgreSQL itself or of whoever logged them."""
    # Where a message begins, or after a colon or bracket: in the middle of a sentence it may be anybody's name.
    placed = (rf"(?:^|[:)\]] {{1,2}}|\n\s{{0,8}})(?:{one})" for one in alternatives)
    return finds(
        Sign(
            codes=codes,
            types=types,
            words=words(*placed),
            broad=(*BROAD, "error"),
            sources=("error", "gunicorn", "systemd", "app", "postgresql", "text"),
            calm=calm,
        )
    )


def _database_down(scene: Scene) -> Match | None:
    found = says(
        r"connection to server .{1,200} failed: Connection refused",
        r"connection to server on socket .{1,200} failed: (?:No such file or directory|Connection refused)",
        r"could not connect to server: (?:Connection refused|No such file)",
        r"connection failed: .{0,200}(?:Connection refused|No such file or directory)",
        r"connect(?:ion)? (?:to|is) .{0,80}5432.{0,80}refused",
        r"Is the server running (?:locally|on that host|on host)",
        r"The embedded PostgreSQL in .{1,300} does not start",
        r"Verbindung zum Server .{1,200} fehlgeschlagen: Verbindungsaufbau abgelehnt",
        r"la connexion au serveur .{1,200} a échoué ?: Connection refused",
        codes=("08001",),
    )(scene)
    health = finds(Sign(sources=("health",), words=words(r"^health database fail: The check itself failed")))(scene)
    if found is None and health is not None:
        return Match(health.signals, 0.75)
    return found


CLIENTS = Rule(
    key="database-too-many-connections",
    row="12",
    class_=RESOURCE,
    cause="PostgreSQL has no connection left: workers times pool size exceed max_connections, or connections leak.",
    find=says(
        "too many clients already",
        "remaining connection slots are reserved",
        r"too many connections for (?:role|database)",
        "sorry, too many clients",
        r"(?:tut mir leid, )?schon zu viele Verbindungen",
        "die verbleibenden Verbindungen sind",
        "désolé, trop de clients sont déjà connectés",
        "no more connections allowed",
        codes=("53300",),
        types=("TooManyConnections", "TooManyConnectionsError"),
    ),
    trap="Raising max_connections costs memory for each connection and moves the wall; count first.",
    repairs=(DISPOSE_POOLS, END_IDLE_TRANSACTIONS),
    advice=(
        "Count: (WEB_WORKERS × (WEB_THREADS + 5) + workers of the queue) must stay below max_connections.",
        "`SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2` shows who holds them; "
        "`idle in transaction` for minutes is a leak.",
    ),
    explains=_FOLLOWS,
    gravity=2,
)
POOL_EXHAUSTED = Rule(
    key="pool-exhausted",
    row="12, neighbour",
    class_=RESOURCE,
    cause="This process's own pool of connections is empty: each one is lent out, and none came back in time.",
    find=says(
        r"QueuePool limit of size \d+ overflow \d+ reached",
        r"couldn't get a connection after \d",
        r"pool .{0,60}(?:exhausted|is full)",
        "connection pool exhausted",
        types=("PoolTimeout", "PoolError"),
    ),
    trap="A larger pool hides a leak, or a connection held across a call to a model or mail server.",
    repairs=(END_IDLE_TRANSACTIONS,),
    advice=(
        "Look for sessions that stay open across slow calls: `pg_stat_activity` with state `idle in transaction`.",
        "Commit before asking a model, a mail server or a webhook.",
    ),
    explains=("connection-failed", "nginx-upstream-timeout", "worker-timeout"),
)
LOST = Rule(
    key="database-connection-lost",
    row="14",
    class_=CONNECTION,
    cause="PostgreSQL was restarted or ended this session; the pool still lent out the dead connection.",
    find=says(
        "server closed the connection unexpectedly",
        "terminating connection due to administrator command",
        "terminating connection because of crash of another server process",
        r"connection (?:already|is|was) closed",
        "the connection is lost",
        r"consuming input failed(?!: SSL)",
        r"connection (?:not open|has been closed unexpectedly)",
        r"could not (?:receive data from|send data to) server",
        "connection was closed in the middle of operation",
        "no connection to the server",
        "Verbindung wird abgebrochen aufgrund von Anweisung des Administrators",
        "Server beendete die Verbindung unerwartet",
        "le serveur a fermé la connexion de façon inattendue",
        codes=("57P01", "57P02", "08006", "08003", "08000", "57P05"),
        types=("AdminShutdown", "CrashShutdown", "AdminShutdownError", "ConnectionDoesNotExistError"),
    ),
    trap="One such error after a restart of the database is ordinary; many mean that the pool does not check "
    "before it lends.",
    repairs=(DISPOSE_POOLS,),
    advice=(
        "Drop the pool's connections once and check that twenty queries in a row succeed.",
        "If it comes back without a restart of PostgreSQL, look for a firewall or pooler that cuts idle connections.",
    ),
    explains=("database-transaction-broken", "clock-without-leader"),
)
SSL_LOST = Rule(
    key="database-ssl-lost",
    row="15",
    class_=CONNECTION,
    cause="A pooled connection to PostgreSQL is dead, or one connection is used by two processes after a fork.",
    find=says(
        "SSL connection has been closed unexpectedly",
        "SSL SYSCALL error",
        "lost synchroni[sz]ation with server",
        r"SSL error: (?:decryption failed or bad record mac|.{0,60}bad record|unexpected (?:eof|message))",
        "bad record mac",
        r"message contents do not agree with length in message type",
        r"insufficient data in .{1,6} message",
        r"unexpected (?:field count|response|message) .{0,60}(?:message|server|from)",
        r"message type 0x[0-9a-f]{2} arrived from server while idle",
        "another command is already in progress",
        codes=("08P01",),
    ),
    trap="Turning SSL off hides the sign and keeps the shared connection.",
    repairs=(DISPOSE_POOLS,),
    advice=(
        "Drop the pool's connections once.",
        "If several workers see it from their start on, the connection was opened before the fork: dispose of "
        "the engine "
        "in gunicorn's post_fork.",
    ),
)
STARTING = Rule(
    key="database-starting",
    row="14, neighbour",
    class_=CONNECTION,
    cause="PostgreSQL is starting up, shutting down or recovering, and takes no connections yet.",
    find=says(
        r"the database system is (?:starting up|shutting down|in recovery mode|not yet accepting "
        r"connections|not accepting connections)",
        "das Datenbanksystem startet",
        "le système de bases de données (?:se lance|s'arrête)",
        codes=("57P03",),
        types=("CannotConnectNow", "CannotConnectNowError"),
    ),
    trap="Starting it once more interrupts the recovery.",
    repairs=(DISPOSE_POOLS,),
    advice=("Wait a minute; if it lasts, read PostgreSQL's own log: a recovery after a crash says how far it is.",),
    explains=_FOLLOWS,
)
DOWN = Rule(
    key="database-down",
    row="17",
    class_=CONNECTION,
    cause="PostgreSQL does not run, or does not listen where LUX looks for it.",
    find=_database_down,
    trap="An empty new database starts too: check that the data folder is the right one before anything is created.",
    repairs=(START_DATABASE,),
    advice=(
        "`pg_lsclusters` or `systemctl status postgresql`: start it, and read its log when it does not stay up.",
        "Compare host and port with DATABASE_URL. What arrives meanwhile waits in the spools and is taken in "
        "afterwards.",
    ),
    explains=("connection-failed", *_FOLLOWS, "database-connection-lost"),
    gravity=2,
)
NAME = Rule(
    key="database-name-resolution",
    row="17, neighbour",
    class_=CONFIGURATION,
    cause="The host name of DATABASE_URL cannot be resolved.",
    find=says(
        r"could not translate host name .{1,200} to address",
        r"failed to resolve host .{1,200}",
        r"connection .{0,200}(?:Name or service not known|Temporary failure in name resolution|nodename nor servname)",
        r"konnte Hostnamen .{1,120} nicht in Adresse übersetzen",
    ),
    trap="`Temporary failure` is the resolver's trouble, `not known` is a wrong name.",
    advice=(
        "`getent hosts NAME` on this machine; check DATABASE_URL for a typing error and /etc/resolv.conf.",
        "In containers: is the database on the same network, under this name?",
    ),
    explains=_FOLLOWS,
    gravity=2,
)
UNREACHABLE = Rule(
    key="database-unreachable",
    row="17, neighbour",
    class_=CONNECTION,
    cause="The machine of the database does not answer: a firewall, a route, or the machine is off.",
    find=says(
        r"connection to server .{1,200} failed: (?:timeout expired|Connection timed out|No route to "
        r"host|Network is unreachable|Operation timed out|Host is down)",
        r"could not connect to server: (?:Connection timed out|No route to host|Network is unreachable)",
        r"^connection (?:failed|timeout expired)\b.{0,200}(?:timeout|timed out|unreachable|No route)",
        r"^connection timeout expired",
        "^timeout expired$",
        types=("ConnectionTimeout",),
    ),
    trap="It is not `refused`: nobody says no, packets vanish.",
    advice=("`nc -vz HOST 5432` from this machine; look at the firewall, the security group and the route.",),
    explains=_FOLLOWS,
    gravity=2,
)
PASSWORD = Rule(
    key="database-password",
    row="18",
    class_=AUTHENTICATION,
    cause="PostgreSQL does not accept LUX's user or password: the credential changed, or another env file is read.",
    find=says(
        r"password authentication failed for user",
        r"(?:peer|ident|GSSAPI|SCRAM|LDAP|PAM|certificate) authentication failed for user",
        r"no pg_hba\.conf entry for (?:host|replication)",
        r"pg_hba\.conf rejects connection",
        r"role .{1,80} (?:does not exist|is not permitted to log in)",
        r"no password supplied",
        r"fe_sendauth",
        r"Passwort-Authentifizierung für Benutzer .{1,80} fehlgeschlagen",
        r"authentification par mot de passe échouée pour l'utilisateur",
        r"la autentificación password falló para el usuario",
        codes=("28P01", "28000"),
        types=("InvalidPassword", "InvalidAuthorizationSpecification", "InvalidPasswordError"),
    ),
    trap="Trust in pg_hba.conf makes it work and opens the database to everybody on the machine.",
    advice=(
        "Compare user and password of DATABASE_URL in the environment file of the unit with the database's.",
        "`ALTER ROLE lux PASSWORD …` sets it anew; then restart LUX so that it reads the file again.",
        "`no pg_hba.conf entry`: add a line for this host, user and database, then reload PostgreSQL.",
    ),
    explains=_FOLLOWS,
    gravity=2,
)
MISSING = Rule(
    key="database-missing",
    row="18, neighbour",
    class_=CONFIGURATION,
    cause="The database that DATABASE_URL names does not exist on this server: a wrong name, or the wrong server.",
    find=says(
        r"database .{1,80} does not exist",
        r"Datenbank .{1,80} existiert nicht",
        r"la base de données .{1,80} n'existe pas",
        codes=("3D000",),
        types=("InvalidCatalogName", "InvalidCatalogNameError"),
    ),
    trap="Creating an empty one makes the message go and hides that the data is elsewhere.",
    advice=("`psql -l` lists what this server has; compare name, host and port of DATABASE_URL.",),
    explains=_FOLLOWS,
    gravity=2,
)
CRASHED = Rule(
    key="database-crashed",
    row="14, neighbour",
    class_=RESOURCE,
    cause="PostgreSQL itself crashed (PANIC, or one of its processes was killed) and recovers.",
    find=says(
        r"server process \(PID \d+\) was terminated by signal",
        "terminating any other active server processes",
        r"startup process \(PID \d+\) (?:was terminated|exited)",
        r"(?:invalid page in block|could not read block|unexpected data beyond EOF|invalid memory alloc request size)",
        r"could not (?:write|fsync|extend) file",
        codes=("XX001", "XX002", "58030"),
        calm=("postgresql",),
        types=("DataCorrupted", "IndexCorrupted"),
    ),
    trap="Deleting files of the data folder to make it start loses data.",
    advice=(
        "Read PostgreSQL's own log from the first PANIC on; check disk and memory. Restore a backup if pages "
        "are broken.",
    ),
    explains=("database-connection-lost", "database-starting", "database-down", *_FOLLOWS),
    gravity=2,
)
MEMORY = Rule(
    key="database-out-of-memory",
    row="12, neighbour",
    class_=RESOURCE,
    cause="PostgreSQL has no memory left for this query, or no room in shared memory.",
    find=says(
        r"^out of memory",
        "could not resize shared memory segment",
        "out of shared memory",
        codes=("53200", "53000"),
    ),
    advice=("Lower work_mem or the number of connections; in containers give /dev/shm more room (--shm-size).",),
)
IDLE = Rule(
    key="database-idle-transaction",
    row="12, neighbour",
    class_=CODE,
    cause="A transaction stayed open without doing anything until PostgreSQL ended it.",
    find=says(
        "terminating connection due to idle-in-transaction timeout",
        "terminating connection due to idle-session timeout",
        codes=("25P03",),
        types=("IdleInTransactionSessionTimeout", "IdleSessionTimeout"),
    ),
    trap="Lifting the limit lets locks stand for ever.",
    repairs=(DISPOSE_POOLS,),
    advice=("Commit before slow calls to others; the stack shows where the transaction began.",),
    explains=("database-transaction-broken",),
    gravity=0,
)
TIMEOUT_STATEMENT = Rule(
    key="database-statement-timeout",
    row="4, neighbour",
    class_=TIMEOUT,
    cause="A query took longer than its time limit and was cancelled.",
    find=says(
        r"canceling statement due to (?:statement timeout|user request|conflict with recovery)",
        r"canceling autovacuum task",
        "storniere Anfrage wegen Zeitüberschreitung",
        "annulation de la requête à cause du délai écoulé",
        codes=("57014",),
        types=("QueryCanceled", "QueryCanceledError"),
    ),
    trap="A longer limit keeps its locks for longer and slows everybody else.",
    advice=(
        "`EXPLAIN (ANALYZE, BUFFERS)` of the query: a missing index or old statistics. Look for what held a lock.",
    ),
    explains=("nginx-upstream-timeout",),
    gravity=0,
)
LOCK_TIMEOUT = Rule(
    key="database-lock-timeout",
    row="22, neighbour",
    class_=TIMEOUT,
    cause="A query waited too long for a lock that another transaction held.",
    find=says(
        r"canceling statement due to lock timeout",
        "could not obtain lock on",
        codes=("55P03",),
        types=("LockNotAvailable", "LockNotAvailableError"),
    ),
    repairs=(END_IDLE_TRANSACTIONS,),
    advice=(
        "`SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity WHERE wait_event_type = 'Lock'` names "
        "the holder.",
    ),
    gravity=0,
)
READ_ONLY = Rule(
    key="database-read-only",
    row="18, neighbour",
    class_=CONFIGURATION,
    cause="This PostgreSQL takes no writes: it is a replica, or it was set read-only.",
    find=says(
        r"cannot execute \w{1,20}(?: \w{1,20})? in a read-only transaction",
        "database is not accepting commands",
        codes=("25006",),
        types=("ReadOnlySqlTransaction", "ReadOnlySQLTransactionError"),
    ),
    trap="After a failover DATABASE_URL may still point to the old primary.",
    advice=("`SELECT pg_is_in_recovery()`: true means a replica; point DATABASE_URL to the primary.",),
)
PERMISSION = Rule(
    key="database-permission",
    row="18, neighbour",
    class_=AUTHENTICATION,
    cause="LUX's database user may not do this: the table belongs to another role.",
    find=says(
        r"permission denied for (?:table|relation|schema|sequence|database|function|view|column)",
        r"must be owner of ",
        codes=("42501",),
        types=("InsufficientPrivilege", "InsufficientPrivilegeError"),
    ),
    trap="Making LUX's user a superuser solves it and opens everything.",
    advice=(
        "Migrations and LUX must run as the same role; `\\dt` shows the owner, `ALTER TABLE … OWNER TO lux` mends it.",
    ),
)
