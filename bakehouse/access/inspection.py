"""Looks at the API keys and at the secret with which they are checked, for people who look for what is wrong."""

import logging
from dataclasses import dataclass

from bakehouse.access.api_key import KeyTable
from bakehouse.access.errors import HashKeyUnusable, KeysUnreachable
from bakehouse.access.hash_key import HashKey, read_hash_key
from bakehouse.access.seen_keys import were_keys_seen
from bakehouse.access.store import open_key_store
from bakehouse.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AccessState:
    """The keys and the secret of the home."""

    table: KeyTable | None = None
    """All keys; None if Redis cannot be asked."""
    hash_key: HashKey | None = None
    """The secret of the home; None if there is none."""
    were_keys_seen: bool = False
    """Whether the home remembers that there were keys."""
    problem: str | None = None
    """Why the secret cannot be read."""


def inspect_access(settings: Settings, redis_url: str | None) -> AccessState:
    """Reads the keys and the secret; `redis_url` is None if Redis does not answer."""
    table = None
    if redis_url is not None:
        try:
            with open_key_store(redis_url) as store:
                table = store.read()
        except KeysUnreachable as error:
            log.warning("%s", error)
    try:
        hash_key = read_hash_key(settings.home)
        return AccessState(table=table, hash_key=hash_key, were_keys_seen=were_keys_seen(settings.home))
    except HashKeyUnusable as error:
        log.warning("%s", error)
        return AccessState(table=table, problem="the file api_keys.secret in BAKEHOUSE_HOME cannot be used")
