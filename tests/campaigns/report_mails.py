"""Mails as mail systems send them back: bounces in the ways of several servers, complaints, and what is neither."""

from __future__ import annotations

import textwrap

BOUNCE = """\
    From: MAILER-DAEMON@mx.example (Mail Delivery System)
    To: bounces@shop.example
    Subject: Undelivered Mail Returned to Sender
    Auto-Submitted: auto-replied
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

    --b1
    Content-Type: text/plain; charset=us-ascii

    I'm sorry to have to inform you that your message could not be delivered.

    --b1
    Content-Type: message/delivery-status

    Reporting-MTA: dns; mx.example
    Arrival-Date: Mon, 23 Nov 2026 08:00:00 +0000

    Final-Recipient: rfc822; p1@people.example
    Action: {action}
    Status: {status}
    Diagnostic-Code: smtp; {said}

    --b1
    Content-Type: {original_type}

    {headers}

    --b1--
"""
COMPLAINT = """\
    From: feedback@provider.example
    To: bounces@shop.example
    Subject: FW: News for you
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=feedback-report; boundary="b2"

    --b2
    Content-Type: text/plain

    This is an abuse report for a message received from 192.0.2.1.

    --b2
    Content-Type: message/feedback-report

    Feedback-Type: {kind}
    User-Agent: SomeProvider-FBL/2.1
    Version: 1

    --b2
    Content-Type: message/rfc822

    {headers}

    The words of the message.
    --b2--
"""
HEADERS = """\
Message-ID: <12.seed@shop.example>
Subject: News for you
List-Unsubscribe: <{address}>
List-Unsubscribe-Post: List-Unsubscribe=One-Click"""


def make_bounce(
    address: str,
    *,
    status: str = "5.1.1",
    said: str = "550 5.1.1 <p1@people.example>: Recipient address rejected: User unknown",
    action: str = "failed",
    original_type: str = "message/rfc822",
) -> bytes:
    """A notice that mail came to nothing; `address` is the unsubscribe address in the mail that it returns."""
    return _mail(BOUNCE, address, action=action, status=status, said=said, original_type=original_type)


def make_complaint(address: str, kind: str = "abuse") -> bytes:
    """A report of a feedback loop."""
    return _mail(COMPLAINT, address, kind=kind)


def _mail(template: str, address: str, **values: str) -> bytes:
    filled = textwrap.dedent(template).format(headers=HEADERS.format(address=address), **values)
    return filled.replace("\n", "\r\n").encode()
