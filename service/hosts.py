"""Decides from `Host` and `Origin` whether a web page of another site has sent a request.

The service has no access control. Without these checks, any page that users open could change their runs (CSRF), and a
page whose name is made to point to 127.0.0.1 (DNS rebinding) could also read them.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from bakehouse.settings import Settings, is_loopback, split_at_commas
from service.errors import CrossSiteRequest, MalformedRequest, MisdirectedRequest, ServiceError

LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "[::1]"}
HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]*)?")
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# `same-site` is listed because another port or subdomain need not be trusted.
OTHER_SITES = {b"cross-site", b"same-site"}


class Hosts:
    """The hosts for which the service answers."""

    def __init__(self, settings: Settings) -> None:
        url_host = urlsplit(settings.url or "").netloc.rpartition("@")[2].lower()
        self._configured = {*split_at_commas(settings.allowed_hosts), *filter(None, [url_host])}
        self._allowed = self._configured | LOOPBACK_HOSTS | {in_url(settings.host)}
        # On other addresses, names are not known in advance, and the operator has agreed to serve everybody.
        self._is_restricted = is_loopback(settings.host) or bool(settings.allowed_hosts)

    def find_host_error(self, hosts: Sequence[str], http_version: str) -> ServiceError | None:
        """Returns the error in the headers `Host`, or None."""
        # HTTP/1.0 does not require the header. Browsers never send such requests.
        if len(hosts) > 1 or (not hosts and http_version >= "1.1"):
            return MalformedRequest(f"The request has {len(hosts)} headers Host; it must have one.")
        if self._is_restricted and not all(map(self._is_allowed, hosts)):
            return MisdirectedRequest(hosts[0])
        return None

    def find_origin_error(self, hosts: Sequence[str], origins: Sequence[str], site: bytes) -> ServiceError | None:
        """Returns an error if the page that has sent a request is not a page of this service."""
        if site in OTHER_SITES or not all(self._is_own_origin(origin, hosts) for origin in origins):
            return CrossSiteRequest()
        return None

    def _is_allowed(self, host: str) -> bool:
        # An allowed host without a port is allowed with every port.
        found = HOST.fullmatch(host.lower())
        return found is not None and not self._allowed.isdisjoint((found[0], found[1]))

    def _is_own_origin(self, origin: str, hosts: Sequence[str]) -> bool:
        scheme, _, origin_host = origin.lower().partition("://")
        port = DEFAULT_PORTS.get(scheme)
        # `null` is the origin of local files and of sandboxed frames, which any page can contain.
        if port is None or not origin_host:
            return False
        own = {host.lower().removesuffix(port) for host in hosts} | self._configured
        return origin_host.removesuffix(port) in own


def in_url(address: str) -> str:
    """Returns an address as it appears in a URL, where an IPv6 address has brackets."""
    return f"[{address}]" if ":" in address else address.lower()
