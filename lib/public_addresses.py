"""Which addresses of the internet belong to everybody: what LUX calls on a person's wish must be one of them.

Loopback, private and link-local networks, those of providers (100.64.0.0/10) and clouds (169.254.169.254), multicast
and reserved ranges are not, and neither is an IPv6 address that carries such an IPv4 address within it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address


def is_public(address: str) -> bool:
    """Whether this is the address of a host that anybody on the internet may reach; nothing else is one."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        inner = _carried(found)
        if found.scope_id is not None or (inner is not None and not _is_public(inner)):
            return False
        if inner is not None and found.ipv4_mapped is not None:
            return True
    return _is_public(found)


def is_loopback(address: str) -> bool:
    """Whether this is the machine itself, plainly said: an address of 127.0.0.0/8, or ::1."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _is_public(found: IPv4Address | IPv6Address) -> bool:
    # Reserved is all of ::/8 too: gateways that translate to IPv4 (64:ff9b::), and IPv4 written without the ffff.
    is_special = (
        found.is_multicast
        or found.is_reserved
        or found.is_unspecified
        or found.is_loopback
        or found.is_link_local
        or found.is_private
        or (isinstance(found, IPv6Address) and found.is_site_local)
    )
    return found.is_global and not is_special


def _carried(found: IPv6Address) -> IPv4Address | None:
    if found.ipv4_mapped is not None:
        return found.ipv4_mapped
    if found.sixtofour is not None:
        return found.sixtofour
    if found.teredo is not None:
        return found.teredo[1]
    return None
