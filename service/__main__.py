"""`python -m service`: serves HTTP until a signal ends the process."""

import ipaddress
import logging
import signal
import sys

import uvicorn
from redis.exceptions import RedisError

from bakehouse.runs.errors import FolderNotShared, StorageFull
from bakehouse.runs.marker import register_folder
from bakehouse.settings import Settings
from service.app import create_app, make_services
from service.dependencies import Services
from service.http_limits import LimitedHttpProtocol
from service.hub import Hub

MAX_SHUTDOWN_SECONDS = 5
# A thousand event streams, and room for other requests.
MAX_CONNECTIONS = 1200


class Server(uvicorn.Server):
    """Ends the event streams before it shuts down: they never end by themselves, so that uvicorn would wait for them
    until its timeout."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: object = None) -> None:
        self._hub.close()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_unsafe_setting(settings: Settings) -> str | None:
    """Why the service does not start with these settings."""
    if settings.redis_url is None:
        return "BAKEHOUSE_REDIS_URL is not set: the service needs the address of a Redis."
    if not is_loopback(settings.host) and not settings.insecure:
        return (
            f"BAKEHOUSE_HOST is {settings.host}, which other machines can reach, and the service asks for no key. "
            "Set it to 127.0.0.1, or set BAKEHOUSE_INSECURE=1 if you want this."
        )
    return None


def main() -> int:
    """Returns the exit status, which is 2 if a setting is wrong."""
    try:
        settings = Settings()
        if problem := find_unsafe_setting(settings):
            raise ValueError(problem)
        services = make_services(settings, str(settings.redis_url))
        register_folder(settings, services.store)
    except (ValueError, FolderNotShared) as error:
        print(error, file=sys.stderr)
        return 2
    except (RedisError, OSError, StorageFull) as error:
        # The service starts all the same; it is ready once its folder is named in Redis.
        print(f"The folder of the runs' files cannot be named in Redis yet: {error}", file=sys.stderr)
    serve(settings, services)
    return 0


def serve(settings: Settings, services: Services) -> None:
    """Runs until a signal ends the process."""
    if not is_loopback(settings.host):
        print(f"INSECURE: anybody who can reach {settings.host}:{settings.port} can use this service.", file=sys.stderr)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        create_app(services), host=settings.host, port=settings.port, loop="uvloop", http=LimitedHttpProtocol,
        ws="none", lifespan="on", log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=5, timeout_graceful_shutdown=MAX_SHUTDOWN_SECONDS, limit_concurrency=MAX_CONNECTIONS,
    )  # fmt: skip
    server = Server(config, services.hub)
    # After its shutdown uvicorn raises the signal again; to be ended by a signal is a success here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    server.run()


if __name__ == "__main__":
    sys.exit(main())
