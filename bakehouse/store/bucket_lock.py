"""A lock that processes of all machines share: an object of which its holder writes a new version again and again."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bakehouse.store.bucket import Bucket
from bakehouse.store.errors import StoreAway

RENEW_SECONDS = 10.0
LOST_SECONDS = 60.0
"""A lock of which no new version was seen for so long has lost its holder. No clocks are compared."""
POLL_SECONDS = 0.2


@contextmanager
def hold_lock(bucket: Bucket, key: str) -> Iterator[None]:
    """Keeps others from entering a block with the same key; they wait."""
    name = secrets.token_hex(8)
    acquire(bucket, key, name)
    is_over = threading.Event()
    thread = threading.Thread(target=renew, args=(bucket, key, name, is_over), name=f"lock {key}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        release(bucket, key, name)


def acquire(bucket: Bucket, key: str, name: str) -> None:
    """Waits until the lock is free, or its holder is lost, and takes it."""
    seen = ""
    seen_at = time.monotonic()
    while not bucket.create(key, version(name)):
        with suppress(FileNotFoundError):
            tag = bucket.head(key).tag
            if tag != seen:
                seen = tag
                seen_at = time.monotonic()
            # Of several that wait, one replaces this version.
            elif time.monotonic() - seen_at > LOST_SECONDS and bucket.replace(key, version(name), tag=tag):
                return
        time.sleep(POLL_SECONDS)


def renew(bucket: Bucket, key: str, name: str, is_over: threading.Event) -> None:
    """Writes new versions until the block is over."""
    while not is_over.wait(RENEW_SECONDS):
        # It is tried again in time, if the store is away for a moment.
        with suppress(StoreAway):
            bucket.put(key, version(name))


def release(bucket: Bucket, key: str, name: str) -> None:
    """Deletes the lock, unless another process has taken it meanwhile."""
    # If it cannot be deleted, those that wait take it as lost.
    with suppress(StoreAway, FileNotFoundError):
        if bucket.read(key).startswith(name.encode()):
            bucket.delete([key])


def version(name: str) -> bytes:
    """Returns a new version of the lock: its holder, and what makes it differ from the last one."""
    return f"{name} {secrets.token_hex(8)}".encode()
