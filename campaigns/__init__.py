"""What is said to whom: drafting, rendering, preflight, the ledger of messages, tracking, results."""
