"""Network addresses of callers, as limits count them."""

from __future__ import annotations

import functools
import ipaddress

_HOME_BITS = 64


@functools.lru_cache(maxsize=4096)
def counted_network(address: str) -> str:
    """Return what tries from an address are counted under: itself, or for IPv6 its network of 64 bits, which one caller has for itself.

    Anything that is no address, an empty text for example, stays as it is.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found.packed, 128)).supernet(new_prefix=_HOME_BITS))
