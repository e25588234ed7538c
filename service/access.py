"""Decides who may do what: checks the API key or the session of each request, and ends what a key may no longer do.

All keys are read from Redis every two seconds, so that a request needs no round trip for its key, and a revoked key
stops within MAX_AGE_SECONDS everywhere. If they cannot be read for so long, nobody gets in.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Scope as AsgiScope

from bakehouse.access.api_key import KEY, ApiKey, KeyTable
from bakehouse.access.errors import HashKeyUnusable, SeenKeysUnusable
from bakehouse.access.hash_key import FILE, HOME, HashKey, read_hash_key
from bakehouse.access.scope import Scope, permits
from bakehouse.access.seen_keys import remember_keys, were_keys_seen
from bakehouse.access.store import ApiKeyStore
from bakehouse.runs.async_store import SharedReading
from bakehouse.settings import Settings, is_loopback
from service.credentials import COOKIE, Credentials, read_credentials
from service.error_responses import PREFIX
from service.errors import CrossSiteRequest, ScopeMissing, Unauthorized
from service.failures import FailureLimit
from service.http_limits import TRANSPORT
from service.scopes import Needed

REFRESH_SECONDS = 2.0
RETRY_SECONDS = 0.5
MAX_AGE_SECONDS = 5.0
SESSION_SECONDS = 7 * 86_400
NO_HASH = "0" * 64
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
UNREADABLE = "the API keys cannot be read"
NO_FILE = (
    "no API key is accepted: there are keys in Redis, but no {path}, with which they are checked. Copy that file from "
    "the BAKEHOUSE_HOME in which the keys were created; if it is lost, `bakehouse keys off` deletes all keys."
)

log = logging.getLogger(__name__)


class Transport(Protocol):
    """A connection that can be cut."""

    def is_closing(self) -> bool: ...
    def abort(self) -> None: ...


@dataclass(frozen=True)
class Identity:
    """The key on whose behalf a request is made, and the session if a browser makes it."""

    key: ApiKey
    session_id: str | None = None
    expires_ms: int | None = None
    """When the session expires."""


# The commands of the home's owner may only read; they ask whether the service and its workers are ready.
OWNER = ApiKey(id=HOME, name=HOME, scopes=("read",), secret_hash="", hash_key_id="", created_ms=0)


class Access:
    """The keys that the service knows, and the connections on which they are in use."""

    def __init__(self, settings: Settings, store: ApiKeyStore) -> None:
        self._settings = settings
        self._store = store
        # Without keys, the service is as open as its settings allow.
        self._may_be_open = is_loopback(settings.host) or settings.insecure
        self._failures = FailureLimit(settings)
        self._hash_key: HashKey | None = None
        self._has_hash_file = True
        self._were_keys_seen = False
        self._logged: frozenset[str] = frozenset()
        self._table: KeyTable | None = None
        self._read_at = 0.0
        self._ended_here: set[str] = set()
        # Without an identity, nobody was asked for a key.
        self._connections: dict[Transport, Identity | None] = {}
        # The other threads may all be busy with slow downloads, which must not make the keys look unreadable.
        self._refresh = SharedReading(partial(run_sync, self.read, limiter=CapacityLimiter(1)))

    async def listen(self) -> None:
        """Reads the keys again and again until the task is cancelled."""
        while True:
            delay = REFRESH_SECONDS
            try:
                await self.refresh()
            except RedisError as error:
                log.warning("cannot read the API keys: %s", type(error).__name__)
                delay = RETRY_SECONDS
            except Exception:
                # A task that ends would never revoke a key again.
                log.exception("cannot read the API keys")
            self._cut_refused()
            await asyncio.sleep(delay)

    async def refresh(self) -> None:
        """Reads the keys now; callers at the same time share a reading."""
        await self._refresh()

    def read(self) -> None:
        """Reads the keys; raises RedisError."""
        began = time.monotonic()
        problems = []
        try:
            self._hash_key = read_hash_key(self._settings.home)
            self._has_hash_file = self._hash_key is not None
        except HashKeyUnusable as error:
            problems.append(str(error))
            self._hash_key = None
            self._has_hash_file = True
        # In the other order, the file could be made again just after `bakehouse keys off` has deleted it.
        self._were_keys_seen = were_keys_seen(self._settings.home)
        self._table = self._store.read()
        self._read_at = began
        if self._table.keys:
            problems += self._remember_keys()
        self._log_new(problems)

    def _remember_keys(self) -> list[str]:
        """Notes in the home that there are keys; returns what is wrong there."""
        problems = []
        if not self._has_hash_file:
            problems.append(NO_FILE.format(path=self._settings.home / FILE))
        if not self._were_keys_seen:
            try:
                remember_keys(self._settings.home)
            except SeenKeysUnusable as error:
                problems.append(str(error))
        return problems

    def _log_new(self, problems: Iterable[str]) -> None:
        """Logs the problems that the last reading did not have."""
        found = frozenset(problems)
        for problem in found - self._logged:
            log.error("%s", problem)
        self._logged = found

    # Requests

    @property
    def is_open(self) -> bool:
        """Whether requests need no key, because there is none. A service that could not ask Redis yet is not open, and
        a lost Redis does not open one that had keys."""
        return self._may_be_open and self._table is not None and not self.has_keys

    @property
    def has_keys(self) -> bool:
        """Whether there are or were keys, as far as is known."""
        return self._has_hash_file or self._were_keys_seen or (self._table is not None and bool(self._table.keys))

    @property
    def may_have_active_keys(self) -> bool:
        """Whether any key is accepted, as far as is known."""
        return self._has_hash_file if self._table is None else self._table.has_active_keys()

    @property
    def cookie_name(self) -> str:
        """The name of the session's cookie. Browsers send cookies to all ports of a host, and so to other services."""
        return COOKIE if self._hash_key is None else f"{COOKIE}_{self._hash_key.id[:8]}"

    async def check(self, request: Request, needed: Needed) -> None:
        """Raises Unauthorized, ScopeMissing or TooManyFailures if the request may not do this."""
        if needed == "open":
            return
        identity = None
        if not self.is_open:
            identity = await self.identify(request)
            if identity is None:
                raise Unauthorized
            refuse_other_sites(request, identity)
            require_scope(identity, needed)
        self._connections[request.scope["extensions"][TRANSPORT]] = identity

    def forget(self, scope: AsgiScope) -> None:
        """Notes that a request is over, so that its connection, which may be idle now, is not cut."""
        self._connections.pop(scope["extensions"][TRANSPORT], None)

    async def identify(self, request: Request) -> Identity | None:
        """Returns whose request this is; None if it presents nothing. Raises Unauthorized or TooManyFailures, and
        RedisError if nobody knows yet whether it needs a key."""
        credentials = read_credentials(request.scope, self.cookie_name)
        if credentials.are_missing:
            if self._table is None and not self.has_keys:
                raise RedisConnectionError(UNREADABLE)
            return None
        return await self.authenticate(request, credentials)

    async def authenticate(self, request: Request, credentials: Credentials) -> Identity:
        """Returns who has these credentials. Raises Unauthorized or TooManyFailures."""
        address = self._failures.address(request.scope)
        self._failures.check(address, credentials.key_id)
        identity = self._find(credentials)
        # The key may be new. All refusals take this way, so that the time does not tell unknown keys from wrong ones.
        if identity is None:
            await self.refresh()
            identity = self._find(credentials)
        if identity is None:
            self._failures.note_failure(address)
            forget = {} if credentials.session is None else {"Set-Cookie": self.cookie(request, "", seconds=0)}
            raise Unauthorized(forget)
        self._failures.note_success(address, identity.key.id)
        return identity

    def _find(self, credentials: Credentials) -> Identity | None:
        if self._age() > MAX_AGE_SECONDS or self._table is None:
            raise RedisConnectionError(UNREADABLE)
        if self._hash_key is None or credentials.are_malformed:
            return None
        if credentials.bearer is None:
            return self._find_session(self._hash_key, credentials.session or "")
        if credentials.bearer.startswith(f"{HOME}."):
            return self._find_owner(self._hash_key, credentials.bearer)
        match = KEY.fullmatch(credentials.bearer)
        if match is None:
            return None
        stored = self._table.keys.get(match[1])
        # Without a record, the same work is done with a hash that nothing has.
        known = NO_HASH if stored is None else stored.key.secret_hash
        is_right = self._hash_key.is_signed("key", match[0], known)
        return self._accept(match[1]) if is_right else None

    def _find_session(self, hash_key: HashKey, text: str) -> Identity | None:
        signed, _, signature = text.rpartition(".")
        parts = signed.split(".")
        if len(parts) != 3 or not hash_key.is_signed("session", signed, signature):
            return None
        key_id, session_id, expires = parts
        accepted = self._accept(key_id)
        return None if accepted is None else self._accept_session(Identity(accepted.key, session_id, int(expires)))

    def _find_owner(self, hash_key: HashKey, text: str) -> Identity | None:
        _, _, signed = text.partition(".")
        expires, _, signature = signed.partition(".")
        if not hash_key.is_signed(HOME, expires, signature) or int(expires) <= time.time() * 1000:
            return None
        return Identity(OWNER)

    def _accept(self, key_id: str) -> Identity | None:
        assert self._table is not None
        stored = self._table.keys.get(key_id)
        if stored is None or stored.status(self._now_ms()) != "active":
            return None
        return Identity(stored.key)

    def _accept_session(self, identity: Identity) -> Identity | None:
        assert self._table is not None
        assert identity.session_id is not None
        assert identity.expires_ms is not None
        ended = self._table.ended_sessions | self._ended_here
        return None if identity.session_id in ended or identity.expires_ms <= self._now_ms() else identity

    def _now_ms(self) -> int:
        """The time of Redis's clock, because the clocks of machines differ."""
        assert self._table is not None
        return self._table.time_ms + int(self._age() * 1000)

    def _age(self) -> float:
        return time.monotonic() - self._read_at

    # Sessions

    async def sign_in(self, request: Request, key: str) -> tuple[Identity, str]:
        """Returns who has the key, with the text of a new session. Raises Unauthorized or TooManyFailures."""
        identity = await self.authenticate(request, Credentials(bearer=key))
        assert self._hash_key is not None
        expires_ms = self._now_ms() + SESSION_SECONDS * 1000
        session = Identity(identity.key, secrets.token_hex(16), expires_ms)
        signed = f"{session.key.id}.{session.session_id}.{expires_ms}"
        return session, f"{signed}.{self._hash_key.sign('session', signed)}"

    def cookie(self, request: Request, text: str, *, seconds: int) -> str:
        """Returns the header that sets the session's cookie, or with 0 seconds deletes it. Scripts of a page cannot
        read it, and no other site's page makes a browser send it."""
        parts = [f"{self.cookie_name}={text}", f"Max-Age={seconds}", f"Path={request.scope.get(PREFIX, '')}/"]
        parts += ["HttpOnly", "SameSite=Strict"]
        # Behind a proxy, only the browser knows whether it uses https.
        is_encrypted = request.headers.get("origin", self._settings.url or "").startswith("https://")
        return "; ".join([*parts, "Secure"] if is_encrypted else parts)

    async def sign_out(self, identity: Identity) -> None:
        """Ends a session, so that nobody who has copied its cookie can use it."""
        if identity.session_id is None or identity.expires_ms is None:
            return
        self._ended_here.add(identity.session_id)
        await run_in_threadpool(self._store.end_session, identity.session_id, expires_ms=identity.expires_ms)
        await self.refresh()
        self._ended_here.discard(identity.session_id)

    # Connections

    def _cut_refused(self) -> None:
        """Cuts the connections on which a key is in use that is not accepted any more: streams and downloads."""
        for transport in list(self._refused()):
            del self._connections[transport]
            transport.abort()

    def _refused(self) -> Iterator[Transport]:
        is_stale = self._table is None or self._age() > MAX_AGE_SECONDS
        for transport, identity in self._connections.items():
            if transport.is_closing() or not self._is_accepted(identity) or (is_stale and identity is not None):
                yield transport

    def _is_accepted(self, identity: Identity | None) -> bool:
        if identity is None:
            return self.is_open
        if identity.key is OWNER or self._table is None:
            return True
        accepted = self._accept(identity.key.id)
        if accepted is None or identity.session_id is None:
            return accepted is not None
        return self._accept_session(identity) is not None


def require_scope(identity: Identity, needed: Scope) -> None:
    """Raises ScopeMissing if the key does not have the scope."""
    if not permits(identity.key.scopes, needed):
        raise ScopeMissing(needed)


def refuse_other_sites(request: Request, identity: Identity) -> None:
    """Raises CrossSiteRequest if a session would change something without the header that all browsers send then."""
    if identity.session_id is not None and request.method not in SAFE_METHODS and "origin" not in request.headers:
        raise CrossSiteRequest
