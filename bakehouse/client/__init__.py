"""Python client of the service: `Client().submit(recipe)`, then `stream()`, `wait()` or `download_best()`."""

from bakehouse.client.client import Client
from bakehouse.client.errors import (
    ClientClosed,
    ClientError,
    Conflict,
    DownloadDamaged,
    NotAllowed,
    NotFound,
    RecipeRefused,
    Refused,
    RunTimeout,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from bakehouse.client.events import RunEvent
from bakehouse.client.run import ClientRun

__all__ = [
    "Client",
    "ClientClosed",
    "ClientError",
    "ClientRun",
    "Conflict",
    "DownloadDamaged",
    "NotAllowed",
    "NotFound",
    "RecipeRefused",
    "Refused",
    "RunEvent",
    "RunTimeout",
    "TooManyRequests",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
]
