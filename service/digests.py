"""Remembers the digests of files, so that a file is hashed once and not for each request."""

import asyncio
import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MAX_FILES = 10_000
# A large file takes seconds, in which the service has to answer other requests.
THREADS = 2
BLOCK_BYTES = 1 << 20

# A change of the content changes one of these: device, inode, size, and the times of change in nanoseconds.
FileKey = tuple[int, int, int, int, int]


class Digests:
    """Hashes files in threads. Requests for one file at the same time wait for the same calculation."""

    def __init__(self, hash_file: Callable[[int], str]) -> None:
        self._hash_file = hash_file
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="digest")
        self._known: OrderedDict[FileKey, asyncio.Future[str]] = OrderedDict()

    async def sha256(self, file: int) -> str:
        """Returns the sha256 of an open file in hexadecimal; raises OSError if it cannot be read."""
        key = file_key(file)
        if key not in self._known:
            # The request may end before the calculation, so the thread gets a descriptor that it closes itself.
            self._known[key] = asyncio.get_running_loop().run_in_executor(self._threads, self._hash_file, os.dup(file))
            if len(self._known) > MAX_FILES:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        try:
            return await asyncio.shield(self._known[key])
        except OSError:
            # The next request tries again.
            self._known.pop(key, None)
            raise


def file_key(file: int) -> FileKey:
    found = os.fstat(file)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def hash_file(descriptor: int) -> str:
    """Returns the sha256 of a file and closes it."""
    digest = hashlib.sha256()
    size = 0
    try:
        # Other descriptors of the same open file share its position, so nothing may depend on it.
        while block := os.pread(descriptor, BLOCK_BYTES, size):
            digest.update(block)
            size += len(block)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
