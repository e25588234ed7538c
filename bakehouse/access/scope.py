"""What an API key may permit."""

from typing import Literal

Scope = Literal["read", "submit", "control", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "submit", "control", "admin")


def permits(scopes: tuple[Scope, ...], wanted: Scope) -> bool:
    """Returns whether these scopes include the wanted one; `admin` includes all."""
    return wanted in scopes or "admin" in scopes
