"""What is wrong and why, by rules: signals come in, diagnoses go out; it acts on nothing.

RULES is the table of operations in its order. To add a rule, write it in the file of its family and list it here.
"""

from __future__ import annotations

from diagnosis.base import Rule

RULES: list[Rule] = []
