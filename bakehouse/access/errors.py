"""Errors of API keys; their messages are for whoever manages or uses keys.

AccessError
├── HashKeyUnusable   the file in BAKEHOUSE_HOME cannot be read or written
├── SeenKeysUnusable  the file that remembers in BAKEHOUSE_HOME that there were keys cannot be written or deleted
├── KeyUnknown        there is no key with this id
├── KeyEnded          the key is revoked or expired, so that it cannot be rotated
├── KeysUnreachable   Redis does not answer, or refuses the command
└── ApiKeyUnusable    BAKEHOUSE_API_KEY or BAKEHOUSE_API_KEY_FILE holds no key
"""

from pathlib import Path


class AccessError(Exception):
    """Base class of the errors of API keys."""


class HashKeyUnusable(AccessError):
    """Raised if the file with the key of the hashes cannot be read or written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be used ({why}): it holds the secret without which no API key can be checked. Restore it "
            "from a backup; if it is lost, `bakehouse keys off` deletes all keys, and new ones can be created."
        )


class SeenKeysUnusable(AccessError):
    """Raised if the file that remembers that there were keys cannot be written or deleted."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be written or deleted ({why}): it remembers that there were API keys, so that the service "
            "asks for one even if Redis loses them. Make the folder writable."
        )


class KeyUnknown(AccessError):
    """Raised if there is no key with this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no key {key_id!r}: `bakehouse keys list` lists the ids")


class KeyEnded(AccessError):
    """Raised if a key that is not accepted any more should be rotated."""

    def __init__(self, key_id: str, status: str) -> None:
        super().__init__(f"{key_id} is {status}, so that it cannot be rotated: `bakehouse keys create` makes a new key")


class KeysUnreachable(AccessError):
    """Raised if Redis does not answer, or refuses the command."""

    def __init__(self, why: object) -> None:
        super().__init__(
            f"Redis does not answer, so that no keys can be read or changed ({why}): check BAKEHOUSE_REDIS_URL, or "
            "unset it for the keys of BAKEHOUSE_HOME"
        )


class ApiKeyUnusable(AccessError):
    """Raised if a setting holds no key; the message never shows what it holds."""
