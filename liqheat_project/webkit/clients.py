"""Who asks: the address that limits are counted by."""

import ipaddress
from functools import lru_cache

IPV6_PREFIX = 64  # what one household or one server gets


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The address, or for IPv6 its network of 64 bits, in which a client has all addresses. What
    is no address counts as itself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
    return str(found)
