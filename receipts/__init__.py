"""What repairs leave in writing: plans with their steps, approvals, receipts, verifications, switches and limits.

Receipts are only ever added; the database itself refuses to change one. To note a new kind of deed, add it to KINDS.
"""
