"""`python -m service`: HTTP until it is told to end."""

import ipaddress
import logging
import signal
import sys

import uvicorn
from redis.exceptions import RedisError

from bakehouse.runs.errors import FolderNotShared, StorageFull
from bakehouse.runs.marker import name_folder
from bakehouse.settings import Settings
from service.app import create_app, make_services
from service.dependencies import Services
from service.http_limits import Protocol
from service.hub import Hub

GRACE_SECONDS = 5
# Streams of a thousand readers, and room for the others.
MAX_CONNECTIONS = 1200


class Server(uvicorn.Server):
    """Ends the streams first: the wait for them would take the whole grace."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: object = None) -> None:
        """Called once, when the process is told to end."""
        self._hub.close()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refusal(settings: Settings) -> str | None:
    """Why the service does not start with these settings."""
    if settings.redis_url is None:
        return "BAKEHOUSE_REDIS_URL is not set: the service needs the address of a Redis."
    if not is_loopback(settings.host) and not settings.insecure:
        return (
            f"BAKEHOUSE_HOST is {settings.host}, which others can reach, and nobody has to show a key. "
            "Set it to 127.0.0.1, or BAKEHOUSE_INSECURE=1 if this is meant."
        )
    return None


def main() -> int:
    """The exit status: 2 where a setting is wrong."""
    try:
        settings = Settings()
        if problem := refusal(settings):
            raise ValueError(problem)
        parts = make_services(settings, str(settings.redis_url))
        name_folder(settings, parts.store)
    except (ValueError, FolderNotShared) as error:
        print(error, file=sys.stderr)
        return 2
    except (RedisError, OSError, StorageFull) as error:
        # It starts all the same, and is ready once its folder is named.
        print(f"The folder of the runs' files cannot be named in Redis yet: {error}", file=sys.stderr)
    serve(settings, parts)
    return 0


def serve(settings: Settings, parts: Services) -> None:
    """Until a signal ends the process."""
    if not is_loopback(settings.host):
        print(f"INSECURE: anybody who reaches {settings.host}:{settings.port} may use this service.", file=sys.stderr)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        create_app(parts), host=settings.host, port=settings.port, loop="uvloop", http=Protocol, ws="none",
        lifespan="on", log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=5, timeout_graceful_shutdown=GRACE_SECONDS, limit_concurrency=MAX_CONNECTIONS,
    )  # fmt: skip
    server = Server(config, parts.hub)
    # The server raises the signal that ended it once more, when all is done: being told to end is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    server.run()


if __name__ == "__main__":
    sys.exit(main())
