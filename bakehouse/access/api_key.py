"""API keys: their text, what is recorded about them, and what they permit.

The text of a key is `key_`, 12 characters, a dot, and 43 characters that encode 256 random bits. The part before the
dot is the key's id. The rest is the secret, of which only a keyed hash is recorded (`hash_key.py`).
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bakehouse.access.scope import Scope
from bakehouse.model import Model

KEY = re.compile(r"(key_[0-9a-z]{12})\.([A-Za-z0-9_-]{43})")
# Anything that may be a key with a part of its secret, such as one that was cut off.
SECRET = re.compile(r"(key_[0-9a-z]{12}(?:\.|%2[eE]))[A-Za-z0-9_%-]+")
ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
MAX_NAME_CHARACTERS = 64

Status = Literal["active", "expired", "revoked"]


class ApiKey(Model):
    """What is recorded about a key. The record never changes."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    secret_hash: str
    """The keyed hash of the secret, in hexadecimal."""
    hash_key_id: str
    """Identifies the key of that hash, which is in BAKEHOUSE_HOME and not in Redis."""
    created_ms: int
    expires_ms: int | None = None
    """When the key expires; null if it does not."""
    rotated_from: str | None = None
    """The id of the key that this one replaces."""


@dataclass(frozen=True)
class StoredKey:
    """A key, and the time from which on it is not accepted any more because it was revoked or rotated."""

    key: ApiKey
    ends_ms: int | None = None

    def status(self, now_ms: int) -> Status:
        """Returns whether the key is accepted, or why it is not."""
        if self.ends_ms is not None and self.ends_ms <= now_ms:
            return "revoked"
        if self.key.expires_ms is not None and self.key.expires_ms <= now_ms:
            return "expired"
        return "active"

    @property
    def last_ms(self) -> int | None:
        """The time until which the key is accepted; None if that is not limited."""
        return min((each for each in (self.ends_ms, self.key.expires_ms) if each is not None), default=None)


@dataclass(frozen=True)
class KeyTable:
    """All keys and the sessions that were ended, at one time of Redis's clock."""

    keys: Mapping[str, StoredKey]
    ended_sessions: frozenset[str]
    time_ms: int

    def has_active_keys(self) -> bool:
        """Returns whether any key is accepted."""
        return any(each.status(self.time_ms) == "active" for each in self.keys.values())


def new_key_id() -> str:
    return "key_" + "".join(secrets.choice(ID_LETTERS) for _ in range(12))


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def hide_secrets(text: str) -> str:
    """Returns the text with the secret of each key in it replaced."""
    return SECRET.sub(r"\1...", text) if "key_" in text else text
