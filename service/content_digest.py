"""Reads the header `Content-Digest` (RFC 9530), in which a client names the digest of what it sends."""

import base64
import binascii
import re

from bakehouse.recipe.problems import Problem
from service.errors import InvalidRequest

NAME = "Content-Digest"
ITEM = re.compile(r"\s*([a-z][a-z0-9_.*-]*)\s*=\s*:([A-Za-z0-9+/=]*):\s*")
SHA256_BYTES = 32


def parse_content_digest(header: str | None) -> str | None:
    """Returns the sha-256 in hexadecimal; None without the header. Raises InvalidRequest for a header without one."""
    if header is None:
        return None
    items = [ITEM.fullmatch(item) for item in header.split(",")]
    digests = [item[2] for item in items if item is not None and item[1] == "sha-256"]
    if None in items or len(digests) != 1:
        raise invalid("should be sha-256=:BASE64:")
    try:
        digest = base64.b64decode(digests[0], validate=True)
    except binascii.Error as error:
        raise invalid("its sha-256 is not base64") from error
    if len(digest) != SHA256_BYTES:
        raise invalid(f"its sha-256 has {len(digest)} bytes, not {SHA256_BYTES}")
    return digest.hex()


def invalid(message: str) -> InvalidRequest:
    """Returns the error for a header that cannot be read."""
    return InvalidRequest(Problem(parameter=NAME, code="format", message=message))
