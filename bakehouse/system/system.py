"""Defines what `GET /v1/system` and `bakehouse doctor` show: a row for each thing that was checked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bakehouse.access.inspection import AccessState, inspect_access
from bakehouse.model import Model
from bakehouse.runs.redis_state import RedisState, read_redis_state
from bakehouse.settings import Settings

Mark = Literal["ok", "warning", "error"]
SEVERITY: tuple[Mark, ...] = ("ok", "warning", "error")


class Row(Model):
    """One thing that was checked: what was found, and if that is not right, what is wrong and what to do."""

    name: str
    """A name that programs can compare."""
    status: Mark
    found: str
    """What was found, as human-readable text."""
    problem: str | None = None
    """What is wrong, as a sentence; null if nothing is."""
    fix: str | None = None
    """What to do about it, as a sentence."""


class System(Model):
    """What runs here, and whether it is as it should be."""

    status: Mark
    """The worst status of all rows."""
    version: str
    """The version of Bakehouse that has checked this."""
    data: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Port:
    """Who answers at the address of the service."""

    address: str
    holder: Literal["nobody", "bakehouse", "another program"]
    detail: str = ""
    """The version of Bakehouse, or what the other program says of itself."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The facts that the checks look at; they are gathered once."""

    settings: Settings
    redis: RedisState
    port: Port
    access: AccessState


def inspect(settings: Settings, redis_url: str | None, port: Port) -> Inspection:
    """Gathers the facts; `redis_url` is None if no Redis is known to run."""
    if redis_url is None:
        redis = RedisState(problem="No Redis runs for this home.")
    else:
        redis = read_redis_state(redis_url, settings)
    access = inspect_access(settings, redis_url if redis.problem is None else None)
    return Inspection(settings=settings, redis=redis, port=port, access=access)


def worst(rows: Iterable[Row]) -> Mark:
    return max((row.status for row in rows), key=SEVERITY.index, default="ok")


def ok(name: str, found: str) -> Row:
    return Row(name=name, status="ok", found=found)


def warning(name: str, found: str, problem: str, fix: str) -> Row:
    return Row(name=name, status="warning", found=found, problem=problem, fix=fix)


def error(name: str, found: str, problem: str, fix: str) -> Row:
    return Row(name=name, status="error", found=found, problem=problem, fix=fix)
