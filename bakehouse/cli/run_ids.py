"""Completes the ids of runs and experiments in a shell, from what the running service lists."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

from bakehouse.access.sent_key import find_api_key, headers_of
from bakehouse.model import JsonObject
from bakehouse.runs.status import Status
from bakehouse.settings import Settings, is_loopback

SECONDS = 1.0
"""The service answers in milliseconds; a user who waits for a completion should not wait longer for none."""
LISTED = 100
"""The latest runs of each status that are offered: the most that a page of the service has."""


def completed_ids(start: str, statuses: Sequence[Status] = ()) -> list[tuple[str, str]]:
    """Returns the ids that begin like this, newest first, each with what a shell may show beside it. Without statuses,
    of all runs."""
    try:
        rows = [row for status in statuses or (None,) for row in latest_runs(status)]
        return [(row["id"], description(row)) for row in rows if row["id"].startswith(start)]
    except Exception:  # noqa: BLE001 - a message would appear in the middle of the line that the user types
        return []


def completed_experiments(start: str) -> list[tuple[str, str]]:
    """Returns the ids of experiments that begin like this, newest first, each with what a shell may show beside it."""
    try:
        rows = listed_rows("experiments", {})
        return [(row["id"], experiment_description(row)) for row in rows if row["id"].startswith(start)]
    except Exception:  # noqa: BLE001 - a message would appear in the middle of the line that the user types
        return []


def latest_runs(status: Status | None) -> list[JsonObject]:
    """Returns the latest runs, as the service lists them."""
    return listed_rows("runs", {"view": "brief", **({} if status is None else {"status": status})})


def listed_rows(what: str, query: dict[str, str]) -> list[JsonObject]:
    settings = Settings()
    url = settings.base_url.rstrip("/")
    # A proxy that the user's environment names does not reach this machine.
    is_elsewhere = not is_loopback(urlsplit(url).hostname or "")
    parameters = {**query, "limit": str(LISTED)}
    headers = headers_of(find_api_key(settings))
    answer = httpx.get(f"{url}/v1/{what}", params=parameters, headers=headers, timeout=SECONDS, trust_env=is_elsewhere)
    rows: list[JsonObject] = answer.raise_for_status().json()["data"]
    return rows


def experiment_description(row: JsonObject) -> str:
    """Returns what tells an experiment from others."""
    return f"{row['status']}, {row['name'] or row['design']} on {row['dataset']}"


def description(row: JsonObject) -> str:
    """Returns what tells a run from others."""
    return f"{row['status']}, {row['name'] or row['architecture']} on {row['dataset']}"
