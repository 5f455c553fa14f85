"""Domains where anybody gets a mailbox: an address there says nothing about where somebody works."""

from __future__ import annotations

FREE_MAIL_DOMAINS = frozenset(
    """
    gmail.com googlemail.com yahoo.com ymail.com yahoo.co.uk yahoo.fr yahoo.de hotmail.com hotmail.co.uk hotmail.fr
    outlook.com outlook.de live.com live.co.uk msn.com aol.com icloud.com me.com mac.com gmx.com gmx.de gmx.net gmx.at
    gmx.ch web.de mail.com proton.me protonmail.com pm.me yandex.com yandex.ru mail.ru qq.com 163.com 126.com naver.com
    free.fr orange.fr wanadoo.fr laposte.net sfr.fr libero.it virgilio.it t-online.de freenet.de bluewin.ch zoho.com
    fastmail.com hey.com tutanota.com btinternet.com comcast.net verizon.net att.net rediffmail.com seznam.cz wp.pl
    """.split()  # noqa: SIM905 - a list of words reads better
)
