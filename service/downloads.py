"""Files that never change, in whole or from a place on (RFC 9110 14, RFC 9530)."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from bakehouse.runs.run import Checkpoint
from service.errors import PreconditionFailed, RangeNotSatisfiable
from service.long_poll import matches

BLOCK_BYTES = 1 << 20
MEDIA_TYPE = "application/octet-stream"
# As many digits as Python turns into a number without complaint.
SINGLE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,4000})-([0-9]{0,4000})[ \t]*", re.IGNORECASE)


class FileStream(StreamingResponse):
    """Part of an open file; deleting the file does not disturb it."""

    def __init__(self, file: BinaryIO, part: range, *, status: int, headers: dict[str, str]) -> None:
        super().__init__(blocks(file, part), status, headers, MEDIA_TYPE)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


def blocks(file: BinaryIO, part: range) -> Iterator[bytes]:
    """The bytes of a part."""
    file.seek(part.start)
    left = len(part)
    while left:
        block = file.read(min(BLOCK_BYTES, left))
        if not block:
            raise EOFError(f"{left} bytes are missing")
        left -= len(block)
        yield block


def download(path: Path, checkpoint: Checkpoint, filename: str, asked: Headers, *, only_head: bool) -> Response:
    """200, 206 or 304, as the headers ask. Raises FileNotFoundError, PreconditionFailed and RangeNotSatisfiable."""
    tag = f'"sha256-{checkpoint.sha256}"'
    headers = {
        "ETag": tag,
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(checkpoint.sha256)).decode()}:",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    if not is_still(asked.get("if-match", "*"), tag):
        raise PreconditionFailed
    if matches(asked.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    # Ranges are of GET alone.
    part = None if only_head else wanted_part(asked, tag, checkpoint.bytes)
    whole = range(checkpoint.bytes)
    headers |= {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Content-Length": str(len(whole if part is None else part)),
    }
    file = path.open("rb")
    if only_head:
        file.close()
        return Response(None, 200, headers, MEDIA_TYPE)
    if part is None:
        return FileStream(file, whole, status=200, headers=headers)
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(whole)}"
    return FileStream(file, part, status=206, headers=headers)


def is_still(if_match: str, tag: str) -> bool:
    """Strong comparison with each of the tags that the client has."""
    given = [each.strip() for each in if_match.split(",")]
    return "*" in given or tag in given


def wanted_part(asked: Headers, tag: str, size: int) -> range | None:
    """The one range that was asked for; None is the whole: without a range, with several, with one that means
    nothing, or when what the client has is of another file."""
    found = SINGLE_RANGE.fullmatch(asked.get("range", ""))
    if found is None or asked.get("if-range", tag) != tag:
        return None
    first, last = found.groups()
    if first:
        part = range(int(first), min(int(last) + 1, size) if last else size)
    else:
        part = range(max(0, size - int(last or 0)), size)
    if not (first or last) or (first and last and int(last) < int(first)):
        return None
    if not part:
        raise RangeNotSatisfiable(size)
    return part
