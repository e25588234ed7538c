"""A checkpoint's file: resumed where it was cut, verified, and only then under its name."""

import base64
import errno
import hashlib
import os
from pathlib import Path

import httpx

from bakehouse.client.connection import LONG_PAUSES, Connection, Patience
from bakehouse.client.errors import ClientError, DownloadDamaged
from bakehouse.runs.run import Checkpoint

READ_SECONDS = 30.0


def download(connection: Connection, run_id: str, checkpoint: Checkpoint, path: Path) -> Path:
    """The weights of a checkpoint at `path`. What an earlier try left beside it is gone on with."""
    if not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "no such folder", str(path.parent))
    part = path.with_name(f"{path.name}.{checkpoint.sha256[:16]}.part")
    address = f"/v1/runs/{run_id}/checkpoints/{checkpoint.epoch}/model.safetensors"
    fetch(connection, address, checkpoint, part)
    verify(part, checkpoint)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    fsync_folder(path.parent)
    return path


def fetch(connection: Connection, address: str, checkpoint: Checkpoint, part: Path) -> None:
    """Asks for what is missing until nothing is."""
    patience = Patience()
    while (there := size(part)) < checkpoint.bytes:
        try:
            fetch_rest(connection, address, checkpoint, part)
            break
        except ClientError as error:
            if size(part) > there:
                patience = Patience(LONG_PAUSES)
            patience.after(error)


def fetch_rest(connection: Connection, address: str, checkpoint: Checkpoint, part: Path) -> None:
    """One request; what came before a cut stays."""
    there = size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    with connection.stream(address, headers=headers, read_timeout=READ_SECONDS) as response:
        refuse_other_file(response, checkpoint)
        whole = response.status_code == httpx.codes.OK
        with part.open("wb" if whole else "ab") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)


def refuse_other_file(response: httpx.Response, checkpoint: Checkpoint) -> None:
    """Before anything is written: the digest that the service names is the checkpoint's."""
    said = repr_digest(response.headers.get("repr-digest", ""))
    if said is not None and said != checkpoint.sha256:
        raise DownloadDamaged(str(response.url), expected=checkpoint.sha256, found=said)


def repr_digest(header: str) -> str | None:
    """The sha256 in a Repr-Digest header (RFC 9530), in hexadecimal."""
    for item in header.split(","):
        name, _, value = item.strip().partition("=")
        if name == "sha-256":
            return base64.b64decode(value.strip(":")).hex()
    return None


def verify(part: Path, checkpoint: Checkpoint) -> None:
    """Raises DownloadDamaged, and the next try begins anew."""
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != checkpoint.sha256:
        part.unlink()
        raise DownloadDamaged(part.name, expected=checkpoint.sha256, found=found)


def size(path: Path) -> int:
    """0 where there is no file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def fsync_folder(folder: Path) -> None:
    """Makes the new name safe on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
