"""Reads the access key of the bucket from a file, again and again, because a key may be replaced while it is in use."""

from configparser import ConfigParser, Error
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bakehouse.store.errors import StoreRefused

READ_AGAIN_SECONDS = 30.0
FILE = "the file that BAKEHOUSE_S3_CREDENTIALS names"


class KeyFile:
    """Gives obstore the access key in a file in the form of ~/.aws/credentials."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # obstore passes on only a text.
        self.problem: str | None = None

    def __call__(self) -> dict[str, Any]:
        """Returns the access key. Raises StoreRefused."""
        try:
            found = read_key(self._path)
        except StoreRefused as error:
            self.problem = error.strerror
            raise
        self.problem = None
        return found


def read_key(path: Path) -> dict[str, Any]:
    """Returns the access key in the part `[default]` of a file, as obstore takes it. Raises StoreRefused."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        section = parser["default"]
        key = {"access_key_id": section["aws_access_key_id"], "secret_access_key": section["aws_secret_access_key"]}
    except OSError as error:
        raise StoreRefused(f"{FILE} cannot be read: {error.strerror}") from error
    except (KeyError, Error, UnicodeDecodeError) as error:
        problem = "has no part [default] with aws_access_key_id and aws_secret_access_key"
        raise StoreRefused(f"{FILE} {problem}") from error
    expires_at = datetime.now(UTC) + timedelta(seconds=READ_AGAIN_SECONDS)
    return {**key, "token": section.get("aws_session_token"), "expires_at": expires_at}
