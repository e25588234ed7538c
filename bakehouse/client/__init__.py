"""Python client of the service: `Client().submit(recipe)`, then `stream()`, `wait()` or `download_best()`; in an event
loop, `AsyncClient` with the same methods."""

from bakehouse.client.async_client import AsyncClient
from bakehouse.client.async_run import AsyncClientRun
from bakehouse.client.client import Client
from bakehouse.client.errors import (
    ClientClosed,
    ClientError,
    Conflict,
    DatasetRefused,
    DownloadDamaged,
    FileChanged,
    NotAllowed,
    NotFound,
    RecipeRefused,
    RecipeUnknown,
    Refused,
    RunTimeout,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from bakehouse.client.events import RunEvent
from bakehouse.client.reading import NewerService, RunRecord
from bakehouse.client.run import ClientRun

__all__ = [
    "AsyncClient",
    "AsyncClientRun",
    "Client",
    "ClientClosed",
    "ClientError",
    "ClientRun",
    "Conflict",
    "DatasetRefused",
    "DownloadDamaged",
    "FileChanged",
    "NewerService",
    "NotAllowed",
    "NotFound",
    "RecipeRefused",
    "RecipeUnknown",
    "Refused",
    "RunEvent",
    "RunRecord",
    "RunTimeout",
    "TooManyRequests",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
]
