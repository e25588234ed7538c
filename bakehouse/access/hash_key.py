"""The secret of this installation: with it, secrets of API keys are hashed and sessions are signed.

It is a file in BAKEHOUSE_HOME that only its owner can read, so that a copy of Redis does not suffice to find or to make
a key. While the file exists, the service demands keys, even if Redis has lost them.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bakehouse.access.errors import HashKeyUnusable

FILE = "api_keys.secret"
BYTES = 32
# The commands of the home's owner ask the service at once.
HOME_TOKEN_MS = 60_000
HOME = "home"


@dataclass(frozen=True)
class HashKey:
    """The bytes of the file."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Identifies the key without revealing it."""
        return self.sign("id", "")[:16]

    def sign(self, purpose: str, text: str) -> str:
        """Returns the keyed hash of a text, which is another one for each purpose."""
        return hmac.new(self.secret, f"bakehouse:{purpose}:{text}".encode(), hashlib.sha256).hexdigest()

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Returns whether the signature is that of the text, in a time that does not depend on where they differ."""
        return hmac.compare_digest(self.sign(purpose, text).encode(), signature.encode())

    def home_token(self) -> str:
        """Returns a credential with which a command of the home's owner may read for a minute."""
        expires = str(int(time.time() * 1000) + HOME_TOKEN_MS)
        return f"{HOME}.{expires}.{self.sign(HOME, expires)}"


def read_hash_key(home: Path) -> HashKey | None:
    """Returns the key of this home; None if it has none. Raises HashKeyUnusable."""
    path = home / FILE
    try:
        text = path.read_text(encoding="ascii").strip()
        secret = bytes.fromhex(text)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HashKeyUnusable(path, error.strerror or type(error).__name__) from error
    except ValueError as error:
        raise HashKeyUnusable(path, "it is damaged") from error
    if len(secret) != BYTES:
        raise HashKeyUnusable(path, "it is damaged")
    return HashKey(secret)


def require_hash_key(home: Path) -> HashKey:
    """Returns the key of this home. Raises HashKeyUnusable, also if it has none."""
    found = read_hash_key(home)
    if found is None:
        raise HashKeyUnusable(home / FILE, "it does not exist")
    return found


def make_hash_key(home: Path) -> HashKey:
    """Returns the key of this home, which is made if there is none yet. Raises HashKeyUnusable."""
    make_file(home)
    return require_hash_key(home)


@contextmanager
def hash_key_for_a_new_key(home: Path) -> Iterator[HashKey]:
    """Yields the key of this home. If it was made for this and the block fails, it is deleted again: with the file and
    without an API key, the service would refuse everybody. Raises HashKeyUnusable."""
    is_new = make_file(home)
    try:
        yield require_hash_key(home)
    except BaseException:
        if is_new:
            delete_hash_key(home)
        raise


def make_file(home: Path) -> bool:
    """Makes the file unless it exists; returns whether it was made. Raises HashKeyUnusable."""
    path = home / FILE
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return write_once(path, secrets.token_hex(BYTES))
    except OSError as error:
        raise HashKeyUnusable(path, error.strerror or type(error).__name__) from error


def write_once(path: Path, text: str) -> bool:
    """Writes a file that only its owner can read, on disk and complete, unless it exists; returns whether it did."""
    if path.exists():
        return False
    written = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
        # Unlike a rename, a link does not replace the file of a process that makes one at the same time.
        os.link(written, path)
    except FileExistsError:
        return False
    finally:
        os.close(descriptor)
        written.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def delete_hash_key(home: Path) -> None:
    """Deletes the key of this home, after which the service asks for no keys."""
    path = home / FILE
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise HashKeyUnusable(path, error.strerror or type(error).__name__) from error
