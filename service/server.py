"""Serves HTTP until a signal ends the process."""

import asyncio
import gc
import logging
import resource
import signal
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from pydantic import ValidationError
from redis.exceptions import RedisError

from bakehouse.model import build_models
from bakehouse.ports import PortError, find_free_port
from bakehouse.processes import REFUSED
from bakehouse.runs.errors import FolderNotShared, StorageFull
from bakehouse.runs.marker import register_folder
from bakehouse.runs.store_migration import CopyStopped, migrate_home
from bakehouse.settings import Settings, explain_settings, is_loopback
from bakehouse.store.errors import StoreRefused
from service.access import Access
from service.app import create_app, make_services
from service.connections import Connections
from service.dependencies import Services
from service.http_limits import LimitedHttpProtocol
from service.hub import Hub

log = logging.getLogger(__name__)

MAX_SHUTDOWN_SECONDS = 5
# Enough for all connections and a file for each of them; many systems allow only 1024 by default.
MAX_OPEN_FILES = 4096
# Time for which a thread may keep others waiting while the models are built.
SHORT_INTERVAL_SECONDS = 0.0005


class Server(uvicorn.Server):
    """Builds all models once it is ready, and ends the event streams before it shuts down: they never end by
    themselves, so uvicorn would wait for them until its timeout."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        # The first requests need the models, but the service is ready without them.
        self._finishing = asyncio.create_task(asyncio.to_thread(finish_start))

    async def shutdown(self, sockets: object = None) -> None:
        self._hub.close()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def find_unsafe_setting(settings: Settings) -> str | None:
    """Returns the reason why the service must not start with these settings, or None."""
    if settings.redis_url is None:
        return "BAKEHOUSE_REDIS_URL is not set: the service needs the address of a Redis."
    return None


def find_missing_key(settings: Settings, access: Access) -> str | None:
    """Returns the reason why the service must not start without an API key, or None."""
    if is_loopback(settings.host):
        return None
    # While Redis is away, the file in BAKEHOUSE_HOME says whether there are keys; if there are, they are demanded.
    with suppress(RedisError):
        access.read()
    if settings.insecure or access.may_have_active_keys:
        return None
    return (
        f"BAKEHOUSE_HOST is {settings.host}, which other machines can reach, but there is no API key that is accepted. "
        "Create one with `bakehouse keys create`, or set BAKEHOUSE_HOST to 127.0.0.1, or set BAKEHOUSE_INSECURE=1 to "
        "give every client full access."
    )


def main() -> int:
    """Runs the service and returns the exit status: 2 if a setting is wrong, 1 if a new start may help."""
    try:
        settings = Settings()
        if problem := find_unsafe_setting(settings):
            raise ValueError(problem)
        find_free_port(settings.host, settings.port)
        # This does not connect to Redis, so the service also starts while Redis is down.
        services = make_services(settings, str(settings.redis_url))
        if problem := find_missing_key(settings, services.access):
            raise ValueError(problem)
        migrate_home(settings, partial(print, file=sys.stderr, flush=True))
        register_folder(settings, services.store)
    # A new try would not help here, because somebody has to change a setting first.
    except ValidationError as error:
        print(explain_settings(error), file=sys.stderr)
        return REFUSED
    except (ValueError, PortError, FolderNotShared) as error:
        print(error, file=sys.stderr)
        return REFUSED
    except StoreRefused as error:
        print(f"{settings.store_name} cannot be used: {error.strerror}.", file=sys.stderr)
        return REFUSED
    except CopyStopped as error:
        print(error, file=sys.stderr)
        return 1
    except (RedisError, OSError, StorageFull) as error:
        # The service starts anyway, but is not ready before it has registered its store in Redis.
        name = settings.store_name.partition("=")[0]
        print(f"Could not register {name} in Redis; the service will try again: {error}", file=sys.stderr)
    serve(settings, services)
    return 0


def serve(settings: Settings, services: Services) -> None:
    """Serves HTTP until a signal ends the process."""
    if not is_loopback(settings.host) and not services.access.has_keys:
        print(f"INSECURE: anybody who can reach {settings.host}:{settings.port} can use this service.", file=sys.stderr)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    raise_limit_on_files()
    # proxy_headers is off, because any client could forge the headers of a proxy.
    config = uvicorn.Config(
        create_app(services), host=settings.host, port=settings.port, loop="uvloop",
        http=partial(LimitedHttpProtocol, Connections()),  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none", lifespan="on", log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=5, timeout_graceful_shutdown=MAX_SHUTDOWN_SECONDS,
    )  # fmt: skip
    server = Server(config, services.hub)
    # After its shutdown, uvicorn raises the signal again. These handlers make that an exit with status 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    server.run()


def finish_start() -> None:
    """Builds all models, then exempts everything that exists from garbage collection, which would look at it again and
    again while runs are submitted."""
    usual_interval = sys.getswitchinterval()
    # Otherwise every step of the first requests waits 5 ms for this thread.
    sys.setswitchinterval(SHORT_INTERVAL_SECONDS)
    try:
        build_models()
    except Exception:
        # The first requests build them instead.
        log.exception("cannot build the models")
    sys.setswitchinterval(usual_interval)
    gc.enable()
    gc.collect()
    gc.freeze()


def raise_limit_on_files() -> None:
    """Raises this process's limit on open files as far as it may and needs to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MAX_OPEN_FILES)), hard))
