"""Objects in S3, and the addresses at which they are asked for."""

import pytest

from bakehouse.settings import Settings
from bakehouse.uploads.addresses import AddressRefused
from bakehouse.uploads.s3_objects import address_of, parse_source


def address(text: str, **settings: str) -> str:
    return address_of(parse_source(text), Settings(**settings)).url


def test_an_object_is_asked_for_at_the_host_of_its_bucket_or_at_the_endpoint() -> None:
    assert address("s3://data/a/b.csv") == "https://data.s3.us-east-1.amazonaws.com/a/b.csv"
    assert address("S3://data/b.csv", s3_region="eu-north-1") == "https://data.s3.eu-north-1.amazonaws.com/b.csv"
    assert address("s3://my.data/b.csv") == "https://s3.us-east-1.amazonaws.com/my.data/b.csv"
    assert address("s3://data/b.csv", s3_endpoint="https://Minio.lan:9000/") == "https://minio.lan:9000/data/b.csv"
    assert address("https://example.org/b.csv", s3_endpoint="https://minio.lan") == "https://example.org/b.csv"


def test_a_key_is_taken_as_it_is() -> None:
    source = parse_source("s3://data/2026/Häuser 100%?a#b+c//~.csv")
    assert (source.url, source.filename) == ("s3://data/2026/Häuser 100%?a#b+c//~.csv", "~.csv")
    path = address_of(source, Settings()).path
    assert path == "/2026/H%C3%A4user%20100%25%3Fa%23b%2Bc//~.csv"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3://", "the name of a bucket"),
        ("s3://Data/a.csv", "the name of a bucket"),
        ("s3://da/a.csv", "the name of a bucket"),
        ("s3://data:9000/a.csv", "the name of a bucket"),
        ("s3://data#x/a.csv", "the name of a bucket"),
        ("s3://data\n/a.csv", "the name of a bucket"),
        ("s3://me:hunter2@data/a.csv", "a name or a password"),
        ("s3://data", "s3://BUCKET/KEY"),
        ("s3://data/", "s3://BUCKET/KEY"),
        ("s3://data/hunter2/", "a bucket or a folder"),
        ("s3://data/../hunter2/a.csv", "between its slashes"),
        ("s3://data/hunter2/.", "between its slashes"),
        ("s3://data/hunter2\r\nHost: a", "printable"),
        ("s3://data/hunter2\u202eb.csv", "printable"),
        ("s3://data/hunter2\ud800", "printable"),
        ("s3://data/" + "ä" * 513, "printable"),
        ("s3:/data/a.csv", "https:// or s3://"),
    ],
)
def test_what_names_no_object_is_refused_in_words_without_the_address(text: str, said: str) -> None:
    with pytest.raises(AddressRefused, match=said) as refused:
        parse_source(text)
    assert "hunter2" not in str(refused.value)
