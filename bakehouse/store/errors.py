"""Exceptions of a store that is a bucket. Each is an OSError with a text that names neither paths nor keys of access.

StoreAway           the store does not do what it is asked at the moment
└── StoreRefused    the store refuses, until somebody changes a setting, a right or a clock
"""

import errno

REASONS = {
    "NoSuchBucket": "there is no bucket {bucket}",
    "InvalidBucketName": "there is no bucket {bucket}",
    "InvalidAccessKeyId": "the server of the bucket {bucket} does not know the access key",
    "SignatureDoesNotMatch": "the access key for the bucket {bucket} does not have this secret",
    "ExpiredToken": "the access key for the bucket {bucket} has expired",
    "TokenRefreshRequired": "the access key for the bucket {bucket} has expired",
    "InvalidToken": "the access key for the bucket {bucket} has expired or lacks its session token",
    "RequestTimeTooSkewed": "the clock of this machine differs too much from that of the server of the bucket {bucket}",
    "AccessDenied": "the access key has no right to do this in the bucket {bucket}",
    "AuthorizationHeaderMalformed": "the bucket {bucket} is in another region than BAKEHOUSE_S3_REGION",
    "PermanentRedirect": "the bucket {bucket} is in another region than BAKEHOUSE_S3_REGION",
}
"""What the error codes of S3 mean that do not pass by themselves."""
FULL = ("XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "507 Insufficient Storage")
"""Texts in the answers of servers that have no room."""


class StoreAway(OSError):
    """Raised if the store cannot be reached, or fails; the same may succeed later."""

    def __init__(self, reason: str, number: int = errno.EIO) -> None:
        super().__init__(number, reason)


class StoreRefused(StoreAway):
    """Raised if the store refuses what it is asked, and does not change its mind by itself."""


def explain(text: str, bucket: str) -> StoreAway:
    """Returns the error that the text of an error of obstore means."""
    for code, reason in REASONS.items():
        if f"<Code>{code}</Code>" in text:
            return StoreRefused(reason.format(bucket=bucket))
    if any(each in text for each in FULL):
        return StoreAway(f"the bucket {bucket} is full", errno.ENOSPC)
    if "403 Forbidden" in text or "401 Unauthorized" in text:
        return StoreRefused(f"the access key is missing, or has no right to do this in the bucket {bucket}")
    return StoreAway(f"the server of the bucket {bucket} does not answer as it should")
