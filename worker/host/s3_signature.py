"""Signs requests for objects in S3 by Signature Version 4 in the header `Authorization`.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce

from bakehouse.uploads.addresses import Address

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
"""The digest of the body of a GET request."""


@dataclass(frozen=True)
class Credentials:
    """An access key; only its first part may be shown."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    """What temporary credentials have besides."""


def sign(
    address: Address, headers: Mapping[str, str], credentials: Credentials, *, region: str, now: datetime
) -> dict[str, str]:
    """Returns the header fields of a GET request without a query: those given, and the ones that sign them all. `now`
    is in UTC."""
    time = now.strftime("%Y%m%dT%H%M%SZ")
    fields = {**headers, "X-Amz-Date": time, "X-Amz-Content-Sha256": EMPTY_SHA256}
    if credentials.session_token is not None:
        fields["X-Amz-Security-Token"] = credentials.session_token
    scope = (time[:8], region, "s3", "aws4_request")
    lines = sorted((name.lower(), value.strip()) for name, value in {**fields, "Host": address.authority}.items())
    names = ";".join(name for name, _ in lines)
    text = "".join(f"{name}:{value}\n" for name, value in lines)
    request = f"GET\n{address.path}\n\n{text}\n{names}\n{EMPTY_SHA256}"
    to_sign = f"{ALGORITHM}\n{time}\n{'/'.join(scope)}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = reduce(keyed_digest, scope, f"AWS4{credentials.secret_key}".encode())
    signature = keyed_digest(key, to_sign).hex()
    credential = "/".join((credentials.access_key, *scope))
    fields["Authorization"] = f"{ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}"
    return fields


def keyed_digest(key: bytes, text: str) -> bytes:
    """Returns the HMAC-SHA256 of a text."""
    return hmac.digest(key, text.encode(), "sha256")
