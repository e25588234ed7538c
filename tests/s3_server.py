"""The answers of a store that speaks the protocol of S3, which checks the signature of each request by itself."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote

from tests.https_server import Answer, file_answer

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w{64})"
)
STATUSES = {403: "403 Forbidden", 404: "404 Not Found", 400: "400 Bad Request", 301: "301 Moved Permanently"}


@dataclass
class S3Store:
    """The buckets, and the one access key that may read them, or none if they are public."""

    buckets: Mapping[str, Mapping[str, bytes]]
    access_key: str | None = None
    secret_key: str = ""
    region: str = "us-east-1"
    session_token: str | None = None

    def answer(self, request: str) -> Iterable[bytes]:
        """Answers a request, of which each is checked."""
        first, *lines = request.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        method, path, _ = first.split(" ")
        problem = self._problem(method, path, fields)
        if problem is not None:
            return refuse(*problem)(request)
        bucket, _, key = unquote(path[1:]).partition("/")
        if bucket not in self.buckets:
            return refuse(404, "NoSuchBucket")(request)
        if key not in self.buckets[bucket]:
            return refuse(404, "NoSuchKey")(request)
        return file_answer(self.buckets[bucket][key], etag='"one"', accept_ranges="bytes")(request)

    def _problem(self, method: str, path: str, fields: Mapping[str, str]) -> tuple[int, str] | None:
        if self.access_key is None:
            return None if "authorization" not in fields else (403, "InvalidAccessKeyId")
        found = AUTHORIZATION.fullmatch(fields.get("authorization", ""))
        if found is None:
            return 403, "AccessDenied"
        access_key, day, region, names, signature = found.groups()
        if access_key != self.access_key:
            return 403, "InvalidAccessKeyId"
        if region != self.region:
            return 400, f"AuthorizationHeaderMalformed</Code><Region>{self.region}</Region><Code>"
        if fields.get("x-amz-security-token") != self.session_token:
            return 403, "InvalidToken"
        required = {"host", *(name for name in fields if name.startswith("x-amz-"))}
        content = fields["x-amz-content-sha256"]
        canonical = [method, path, "", *(f"{name}:{fields[name]}" for name in names.split(";")), "", names, content]
        stamp = fields["x-amz-date"]
        request_digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{day}/{region}/s3/aws4_request\n{request_digest}"
        key = ("AWS4" + self.secret_key).encode()
        for part in (day, region, "s3", "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        is_signed = required <= set(names.split(";")) and content == hashlib.sha256(b"").hexdigest()
        return (
            None if is_signed and stamp.startswith(day) and key.hex() == signature else (403, "SignatureDoesNotMatch")
        )


def refuse(status: int, code: str, **fields: str) -> Answer:
    """Returns the answer of a store that refuses a request."""
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>No.</Message></Error>'
    fields = {"date": formatdate(usegmt=True), "content_type": "application/xml", **fields}
    return file_answer(document.encode(), status=STATUSES[status], length=None, **fields)


def write_credentials(path: Path, access_key: str, secret_key: str, *more: str) -> Path:
    """Writes a file in the form of ~/.aws/credentials; returns its path."""
    lines = ("[default]", f"aws_access_key_id = {access_key}", f"aws_secret_access_key = {secret_key}", *more)
    path.write_text("\n".join(lines) + "\n")
    return path
