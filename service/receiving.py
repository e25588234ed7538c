"""Writes the body of a request to disk while it arrives, so that hardly any of it is in memory."""

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, Self

from starlette.concurrency import run_in_threadpool

from bakehouse.runs.artifacts import refuse_without_room, storage_errors

# Each call in a thread takes some 50 microseconds, so the body is written in blocks of this size.
BLOCK_BYTES = 1 << 20


class ReceivedFile:
    """A file that is written while it arrives. Use it with `async with`: unless the store takes it, it is removed.

    `check` is called with the number of bytes that have come, before more are written, and may raise an error.
    """

    def __init__(self, path: Path, check: Callable[[int], None] | None = None) -> None:
        self.path = path
        self.bytes = 0
        self._check = check
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self._file: BinaryIO | None = None

    async def __aenter__(self) -> Self:
        self._file = await run_in_threadpool(open_new, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        await run_in_threadpool(self._discard)

    async def write(self, data: bytes | memoryview) -> None:
        """Appends a piece of the body."""
        self._waiting += data
        if len(self._waiting) >= BLOCK_BYTES:
            await self._flush()

    async def write_all(self, pieces: AsyncIterator[bytes]) -> None:
        """Appends all pieces of the body."""
        async for piece in pieces:
            await self.write(piece)

    async def finish(self) -> str:
        """Returns the sha-256 of what has arrived. The store syncs the file when it takes it."""
        await self._flush()
        assert self._file is not None
        await run_in_threadpool(self._file.flush)
        return self._digest.hexdigest()

    async def _flush(self) -> None:
        block, self._waiting = self._waiting, bytearray()
        await run_in_threadpool(self._write_block, block)

    @storage_errors()
    def _write_block(self, block: bytearray) -> None:
        assert self._file is not None
        self.bytes += len(block)
        if self._check is not None:
            self._check(self.bytes)
        # A body whose size was not announced must not take the last space from the runs.
        refuse_without_room(self.path, len(block))
        self._file.write(block)
        self._digest.update(block)

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
        # The store has moved it if it was published.
        self.path.unlink(missing_ok=True)


@storage_errors()
def open_new(path: Path) -> BinaryIO:
    """Creates a file."""
    return path.open("xb")


@storage_errors()
def require_room(folder: Path, needed: int) -> None:
    """Raises StorageFull if the disk has too little space for what is announced."""
    refuse_without_room(folder / "upload", needed)
