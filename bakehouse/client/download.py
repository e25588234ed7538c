"""Downloads a checkpoint's file: resumes where a connection was lost, verifies the digest, then renames the file."""

import base64
import errno
import hashlib
import os
from pathlib import Path

import httpx

from bakehouse.client.connection import LONG_RETRY_DELAYS, Connection, Retries
from bakehouse.client.errors import ClientError, DownloadDamaged
from bakehouse.runs.run import Checkpoint

READ_SECONDS = 30.0


async def download(connection: Connection, run_id: str, checkpoint: Checkpoint, path: Path) -> Path:
    """Saves a checkpoint's weights at `path`. Continues a `.part` file that an earlier download left there."""
    require_folder(path.parent)
    # The digest in the name keeps the parts of different checkpoints apart.
    part = path.with_name(f"{path.name}.{checkpoint.sha256[:16]}.part")
    url = f"/v1/runs/{run_id}/checkpoints/{checkpoint.epoch}/model.safetensors"
    await fetch(connection, url, checkpoint, part)
    await connection.transport.call(complete, part, path, checkpoint)
    return path


async def download_zip(connection: Connection, url: str, path: Path) -> Path:
    """Saves a zip file that the service makes while it sends it, so that only a whole one gets its name."""
    require_folder(path.parent)
    part = path.with_name(f"{path.name}.part")
    async with connection.stream(url, headers={}, read_timeout=READ_SECONDS) as response:
        file = await connection.transport.call(part.open, "wb")
        with file:
            async for chunk in connection.transport.iter_bytes(response):
                await connection.transport.call(file.write, chunk)
    await connection.transport.call(part.replace, path)
    return path


def require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "no such folder", str(folder))


async def fetch(connection: Connection, url: str, checkpoint: Checkpoint, part: Path) -> None:
    """Requests the missing bytes until the file is complete."""
    retries = Retries()
    while (received := size(part)) < checkpoint.bytes:
        try:
            await fetch_rest(connection, url, checkpoint, part)
            break
        except ClientError as error:
            if size(part) > received:
                retries = Retries(LONG_RETRY_DELAYS)
            await connection.transport.sleep(retries.delay_or_raise(error))


async def fetch_rest(connection: Connection, url: str, checkpoint: Checkpoint, part: Path) -> None:
    """Requests the missing bytes once and appends them; if the connection is lost, the received bytes are kept."""
    received = size(part)
    # The digest and the range refer to the plain bytes, so the body must not be compressed.
    headers = {"Accept-Encoding": "identity"}
    if received:
        headers["Range"] = f"bytes={received}-"
    async with connection.stream(url, headers=headers, read_timeout=READ_SECONDS) as response:
        check_digest(response, checkpoint)
        # A service or proxy that ignores the range sends the whole file with status 200.
        is_whole = response.status_code == httpx.codes.OK
        file = await connection.transport.call(part.open, "wb" if is_whole else "ab")
        with file:
            async for chunk in connection.transport.iter_bytes(response):
                await connection.transport.call(file.write, chunk)


def check_digest(response: httpx.Response, checkpoint: Checkpoint) -> None:
    """Raises DownloadDamaged before anything is written if the service names another digest."""
    announced = repr_digest(response.headers.get("repr-digest", ""))
    if announced is not None and announced != checkpoint.sha256:
        raise DownloadDamaged(str(response.url), expected=checkpoint.sha256, found=announced)


def repr_digest(header: str) -> str | None:
    """Returns the sha256 in a Repr-Digest header (RFC 9530) in hexadecimal, or None."""
    for item in header.split(","):
        name, _, value = item.strip().partition("=")
        if name == "sha-256":
            return base64.b64decode(value.strip(":")).hex()
    return None


def complete(part: Path, path: Path, checkpoint: Checkpoint) -> None:
    """Renames a file that has the right digest."""
    verify(part, checkpoint)
    # The content is synced before the rename, or a crash could leave an incomplete file under the final name.
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    fsync_folder(path.parent)


def verify(part: Path, checkpoint: Checkpoint) -> None:
    """Raises DownloadDamaged if the digest is wrong, and deletes the file, so that the next download starts over."""
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != checkpoint.sha256:
        part.unlink()
        raise DownloadDamaged(part.name, expected=checkpoint.sha256, found=found)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def fsync_folder(folder: Path) -> None:
    # A rename is durable once its folder is synced.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
