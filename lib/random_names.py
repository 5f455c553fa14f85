"""Names that meet no other by chance and guard nothing: a request's, a receipt's. They cost no system call."""

from __future__ import annotations

import random


def random_name(digits: int) -> str:
    """So many hexadecimal digits. Whoever must not guess it gets `secrets.token_hex` instead.

    Python seeds its generator from the system's randomness in each process, after a fork once more.
    """
    return f"{random.randrange(16**digits):0{digits}x}"  # noqa: S311 - a name, no secret
