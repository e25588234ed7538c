"""Describes a Redis server as far as it answers: for people who look for what is wrong."""

import logging
from dataclasses import dataclass, field

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from bakehouse.runs.errors import FolderNotShared
from bakehouse.runs.marker import check_folder
from bakehouse.runs.run import TaskProcess, Worker
from bakehouse.runs.store import DURABLE, Store, connect
from bakehouse.settings import Settings
from bakehouse.store.errors import StoreAway

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RedisState:
    """What a Redis server says of itself, and what Bakehouse keeps in it."""

    problem: str | None = None
    """Why it cannot be used; then all other fields are empty."""
    product: str = ""
    """The name of the server program, such as `valkey`."""
    version: str = ""
    """The version of Redis with which the server is compatible."""
    used_bytes: int = 0
    max_bytes: int = 0
    """The limit of its memory; 0 if it has none."""
    settings: dict[str, str] = field(default_factory=dict)
    """The settings on which the safety of runs depends; empty if the server does not show them."""
    is_writable: bool = True
    is_folder_shared: bool = True
    """Whether BAKEHOUSE_HOME is the folder that is registered in this Redis, if one is."""
    workers: tuple[Worker, ...] = ()
    task_processes: tuple[TaskProcess, ...] = ()


def read_redis_state(url: str, settings: Settings) -> RedisState:
    """Asks the server; returns within seconds, whether it answers or not."""
    with connect(url, patient=False) as redis:
        try:
            return ask(redis, settings)
        except RedisError as error:
            # The text of the error has the server's address, which clients of the service must not see.
            log.warning("Redis cannot be asked: %s", error)
            return RedisState(problem=f"Redis does not answer ({type(error).__name__}).")


def ask(redis: Redis, settings: Settings) -> RedisState:
    store = Store(redis)
    info = redis.info()
    return RedisState(
        product=info.get("server_name", "redis"),
        version=info["redis_version"],
        used_bytes=info["used_memory"],
        max_bytes=info["maxmemory"],
        settings=read_settings(redis),
        is_writable=is_writable(store),
        is_folder_shared=is_folder_shared(settings, store),
        workers=tuple(store.workers()),
        task_processes=tuple(store.task_processes()),
    )


def read_settings(redis: Redis) -> dict[str, str]:
    try:
        return {name: str(redis.config_get(name)[name]) for name in DURABLE}
    # Hosted servers often forbid CONFIG.
    except ResponseError:
        return {}


def is_writable(store: Store) -> bool:
    try:
        store.check_writes()
    except ResponseError:
        return False
    return True


def is_folder_shared(settings: Settings, store: Store) -> bool:
    try:
        check_folder(settings, store)
    except StoreAway:
        return True  # nobody knows; the check of the store says why
    except (FolderNotShared, OSError):
        return False
    return True
