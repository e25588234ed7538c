"""Reads and writes the API keys in Redis."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError

from bakehouse.access.api_key import ApiKey, KeyTable, StoredKey, new_key_id, new_secret
from bakehouse.access.errors import KeyEnded, KeysUnreachable, KeyUnknown
from bakehouse.access.hash_key import HashKey
from bakehouse.access.scope import Scope
from bakehouse.runs.keys import Keys
from bakehouse.runs.store import connect

# A key that was revoked must not come back because a rotation ends it later.
END_KEY = """
local present = redis.call('HGET', KEYS[1], ARGV[1])
if not present or tonumber(ARGV[2]) < tonumber(present) then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
"""
# A command waits longer for Redis than a request may.
REPLY_SECONDS = 5.0

log = logging.getLogger(__name__)


class ApiKeyStore:
    """The keys of one tenant. Can be shared between threads."""

    def __init__(self, redis: Redis, tenant: str = "local") -> None:
        self._redis = redis
        self._keys = Keys(tenant)
        self._end_key = redis.register_script(END_KEY)

    def read(self) -> KeyTable:
        """Returns all keys, also those that are not accepted any more, by one round trip."""
        pipeline: Any = self._redis.pipeline(transaction=True)
        pipeline.hgetall(self._keys.api_keys())
        pipeline.hgetall(self._keys.api_key_ends())
        pipeline.zrange(self._keys.ended_sessions(), 0, -1)
        pipeline.time()
        records, ends, sessions, (seconds, microseconds) = pipeline.execute()
        keys = {}
        for key_id, text in records.items():
            if (key := parse(text)) is not None and key.id == key_id.decode():
                ends_ms = ends.get(key_id)
                keys[key.id] = StoredKey(key, None if ends_ms is None else int(ends_ms))
        return KeyTable(keys, frozenset(each.decode() for each in sessions), seconds * 1000 + microseconds // 1000)

    def create(
        self, hash_key: HashKey, *, name: str, scopes: tuple[Scope, ...], seconds: float | None
    ) -> tuple[ApiKey, str]:
        """Stores a new key; returns it with its text, which is not stored and cannot be shown again."""
        now = self.read().time_ms
        key, text = make_key(hash_key, name=name, scopes=scopes, now_ms=now, seconds=seconds)
        self._redis.hset(self._keys.api_keys(), key.id, key.model_dump_json())
        return key, text

    def revoke(self, key_id: str) -> StoredKey:
        """Ends a key now; returns it. Raises KeyUnknown."""
        found, now = self.find(key_id)
        self._end_key(keys=[self._keys.api_key_ends()], args=[key_id, now])
        return StoredKey(found.key, now)

    def rotate(
        self, hash_key: HashKey, key_id: str, *, overlap_seconds: float, seconds: float | None
    ) -> tuple[ApiKey, str, StoredKey]:
        """Stores a key that replaces another one, which ends after the overlap. The new key lasts for `seconds`, by
        default as long as the old one did. Raises KeyUnknown or KeyEnded."""
        old, now = self.find(key_id)
        if (status := old.status(now)) != "active":
            raise KeyEnded(key_id, status)
        if seconds is None and old.key.expires_ms is not None:
            seconds = (old.key.expires_ms - old.key.created_ms) / 1000
        key, text = make_key(
            hash_key, name=old.key.name, scopes=old.key.scopes, now_ms=now, seconds=seconds, rotated_from=key_id
        )
        ends_ms = now + round(overlap_seconds * 1000)
        pipeline: Any = self._redis.pipeline(transaction=True)
        pipeline.hset(self._keys.api_keys(), key.id, key.model_dump_json())
        self._end_key(keys=[self._keys.api_key_ends()], args=[key_id, ends_ms], client=pipeline)
        pipeline.execute()
        return key, text, StoredKey(old.key, min(ends_ms, old.ends_ms or ends_ms))

    def end_session(self, session_id: str, *, expires_ms: int) -> None:
        """Notes that a session was signed out, until it would have expired, and forgets those that have expired."""
        seconds, microseconds = self._redis.time()
        pipeline: Any = self._redis.pipeline(transaction=True)
        pipeline.zremrangebyscore(self._keys.ended_sessions(), "-inf", seconds * 1000 + microseconds // 1000)
        pipeline.zadd(self._keys.ended_sessions(), {session_id: expires_ms})
        pipeline.execute()

    def delete_all(self) -> None:
        """Deletes all keys and sessions."""
        self._redis.delete(self._keys.api_keys(), self._keys.api_key_ends(), self._keys.ended_sessions())

    def find(self, key_id: str) -> tuple[StoredKey, int]:
        """Returns a key and the time of Redis's clock. Raises KeyUnknown."""
        table = self.read()
        if key_id not in table.keys:
            raise KeyUnknown(key_id)
        return table.keys[key_id], table.time_ms


def make_key(
    hash_key: HashKey,
    *,
    name: str,
    scopes: tuple[Scope, ...],
    now_ms: int,
    seconds: float | None,
    rotated_from: str | None = None,
) -> tuple[ApiKey, str]:
    """Returns a new key and its text."""
    key_id = new_key_id()
    secret = new_secret()
    key = ApiKey(
        id=key_id,
        name=name,
        scopes=scopes,
        secret_hash=hash_key.sign("key", f"{key_id}.{secret}"),
        hash_key_id=hash_key.id,
        created_ms=now_ms,
        expires_ms=None if seconds is None else now_ms + round(seconds * 1000),
        rotated_from=rotated_from,
    )
    return key, f"{key_id}.{secret}"


def parse(text: bytes) -> ApiKey | None:
    """Returns the record of a key; None if it is damaged, so that the key is not accepted."""
    try:
        return ApiKey.model_validate_json(text, extra="ignore")
    except ValidationError:
        log.error("the record of an API key in Redis is damaged, so that this key is not accepted")
        return None


@contextmanager
def open_key_store(url: str) -> Iterator[ApiKeyStore]:
    """Yields the keys in a Redis for a command. Raises KeysUnreachable if Redis does not answer."""
    redis = connect(url, patient=False, reply_seconds=REPLY_SECONDS)
    try:
        yield ApiKeyStore(redis)
    except RedisError as error:
        # The error's own text may contain the password in the address.
        raise KeysUnreachable(type(error).__name__) from error
    finally:
        redis.close()
