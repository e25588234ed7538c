"""Python client of the service: `Client().submit(recipe)`, then `stream()`, `wait()` or `download_best()`; in an event
loop, `AsyncClient` with the same methods."""

from bakehouse.client.async_client import AsyncClient
from bakehouse.client.async_experiment import AsyncClientExperiment
from bakehouse.client.async_run import AsyncClientRun
from bakehouse.client.client import Client
from bakehouse.client.errors import (
    ClientClosed,
    ClientError,
    Conflict,
    DatasetRefused,
    DownloadDamaged,
    ExperimentRefused,
    ExperimentTimeout,
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
from bakehouse.client.experiment import ClientExperiment
from bakehouse.client.experiment_events import ExperimentEvent
from bakehouse.client.reading import NewerService, RunRecord
from bakehouse.client.run import ClientRun

__all__ = [
    "AsyncClient",
    "AsyncClientExperiment",
    "AsyncClientRun",
    "Client",
    "ClientClosed",
    "ClientError",
    "ClientExperiment",
    "ClientRun",
    "Conflict",
    "DatasetRefused",
    "DownloadDamaged",
    "ExperimentEvent",
    "ExperimentRefused",
    "ExperimentTimeout",
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
