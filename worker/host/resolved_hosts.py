"""Looks the addresses of a host up, and refuses those behind which this machine or its own network may be."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from bakehouse.uploads.addresses import Address, AddressRefused

IPAddress = IPv4Address | IPv6Address

UNICAST = ip_network("2000::/3")
NAT64 = ip_network("64:ff9b::/96")
METADATA = tuple(map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
"""Where clouds tell a machine its passwords. No setting allows them, because any name may be given such an address."""


class HostNotFound(Exception):
    """Raised if a host has no address now."""


@dataclass(frozen=True)
class Endpoint:
    """An IP address with a port, in the form that the operating system takes."""

    family: socket.AddressFamily
    place: tuple[Any, ...]


def resolve(address: Address, *, may_be_private: bool) -> list[Endpoint]:
    """Returns where a host can be reached. Raises HostNotFound, and AddressRefused if any of its addresses is none of
    the public Internet. The caller connects to these: another look-up might give others."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HostNotFound(f"{address.host} cannot be found: {error.strerror}") from error
    for *_, place in found:
        check(address.host, ip_address(str(place[0]).partition("%")[0]), may_be_private=may_be_private)
    return [Endpoint(family, place) for family, _, _, _, place in found]


def check(host: str, found: IPAddress, *, may_be_private: bool) -> None:
    """Raises AddressRefused for an address that may not be asked."""
    each = [found, *embedded(found)]
    if any(one in METADATA for one in each):
        raise AddressRefused(f"{host} has the address of a cloud's metadata service, which is never asked")
    if not may_be_private and not all(map(is_public, each)):
        raise AddressRefused(
            f"{host} has an address that is private, loopback, link-local or reserved, which is only asked if "
            "BAKEHOUSE_PRIVATE_DATASET_HOSTS lists the host"
        )


def embedded(found: IPAddress) -> Iterator[IPv4Address]:
    """Yields the IPv4 address that a gateway would reach for an IPv6 address."""
    if isinstance(found, IPv6Address):
        yield from (each for each in (found.ipv4_mapped, found.sixtofour, *(found.teredo or ())) if each is not None)
        if found in NAT64:
            yield IPv4Address(int(found) & 0xFFFFFFFF)


def is_public(found: IPAddress) -> bool:
    """Returns whether an address is one of the public Internet."""
    if isinstance(found, IPv6Address) and (found in NAT64 or found.ipv4_mapped is not None):
        return True  # the IPv4 address in it decides
    is_unicast = isinstance(found, IPv4Address) or found in UNICAST
    return is_unicast and found.is_global and not (found.is_multicast or found.is_reserved)
