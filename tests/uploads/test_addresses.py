"""How the address of a data set is read, and which hosts the settings allow."""

import pytest

from bakehouse.settings import Settings
from bakehouse.uploads.addresses import AddressRefused, HostRules, parse_address, parse_location


def test_an_address_has_one_spelling() -> None:
    address = parse_address("HTTPS://Data.Example.ORG.:443/a%20b/Train.CSV?raw=1#top")
    assert address.url == "https://data.example.org/a%20b/Train.CSV?raw=1"
    assert (address.filename, address.authority) == ("Train.CSV", "data.example.org")
    assert parse_address("https://[2606:2800::1]:8443").url == "https://[2606:2800::1]:8443/"
    assert parse_location("../b?x#y", base=address.url).url == "https://data.example.org/b?x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://example.org/a.csv", "begin with https://"),
        ("s3://bucket/a.csv", "https:// or s3://"),
        ("file:///etc/passwd", "begin with https://"),
        ("example.org/a.csv", "begin with https://"),
        ("https://user:hunter2@example.org/a", "a name or a password"),
        ("https://hunter2@example.org/a", "a name or a password"),
        ("https://example.org/a?access_token=hunter2", "a key or a signature"),
        ("https://example.org/a?b=1&X-Amz-Signature=hunter2", "a key or a signature"),
        ("https://example.org/a?sig=hunter2", "a key or a signature"),
        ("https://example.org/a b", "printable"),
        ("https://example.org/a\r\nHost: hunter2", "printable"),
        ("https://example.org\\@hunter2/", "printable"),
        ("https://ex\u00e4mple.org/a", "printable"),
        ("https:///a", "no host"),
        ("https://a..b/", "no host"),
        ("https://" + "a" * 64 + ".org/", "no host"),
        ("https://example.org:99999/", "host or the port"),
        ("https://[::1/", "host or the port"),
        ("https://example.org/" + "a" * 2000, "printable"),
        ("", "printable"),
    ],
)
def test_what_is_not_fetched_is_refused_without_repeating_it(text: str, said: str) -> None:
    with pytest.raises(AddressRefused, match=said) as refused:
        parse_address(text)
    assert "hunter2" not in str(refused.value)


def allows(address: str, **settings: str) -> bool:
    try:
        HostRules(Settings(**settings)).check(parse_address(address))
    except AddressRefused:
        return False
    return True


def test_a_host_is_listed_with_its_port_unless_that_is_443() -> None:
    listed = {"dataset_hosts": "data.example.org, files.example.org:8443 [2606:2800::1]"}
    assert allows("https://data.example.org/a", **listed)
    assert allows("https://files.example.org:8443/a", **listed)
    assert allows("https://[2606:2800::1]/a", **listed)
    assert allows("https://data.example.org/a", dataset_hosts="data.example.org:443")
    assert allows("https://data.example.org/a", private_dataset_hosts="data.example.org")
    for other in ("data.example.org:8443", "files.example.org", "example.org", "evil-data.example.org", "2130706433"):
        assert not allows(f"https://{other}/a", **listed)


def test_without_a_list_nothing_is_fetched() -> None:
    with pytest.raises(AddressRefused, match=r"BAKEHOUSE_DATASET_HOSTS.* is empty"):
        HostRules(Settings()).check(parse_address("https://data.example.org/a"))
