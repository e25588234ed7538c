"""Checks now and then that the service's folder is the registered one, and that it takes new files."""

import asyncio
import logging
from math import inf
from time import monotonic

from redis.exceptions import RedisError

from bakehouse.runs.artifacts import storage_errors
from bakehouse.runs.async_store import SharedReading
from bakehouse.runs.errors import RunsError
from bakehouse.runs.marker import register_folder
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.store import Store
from bakehouse.settings import Settings

# A request relies on a check that is at most this old.
KEEP_SECONDS = 1.0
# After half of that time the check is repeated in the background, so that no request waits for it under load.
RENEW_SECONDS = KEEP_SECONDS / 2

log = logging.getLogger(__name__)


class FolderCheck:
    """Checks again and again whether runs can keep their files in the service's folder."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._check_for_all = SharedReading(self._check_once)
        self._checked_at = -inf
        self._renewal: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Does what `check_now` does, unless it found the folder usable less than a second ago."""
        age = monotonic() - self._checked_at
        if age >= KEEP_SECONDS:
            await self._check_for_all()
        elif age >= RENEW_SECONDS and self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())

    @storage_errors()
    def check_now(self) -> None:
        """Registers the folder as `register_folder` does; raises StorageFull or StorageUnavailable if it takes no new
        files."""
        # In case Redis was emptied: otherwise a worker with another folder could take the run.
        register_folder(self._settings, self._store)
        open_artifacts(self._settings).check_writable()

    async def _check_once(self) -> None:
        started = monotonic()
        await asyncio.to_thread(self.check_now)
        self._checked_at = started

    async def _renew(self) -> None:
        try:
            await self._check_for_all()
        except (RunsError, RedisError) as error:
            # The next request checks again, and fails if the reason still exists.
            log.warning("The folder of the runs' files could not be checked: %s", error)
            self._checked_at = -inf
        finally:
            self._renewal = None
