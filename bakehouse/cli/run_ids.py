"""Completes the ids of runs in a shell, from what the running service lists."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

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


def latest_runs(status: Status | None) -> list[JsonObject]:
    """Returns the latest runs, as the service lists them."""
    url = Settings().base_url.rstrip("/")
    query = {"view": "brief", "limit": str(LISTED), **({} if status is None else {"status": status})}
    # A proxy that the user's environment names does not reach this machine.
    is_elsewhere = not is_loopback(urlsplit(url).hostname or "")
    answer = httpx.get(f"{url}/v1/runs", params=query, timeout=SECONDS, trust_env=is_elsewhere)
    rows: list[JsonObject] = answer.raise_for_status().json()["data"]
    return rows


def description(row: JsonObject) -> str:
    """Returns what tells a run from others."""
    return f"{row['status']}, {row['name'] or row['architecture']} on {row['dataset']}"
