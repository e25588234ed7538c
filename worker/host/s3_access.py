"""Asks for an object in S3 with the access key of the settings, and explains why the store refuses it."""

import re
from collections.abc import Mapping
from configparser import ConfigParser, Error, SectionProxy
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from bakehouse.settings import Settings
from bakehouse.uploads.addresses import Address, AddressRefused
from bakehouse.uploads.s3_objects import S3Object
from worker.host.https_request import Cut, FetchRefused, Response
from worker.host.s3_signature import Credentials, sign

FILE = "the file that BAKEHOUSE_S3_CREDENTIALS names"
VISIBLE = re.compile(r"[!-~]+")
MAX_ERROR_BYTES = 1 << 16
NAME = re.compile(r"[A-Za-z0-9.-]{1,64}")
ELEMENT = re.compile(f"<(Code|Region)>({NAME.pattern})</")


class S3Access:
    """The access to one object."""

    def __init__(self, source: S3Object, settings: Settings) -> None:
        self._source = source
        self._settings = settings
        self._credentials = None if settings.s3_credentials is None else read_credentials(settings.s3_credentials)

    def headers(self, address: Address, wishes: Mapping[str, str]) -> Mapping[str, str]:
        """Returns the header fields of a request, which are signed if there is an access key."""
        if self._credentials is None:
            return wishes
        return sign(address, wishes, self._credentials, region=self._settings.s3_region, now=datetime.now(UTC))

    def check(self, response: Response) -> None:
        """Raises FetchRefused, with the reason, if the store refuses the request; the rest of a response is left to
        the caller."""
        if response.status not in (301, 400, 403, 404):
            return
        details = read_error(response)
        region = details.get("Region") or response.headers.get("x-amz-bucket-region", "")
        if NAME.fullmatch(region) and region != self._settings.s3_region:
            raise FetchRefused(self._explain_region(region))
        if response.status != 301:
            raise FetchRefused(self._explain(response, details.get("Code", "")))

    def _explain_region(self, region: str) -> str:
        reason = f"the bucket is in the region {region}, and BAKEHOUSE_S3_REGION is {self._settings.s3_region}"
        if self._settings.s3_endpoint is not None:
            return reason
        return f"{reason}; BAKEHOUSE_DATASET_HOSTS has to list its host in that region too"

    def _explain(self, response: Response, code: str) -> str:
        source = self._source
        match response.status, code:
            case _, "NoSuchBucket":
                return f"there is no bucket {source.bucket}"
            case _, "NoSuchKey":
                return f"the bucket {source.bucket} has no object {source.key}"
            case 404, "":
                return f"there is no bucket {source.bucket}, or it has no object {source.key}"
            case 403, "" | "AccessDenied":
                return self._explain_denial()
            case _, "InvalidAccessKeyId":
                return f"the store does not know the access key in {FILE}"
            case _, "SignatureDoesNotMatch":
                return f"the secret key in {FILE} is not that of its access key"
            case _, "ExpiredToken" | "InvalidToken":
                return f"the session token in {FILE} is not valid, or no longer: write a new one into it"
            case _, "RequestTimeTooSkewed":
                return explain_skew(response.headers.get("date", ""))
            case _, "InvalidObjectState":
                return f"{source.url} is archived: restore it, then fetch it"
            case status, _:
                return f"the store answers with status {status} ({code or 'without a code'})"

    def _explain_denial(self) -> str:
        url = self._source.url
        if self._credentials is None:
            return (
                f"{url} is not public, or does not exist, and the worker's machine has no access key: "
                "BAKEHOUSE_S3_CREDENTIALS names a file with one"
            )
        return (
            f"the access key may not read {url}: it needs the permission s3:GetObject for this object (and kms:Decrypt "
            "if KMS encrypts it). Without s3:ListBucket for the bucket, the answer is the same if the object does not "
            "exist"
        )


def read_error(response: Response) -> dict[str, str]:
    """Returns what the document about an error says: `Code`, and the right `Region` for a wrong one."""
    document = b""
    # A document that is cut, or none, tells less; the status is known.
    with suppress(Cut):
        for block in response.wire.body():
            document += block
            if len(document) > MAX_ERROR_BYTES:
                break
    return dict(ELEMENT.findall(document.decode("latin-1")))


def explain_skew(date: str) -> str:
    """Returns by how much the clock of this machine is wrong, by the time that the store gives."""
    reason = "the store refuses the time of the request: set the clock of the worker's machine"
    try:
        seconds = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    except (ValueError, TypeError):
        return reason
    return f"{reason}, which is {abs(seconds) / 60:,.0f} minutes {'behind' if seconds < 0 else 'ahead'}"


def read_credentials(path: Path) -> Credentials:
    """Reads the part `[default]` of a file in the form of ~/.aws/credentials. Raises AddressRefused, whose message has
    nothing of the file."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        part = parser["default"]
        return Credentials(
            visible(part, "aws_access_key_id"),
            visible(part, "aws_secret_access_key"),
            visible(part, "aws_session_token") if "aws_session_token" in part else None,
        )
    except OSError as error:
        raise AddressRefused(f"{FILE} cannot be read: {error.strerror}") from error
    # The messages of the parser have lines of the file.
    except (Error, KeyError, ValueError):
        raise AddressRefused(
            f"{FILE} should have the lines [default], aws_access_key_id = … and aws_secret_access_key = …"
        ) from None


def visible(part: SectionProxy, name: str) -> str:
    """Returns a value that can be sent in a header. Raises KeyError and ValueError, which have nothing of it."""
    value = part[name]
    if not VISIBLE.fullmatch(value):
        raise ValueError(name)
    return value
