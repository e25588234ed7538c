"""Remembers in BAKEHOUSE_HOME that its service had API keys, so that a Redis that loses them does not open the service.

The file `api_keys.secret` does the same in the home in which keys are made; other homes may lack it.
"""

from pathlib import Path

from bakehouse.access.errors import SeenKeysUnusable
from bakehouse.access.hash_key import write_once

FILE = "api_keys.seen"
TEXT = "This service had API keys, so that it asks for one. `bakehouse keys off` deletes this file.\n"


def were_keys_seen(home: Path) -> bool:
    """Returns whether this home had keys, also if that cannot be found out."""
    try:
        (home / FILE).stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def remember_keys(home: Path) -> None:
    """Remembers that this home had keys. Raises SeenKeysUnusable."""
    path = home / FILE
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(path, TEXT)
    except OSError as error:
        raise SeenKeysUnusable(path, error.strerror or type(error).__name__) from error


def forget_keys(home: Path) -> None:
    """Forgets that this home had keys. Raises SeenKeysUnusable."""
    path = home / FILE
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SeenKeysUnusable(path, error.strerror or type(error).__name__) from error
