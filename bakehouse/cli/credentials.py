"""The credentials of the commands that ask a service without the client."""

from urllib.parse import urlsplit

from bakehouse.access.errors import HashKeyUnusable
from bakehouse.access.hash_key import read_hash_key
from bakehouse.access.sent_key import find_api_key, headers_of
from bakehouse.settings import Settings, is_loopback


def credentials_for(settings: Settings, url: str) -> dict[str, str]:
    """Returns the headers for a request that only reads. Without an API key, whoever may read the secret of the home
    needs none for the service on this machine. Raises ApiKeyUnusable."""
    key = find_api_key(settings)
    return headers_of(key) if key is not None or not is_loopback(urlsplit(url).hostname or "") else of_owner(settings)


def of_owner(settings: Settings) -> dict[str, str]:
    """Returns the headers with which the owner of the home may read for a minute; none without keys."""
    try:
        hash_key = read_hash_key(settings.home)
    except HashKeyUnusable:
        return {}
    return headers_of(None if hash_key is None else hash_key.home_token())
