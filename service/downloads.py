"""Sends files that never change, whole or one range of bytes (RFC 9110, section 14; digests follow RFC 9530).

starlette's FileResponse (1.10) cannot replace this file: it does not support If-Match and If-None-Match; it responds to
a malformed range with 400 in plain text, although RFC 9110 says that such a range is ignored; it applies ranges to
HEAD; it opens the file after it has sent the headers, so a file that was deleted meanwhile breaks the response instead
of giving a 404; and if a file is too short, it ends the body without an error.
"""

import base64
import os
import re
from typing import BinaryIO

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bakehouse.runs.run import Checkpoint
from service.errors import PreconditionFailed, RangeNotSatisfiable
from service.http_limits import ZERO_COPY_SEND
from service.long_poll import etag_matches

MEDIA_TYPE = "application/octet-stream"
# Python refuses to parse numbers with more than 4300 digits.
SINGLE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,4000})-([0-9]{0,4000})[ \t]*", re.IGNORECASE)


class FilePart(Response):
    """Sends a range of a file that is already open, so that deleting the file does not disturb the download."""

    def __init__(self, file: BinaryIO, part: range, *, status: int, headers: dict[str, str]) -> None:
        super().__init__(None, status, headers, MEDIA_TYPE)
        # The response has a descriptor that it closes itself, because it is sent after the route has returned.
        self._file = os.dup(file.fileno())
        self._part = part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            # service/http_limits.py gives this extension of ASGI to every request.
            await send(
                {"type": ZERO_COPY_SEND, "file": self._file, "offset": self._part.start, "count": len(self._part)}
            )
        finally:
            os.close(self._file)


def download(
    file: BinaryIO, checkpoint: Checkpoint, filename: str, request_headers: Headers, *, only_head: bool
) -> Response:
    """Returns a response with status 200, 206 or 304, depending on the request's headers.

    Raises PreconditionFailed or RangeNotSatisfiable.
    """
    etag = f'"sha256-{checkpoint.sha256}"'
    headers = {
        "ETag": etag,
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(checkpoint.sha256)).decode()}:",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    # RFC 9110, section 13.2.2, evaluates If-Match before If-None-Match.
    if not etag_strongly_matches(request_headers.get("if-match", "*"), etag):
        raise PreconditionFailed
    if etag_matches(request_headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    # Ranges are defined for GET only.
    part = None if only_head else requested_range(request_headers, etag, checkpoint.bytes)
    whole = range(checkpoint.bytes)
    headers |= {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Content-Length": str(len(whole if part is None else part)),
    }
    if only_head:
        return Response(None, 200, headers, MEDIA_TYPE)
    if part is None:
        return FilePart(file, whole, status=200, headers=headers)
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(whole)}"
    return FilePart(file, part, status=206, headers=headers)


def etag_strongly_matches(if_match: str, etag: str) -> bool:
    """Returns whether If-Match lists the ETag, by strong comparison (RFC 9110, section 8.8.3.2)."""
    tags = [tag.strip() for tag in if_match.split(",")]
    return "*" in tags or etag in tags


def requested_range(headers: Headers, etag: str, size: int) -> range | None:
    """Returns the range to send, or None for the whole file.

    The whole file is sent if there is no range, several ranges or a malformed one, or if If-Range does not match.
    """
    found = SINGLE_RANGE.fullmatch(headers.get("range", ""))
    # A date in If-Range never equals the ETag, so the whole file is sent, which is always allowed.
    if found is None or headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if first:
        part = range(int(first), min(int(last) + 1, size) if last else size)
    else:
        # "-N" means the last N bytes.
        part = range(max(0, size - int(last or 0)), size)
    if not (first or last) or (first and last and int(last) < int(first)):
        return None
    # `-0` and a start after the end are well-formed ranges, but no byte can satisfy them.
    if not part:
        raise RangeNotSatisfiable(size)
    return part
