"""Which addresses may be asked for a data set."""

import socket
from typing import Any

import pytest

from bakehouse.uploads.addresses import Address, AddressRefused
from worker.host.resolved_hosts import resolve

PUBLIC = ("93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "::ffff:93.184.216.34")
OWN = (
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "::7f00:1",
)  # fmt: skip
METADATA = ("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "168.63.129.16")


def resolve_to(monkeypatch: pytest.MonkeyPatch, *found: str, may_be_private: bool = False) -> int:
    """Looks up a host that has these addresses; returns the number of places to connect to."""

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(family[":" in each], socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return len(resolve(Address("example.org", 443, "/"), may_be_private=may_be_private))


def test_public_addresses_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_to(monkeypatch, *PUBLIC) == len(PUBLIC)


def test_an_address_of_an_own_network_is_refused_also_beside_a_public_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in OWN:
        with pytest.raises(AddressRefused, match="BAKEHOUSE_PRIVATE_DATASET_HOSTS"):
            resolve_to(monkeypatch, PUBLIC[0], each)
        assert resolve_to(monkeypatch, each, may_be_private=True) == 1


def test_a_metadata_service_is_refused_whatever_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in METADATA:
        with pytest.raises(AddressRefused, match="metadata"):
            resolve_to(monkeypatch, each, may_be_private=True)
