"""Keeps the process that inspects data sets from a store that is not, or not yet, the one of its Redis."""

import sys
import time

from bakehouse.runs.errors import FolderNotShared
from bakehouse.runs.marker import check_folder
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.patience import OUTAGE
from bakehouse.runs.store import Store
from bakehouse.settings import Settings

LOOK_AGAIN_SECONDS = 2.0


def wait_for_store(settings: Settings, runs: Store) -> None:
    """Returns once the store is the one that a service has registered. A service may still be copying a home into it:
    then packed data are there before the versions that name them, and would be deleted."""
    said = None
    while (problem := find_problem(settings, runs)) is not None:
        if problem != said:
            said = problem
            print(f"Data sets wait for the store: {problem}", file=sys.stderr, flush=True)
        time.sleep(LOOK_AGAIN_SECONDS)


def find_problem(settings: Settings, runs: Store) -> str | None:
    """Returns why the store must not be used now, or None."""
    try:
        check_folder(settings, runs)
        # Redis may have lost the entry of the home while it was copied.
        if settings.store is not None and open_artifacts(settings).marker() is None:
            return f"{settings.store_name} has no marker yet; a service that starts writes it."
    except (FolderNotShared, OSError, *OUTAGE) as error:
        return str(error)
    return None
