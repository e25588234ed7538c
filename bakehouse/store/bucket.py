"""Objects in a bucket of S3, or of a server that speaks its protocol, by obstore.

This is the only module that imports obstore, and it is imported only if the store is a bucket. obstore runs threads of
its own, which do not survive a fork: a bucket is used in the process that has made it.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from bakehouse.settings import S3_SCHEME, Settings
from bakehouse.store.access import KeyFile
from bakehouse.store.errors import StoreAway, StoreRefused, explain

CONNECT_SECONDS = 5
REQUEST_SECONDS = 60
# Whoever can wait longer than this asks again.
RETRY_SECONDS = 10
RETRIES = 3
# What is larger goes and comes in parts, each of which is a request.
PART_BYTES = 8 << 20

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing."""

    key: str
    bytes: int
    modified: datetime
    tag: str


class Bucket:
    """The objects under one prefix of a bucket. Methods raise StoreAway, and those that read FileNotFoundError."""

    def __init__(self, settings: Settings) -> None:
        assert settings.bucket is not None
        self.name, _, prefix = settings.bucket.removeprefix(S3_SCHEME).partition("/")
        endpoint = settings.store_endpoint or settings.s3_endpoint
        self._keys = None if settings.s3_credentials is None else KeyFile(settings.s3_credentials)
        config: Any = {"region": settings.s3_region}
        if endpoint is not None:
            # Servers of one's own have no name for each bucket.
            config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        self._store = S3Store(
            self.name,
            prefix=prefix or None,
            config=config,
            client_options={
                "allow_http": endpoint is not None and endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=REQUEST_SECONDS),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
            credential_provider=self._keys,  # type: ignore[arg-type]  # a class with the same call
        )

    def put(self, key: str, content: bytes | Path) -> None:
        """Writes an object, in place of an earlier one. It appears whole or not at all."""
        self._ask(lambda: obstore.put(self._store, key, content, chunk_size=PART_BYTES))

    def create(self, key: str, content: bytes) -> bool:
        """Writes a small object unless there is one of this name; returns whether it did. Of several writers one
        wins."""

        def create() -> bool:
            try:
                obstore.put(self._store, key, content, mode="create")
            except AlreadyExistsError:
                return False
            return True

        return self._ask(create)

    def replace(self, key: str, content: bytes, *, tag: str) -> bool:
        """Writes a small object in place of the one with this tag; returns False if that has been replaced already."""

        def replace() -> bool:
            try:
                obstore.put(self._store, key, content, mode={"e_tag": tag})
            except (PreconditionError, FileNotFoundError):
                return False
            return True

        return self._ask(replace)

    def read(self, key: str) -> bytes:
        """Returns the content of an object."""
        return self._ask(lambda: obstore.get(self._store, key).bytes().to_bytes())

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Returns the bytes of an object from a position up to another, or up to its end if that comes first."""
        return self._ask(lambda: obstore.get_range(self._store, key, start=start, end=end).to_bytes())

    def download(self, key: str, path: Path, size: int) -> None:
        """Writes an object of a known size into a new file, a part at a time, so that hardly any of it is in memory."""
        with path.open("xb") as file:
            for start in range(0, size, PART_BYTES):
                file.write(self.read_range(key, start, min(start + PART_BYTES, size)))
            file.flush()
            os.fsync(file.fileno())

    def head(self, key: str) -> StoredObject:
        """Returns an object as it would be listed."""
        found = self._ask(lambda: obstore.head(self._store, key))
        return stored_object(found)

    def has(self, key: str) -> bool:
        """Returns whether there is such an object."""
        try:
            self.head(key)
        except FileNotFoundError:
            return False
        return True

    def objects(self, prefix: str) -> list[StoredObject]:
        """Lists all objects below a prefix, by key."""
        found = self._ask(lambda: obstore.list(self._store, prefix or None).collect())
        return sorted(map(stored_object, found), key=lambda each: each.key)

    def names(self, prefix: str) -> list[str]:
        """Lists the names directly below a prefix, in alphabetical order."""
        found = self._ask(lambda: obstore.list_with_delimiter(self._store, prefix or None))
        keys = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return sorted({key.rpartition("/")[2] for key in keys})

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; those that are gone already do not matter."""
        for key in keys:
            # Not every server takes many keys in one request.
            self._ask(lambda key=key: obstore.delete(self._store, key))  # type: ignore[misc]

    def _ask(self, request: Callable[[], Value]) -> Value:
        try:
            return request()
        except FileNotFoundError as error:
            found = explain(str(error), self.name)
            # That there is no bucket is not that there is no object.
            if isinstance(found, StoreRefused):
                raise found from None
            raise FileNotFoundError(f"there is no such object in the bucket {self.name}") from None
        except StoreAway:
            raise
        except (BaseError, OSError) as error:
            if self._keys is not None and self._keys.problem is not None:
                raise StoreRefused(self._keys.problem) from None
            # The whole text has addresses and keys, which users must not see.
            raise explain(str(error), self.name) from None


def stored_object(found: Any) -> StoredObject:
    """Returns what obstore says of an object."""
    return StoredObject(found["path"], found["size"], found["last_modified"], found["e_tag"] or "")
