"""The audience: contacts, how they arrive, what they agreed to, segments, imports. To add a noun, add a file."""
