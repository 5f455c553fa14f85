"""What a model's tokens cost. To price a model, add a line to PRICES, the longer name before the shorter one."""

from __future__ import annotations

# US dollars per million tokens, in and out: OpenAI's published list prices, read in June 2026.
PRICES: list[tuple[str, float, float]] = [
    ("gpt-5.4", 2.50, 15.00),
    ("gpt-5-nano", 0.05, 0.40),
    ("gpt-5-mini", 0.25, 2.00),
    ("gpt-5-pro", 15.00, 120.00),
    ("gpt-5", 1.25, 10.00),
    ("gpt-4.1-nano", 0.10, 0.40),
    ("gpt-4.1-mini", 0.40, 1.60),
    ("gpt-4.1", 2.00, 8.00),
    ("gpt-4o-mini", 0.15, 0.60),
    ("gpt-4o", 2.50, 10.00),
    ("o4-mini", 1.10, 4.40),
    ("o3-mini", 1.10, 4.40),
    ("o3", 2.00, 8.00),
]
UNKNOWN_PRICE = (15.00, 60.00)


def price(model: str, tokens_in: int, tokens_out: int) -> float:
    """US dollars for so many tokens of the model."""
    bare = model.rsplit("/", 1)[-1].lower()
    rates = next((row[1:] for row in PRICES if bare.startswith(row[0])), UNKNOWN_PRICE)
    return (tokens_in * rates[0] + tokens_out * rates[1]) / 1_000_000
