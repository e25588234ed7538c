"""Routes that FastAPI documents but does not carry out."""

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import request_response


class PlainRoute(APIRoute):
    """A route whose function gets the request and returns the response.

    Its dependencies only describe its parameters in the OpenAPI document: to resolve them and to validate the response
    takes longer than the rest of a short request.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.app = request_response(self.endpoint)


def add_plain_route(api: FastAPI, path: str, **options: object) -> None:
    """Adds a route to the application itself, because a router that is included looks for its route twice."""
    api.router.add_api_route(path, route_class_override=PlainRoute, **options)  # type: ignore[arg-type]
