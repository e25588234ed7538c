"""Signatures, which are those that Amazon's documentation has as examples."""

from datetime import UTC, datetime

from bakehouse.uploads.addresses import Address
from worker.host.s3_signature import Credentials, sign

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", SECRET_KEY)
NOW = datetime(2013, 5, 24, tzinfo=UTC)
ADDRESS = Address("examplebucket.s3.amazonaws.com", 443, "/test.txt")


def test_a_signature_is_the_one_of_the_published_example() -> None:
    fields = sign(ADDRESS, {"Range": "bytes=0-9"}, CREDENTIALS, region="us-east-1", now=NOW)
    assert fields == {
        "Range": "bytes=0-9",
        "X-Amz-Date": "20130524T000000Z",
        "X-Amz-Content-Sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    }


def test_temporary_credentials_send_and_sign_their_token() -> None:
    temporary = Credentials("AKIAIOSFODNN7EXAMPLE", SECRET_KEY, "token")
    fields = sign(ADDRESS, {}, temporary, region="us-east-1", now=NOW)
    assert fields["X-Amz-Security-Token"] == "token"
    assert "x-amz-date;x-amz-security-token," in fields["Authorization"]


def test_a_secret_key_is_not_shown() -> None:
    assert "wJalr" not in repr(CREDENTIALS)
