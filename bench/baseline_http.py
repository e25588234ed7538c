"""A minimal service to compare with: one route that returns a run's Redis hash as JSON.

`python bench/baseline_http.py REDIS_URL RUN PORT`
"""

import sys

import redis.asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

redis_url, run_id, port = sys.argv[1:]
connection = redis.asyncio.from_url(redis_url)


async def read_run(_: Request) -> JSONResponse:
    """Reads the hash from Redis at each request, as the service does."""
    fields: dict[bytes, bytes] = await connection.hgetall(f"local:run:{run_id}")  # type: ignore[assignment]
    return JSONResponse({name.decode(): value.decode() for name, value in fields.items()})


if __name__ == "__main__":
    uvicorn.run(Starlette(routes=[Route("/", read_run)]), host="127.0.0.1", port=int(port), log_level="error")
