"""Folders in a bucket: the objects below a key. The manifest, which lists the others, is written last, so that a folder
is complete if it has one."""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from bakehouse.store.bucket import Bucket, StoredObject
from bakehouse.store.file_store import UNFINISHED, make_folder, remove

MANIFEST = "manifest.json"
HIDDEN_MANIFEST = ".manifest.json"
"""The manifest of a folder with the files of a user, of which one may have that name."""
AT_ONCE = 8
"""Number of objects of a folder that are written or fetched at the same time."""
BLOCK_BYTES = 1 << 20


class FolderDamaged(Exception):
    """Raised if the objects of a folder are not those that its manifest lists."""


def put_folder(
    bucket: Bucket, key: str, files: Mapping[str, bytes | Path], manifest: bytes, *, name: str = MANIFEST
) -> None:
    """Writes a folder, in place of an earlier one; `name` is that of its manifest."""
    for_all(files.items(), lambda item: bucket.put(f"{key}/{item[0]}", item[1]))
    bucket.put(f"{key}/{name}", manifest)


def read_folder(bucket: Bucket, key: str) -> dict[str, bytes]:
    """Returns the files that the manifest of a folder lists. Raises FileNotFoundError if there is none, and
    FolderDamaged."""
    listed = listed_files(bucket.read(f"{key}/{MANIFEST}"))
    files: dict[str, bytes] = {}
    for name, entry in listed.items():
        try:
            content = bucket.read(f"{key}/{name}")
        except FileNotFoundError as error:
            raise FolderDamaged(f"{name} is missing") from error
        refuse_other(name, entry, len(content), hashlib.sha256(content).hexdigest())
        files[name] = content
    return files


def fetch_folder(bucket: Bucket, key: str, target: Path, *, name: str = MANIFEST) -> None:
    """Fetches a folder to a path on this machine, where it appears whole; does nothing if it is there already. A hidden
    manifest is left out. Raises FileNotFoundError if there is no such folder, and FolderDamaged."""
    text = bucket.read(f"{key}/{name}")
    listed = listed_files(text)
    make_folder(target.parent)
    # Beside its goal, under a name that no reader takes for that of an entry.
    aside = target.with_name(f".{target.name}-{secrets.token_hex(8)}{UNFINISHED}")
    aside.mkdir()
    try:
        for_all(listed.items(), lambda item: fetch_file(bucket, f"{key}/{item[0]}", aside / item[0], item[1]))
        if name == MANIFEST:
            (aside / name).write_bytes(text)
        # A copy that took long to fetch is new nevertheless.
        os.utime(aside)
        # Another process may have fetched it at the same time.
        with suppress(OSError):
            aside.rename(target)
    finally:
        remove(aside)


def fetch_file(bucket: Bucket, key: str, path: Path, entry: Mapping[str, Any]) -> None:
    """Fetches a file that a manifest lists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        bucket.download(key, path, entry["bytes"])
    except FileNotFoundError as error:
        raise FolderDamaged(f"{path.name} is missing") from error
    refuse_other(path.name, entry, path.stat().st_size, digest_file(path))


def refuse_other(name: str, entry: Mapping[str, Any], size: int, sha256: str) -> None:
    """Raises FolderDamaged if a file is not the one that the manifest lists."""
    if size != entry["bytes"]:
        raise FolderDamaged(f"{name} has {size} bytes, not {entry['bytes']}")
    if sha256 != entry["sha256"]:
        raise FolderDamaged(f"the digest of {name} is not the one in the manifest")


def listed_files(manifest: bytes) -> dict[str, Any]:
    """Returns what a manifest says of each file. Raises FolderDamaged."""
    try:
        files: dict[str, Any] = json.loads(manifest)["files"]
        for name, entry in files.items():
            if not (int(entry["bytes"]) >= 0 and len(entry["sha256"]) == 64) or is_outside(name):
                raise ValueError(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FolderDamaged("its manifest cannot be read") from error
    return files


def is_outside(name: str) -> bool:
    """Returns whether a name, which becomes a path, leads out of its folder."""
    return name.startswith("/") or not {"", ".", ".."}.isdisjoint(name.split("/"))


def list_folders(bucket: Bucket, prefix: str) -> dict[str, datetime]:
    """Returns the time at which each complete folder directly below a prefix was written, by name."""
    listed = [(each.key.removeprefix(f"{prefix}/").split("/"), each) for each in bucket.objects(prefix)]
    return {names[0]: each.modified for names, each in listed if names[1:] == [MANIFEST]}


def delete_folder(bucket: Bucket, key: str) -> int:
    """Deletes all objects below a key; returns the bytes freed, 0 if there are none."""
    listed = bucket.objects(key)
    # Manifests go first, so that no reader takes a half of a folder for a whole one.
    manifests = [each for each in listed if is_manifest(each)]
    others = [each for each in listed if not is_manifest(each)]
    for group in (manifests, others):
        for_all(group, lambda each: bucket.delete([each.key]))
    return sum(each.bytes for each in listed)


def is_manifest(stored: StoredObject) -> bool:
    """Returns whether an object is the manifest of a folder."""
    return stored.key.rpartition("/")[2] in (MANIFEST, HIDDEN_MANIFEST)


def for_all(items: Iterable[Any], work: Callable[[Any], None]) -> None:
    """Does the same for all items, for several at a time; raises the first error once all have ended."""
    several = list(items)
    if len(several) < 2:
        for item in several:
            work(item)
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(several)), thread_name_prefix="bucket") as threads:
        for done in [threads.submit(work, item) for item in several]:
            done.result()


def digest_file(path: Path) -> str:
    """Returns the sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
