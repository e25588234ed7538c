"""Routes that FastAPI documents but does not carry out."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import request_response

from service.dependencies import require_access

Endpoint = Callable[[Request], Awaitable[Response]]


class PlainRoute(APIRoute):
    """A route whose function gets the request and returns the response.

    Its dependencies only describe its parameters in the OpenAPI document: to resolve them and to validate the response
    takes longer than the rest of a short request.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.app = request_response(with_access(self.endpoint))


def with_access(endpoint: Endpoint) -> Endpoint:
    """Returns the function of a route that first checks the API key, as the dependency does on other routes."""

    async def respond(request: Request) -> Response:
        await require_access(request)
        return await endpoint(request)

    return respond


def add_plain_route(api: FastAPI, path: str, **options: object) -> None:
    """Adds a route to the application itself, because a router that is included looks for its route twice."""
    api.router.add_api_route(path, route_class_override=PlainRoute, **options)  # type: ignore[arg-type]
