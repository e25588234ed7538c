"""Reads the address of a data set that is to be fetched, and decides whether its host may be asked."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import PurePosixPath
from urllib.parse import SplitResult, parse_qsl, unquote, urljoin, urlsplit

from bakehouse.settings import Settings, split_at_commas

HTTPS = 443
MAX_CHARACTERS = 2_000
MAX_LOCATION_CHARACTERS = 8_000
"""Limit on an address to which a server redirects. A signed one may contain a token of more than a thousand."""
PRINTABLE = re.compile(r"[!-~]+")
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
SECRET = re.compile(
    r"(.*[_.-])?(access_?key(_?id)?|api_?key|auth(orization)?|credentials?|jwt|key|pass(wd|word)?|pwd|sas|secret|sig"
    r"|signature|tokens?)",
    re.IGNORECASE,
)
"""Names of parameters of an address that let whoever has it in, as those of a signed address do."""


class AddressRefused(ValueError):
    """Raised for an address that is not fetched; the message says why, and never has the address itself."""


@dataclass(frozen=True)
class Address:
    """An address that begins with https://."""

    host: str
    """A name or an IP address in lower case, without brackets."""
    port: int
    path: str
    """The path with the query, as they are sent."""

    @property
    def authority(self) -> str:
        """The host, and the port unless it is 443."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"https://{self.authority}{self.path}"

    @property
    def filename(self) -> str:
        """The last name of the path; empty if it ends with a slash."""
        return PurePosixPath(unquote(self.path.partition("?")[0])).name


def parse_address(text: str) -> Address:
    """Reads an address that a user gives. Raises AddressRefused."""
    address = parse_location(text, max_characters=MAX_CHARACTERS)
    names = [name for name, _ in parse_qsl(urlsplit(text).query, keep_blank_values=True)]
    if any(SECRET.fullmatch(name) for name in names):
        raise AddressRefused(
            "the address has a key or a signature as a parameter, and addresses are shown to others: use an address "
            "without, or download the file and upload it"
        )
    return address


def parse_location(text: str, base: str = "", *, max_characters: int = MAX_LOCATION_CHARACTERS) -> Address:
    """Reads an address to which a server redirects, which may be signed for this one request. Raises
    AddressRefused."""
    if len(text) > max_characters or not PRINTABLE.fullmatch(text) or "\\" in text:
        raise AddressRefused(
            f"an address has 1 to {max_characters:,} printable ASCII characters without spaces: write others as %20"
        )
    try:
        parts = urlsplit(urljoin(base, text))
        port = parts.port or HTTPS
    except ValueError as error:
        raise AddressRefused("the host or the port of the address cannot be read") from error
    refuse_scheme(parts)
    host = (parts.hostname or "").removesuffix(".")
    if not is_host(host):
        raise AddressRefused("the address has no host that can be read: https://HOST/PATH")
    return Address(host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def refuse_scheme(parts: SplitResult) -> None:
    """Raises AddressRefused for anything but https:// without a name or password."""
    if "@" in parts.netloc:
        raise AddressRefused(
            "the address has a name or a password, and addresses are shown to others: use one without, or download the "
            "file and upload it"
        )
    if parts.scheme != "https":
        raise AddressRefused(
            "only addresses that begin with https:// or s3:// are fetched: download the file, then upload it"
        )


def is_host(text: str) -> bool:
    """Returns whether a text is an IP address or can be a name."""
    try:
        ip_address(text)
    except ValueError:
        return len(text) < 254 and all(map(LABEL.fullmatch, text.split(".")))
    return True


class HostRules:
    """The hosts from which the settings allow data sets to be fetched."""

    def __init__(self, settings: Settings) -> None:
        self.public = tuple(split_at_commas(settings.dataset_hosts))
        self._private = tuple(split_at_commas(settings.private_dataset_hosts))

    def check(self, address: Address) -> None:
        """Raises AddressRefused for a host that is not listed."""
        if not (self.public or self._private):
            raise AddressRefused(
                f"this service fetches no data from {address.authority}, because BAKEHOUSE_DATASET_HOSTS, which lists "
                "the hosts that it may ask, is empty: download the file, then upload it"
            )
        if not (is_listed(address, self.public) or self.may_be_private(address)):
            raise AddressRefused(
                f"{address.authority} is none of the hosts that BAKEHOUSE_DATASET_HOSTS lists: download the file, then "
                "upload it"
            )

    def may_be_private(self, address: Address) -> bool:
        """Returns whether a host may have an address of a private network or of this machine."""
        return is_listed(address, self._private)


def is_listed(address: Address, hosts: tuple[str, ...]) -> bool:
    """Returns whether a list has the host, with its port unless that is 443."""
    names = {address.authority}
    if address.port == HTTPS:
        names |= {f"{address.authority}:{HTTPS}", address.host}
    return not names.isdisjoint(hosts)
