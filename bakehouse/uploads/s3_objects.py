"""Reads what a client names as the source of a data set: an address, or an object in S3 or in a store that speaks its
protocol."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from bakehouse.settings import Settings
from bakehouse.uploads.addresses import HTTPS, Address, AddressRefused, parse_address, parse_location

SCHEME = "s3://"
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MAX_KEY_BYTES = 1024


@dataclass(frozen=True)
class S3Object:
    """An object, which is named as the tools of S3 name it: nothing of its key is percent-encoded."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        """The bucket and the key, as clients write them."""
        return f"{SCHEME}{self.bucket}/{self.key}"

    @property
    def filename(self) -> str:
        """The last name of the key."""
        return PurePosixPath(self.key).name


Source = Address | S3Object


def parse_source(text: str) -> Source:
    """Reads a source that a user names. Raises AddressRefused."""
    if text[: len(SCHEME)].lower() == SCHEME:
        return parse_object(text[len(SCHEME) :])
    return parse_address(text)


def parse_object(text: str) -> S3Object:
    """Reads BUCKET/KEY. Raises AddressRefused."""
    bucket, _, key = text.partition("/")
    if "@" in bucket:
        raise AddressRefused(
            "the address has a name or a password, and addresses are shown to others: the file that "
            "BAKEHOUSE_S3_CREDENTIALS names has the access key"
        )
    if not BUCKET.fullmatch(bucket):
        raise AddressRefused(
            "the name of a bucket has 3 to 63 lower-case letters, digits, dots and hyphens: s3://BUCKET/KEY"
        )
    if not key or key.endswith("/"):
        raise AddressRefused(
            "the address names a bucket or a folder, and one object is fetched: s3://BUCKET/KEY. Pack several files "
            "into a .zip or .tar"
        )
    # Invisible characters, and those that reorder a line, are not printable either.
    if not key.isprintable() or len(key.encode()) > MAX_KEY_BYTES:
        raise AddressRefused(f"the key of an object has 1 to {MAX_KEY_BYTES:,} bytes of printable characters")
    # A server may take these for steps up, and read another bucket.
    if not {".", ".."}.isdisjoint(key.split("/")):
        raise AddressRefused("a key with . or .. between its slashes is not fetched")
    return S3Object(bucket, key)


def address_of(source: Source, settings: Settings) -> Address:
    """Returns the address at which a source is asked for, before any redirect."""
    if isinstance(source, Address):
        return source
    path = f"/{quote(source.key)}"
    if settings.s3_endpoint is not None:
        endpoint = parse_location(settings.s3_endpoint)
        return Address(endpoint.host, endpoint.port, f"/{source.bucket}{path}")
    host = f"s3.{settings.s3_region}.amazonaws.com"
    # The certificate of Amazon is for one name before its own, and a dot would make it two.
    if "." in source.bucket:
        return Address(host, HTTPS, f"/{source.bucket}{path}")
    return Address(f"{source.bucket}.{host}", HTTPS, path)
