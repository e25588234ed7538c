"""Errors become problem documents."""

from starlette.requests import ClientDisconnect

from service.error_responses import error_response
from service.errors import RangeNotSatisfiable, TooManyConnections


def test_an_error_carries_its_headers() -> None:
    assert error_response(TooManyConnections()).headers["Retry-After"] == "1"
    assert error_response(RangeNotSatisfiable(7)).headers == {"Content-Range": "bytes */7"}


def test_a_body_that_is_cut_off_is_incomplete() -> None:
    response = error_response(ClientDisconnect())
    assert (response.name, response.status) == ("incomplete_body", 400)
    assert response.detail == "The connection closed before the body was complete."
