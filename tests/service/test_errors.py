"""Errors become problem documents."""

import re
from inspect import getsource

import pytest
from starlette.requests import ClientDisconnect

from service import errors, task_errors
from service.errors import RangeNotSatisfiable, ServiceError, TooManyConnections, error_response
from service.problem_types import PROBLEM_TYPES


def test_the_registry_has_exactly_the_names_that_the_service_uses() -> None:
    written = re.findall(r'(?:name=|name = |unavailable\()"(\w+)"', getsource(errors) + getsource(task_errors))
    assert len(written) > 20
    assert set(PROBLEM_TYPES) == {*written, "not_found", "method_not_allowed"}


@pytest.mark.parametrize("kind", ServiceError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_the_tree_at_the_head_of_the_file_has_the_status_of_the_registry(kind: type[ServiceError]) -> None:
    status = PROBLEM_TYPES[kind.name].status
    assert re.search(
        rf"── {kind.__name__} +{status}  {kind.name}$", f"{errors.__doc__}{task_errors.__doc__}", re.MULTILINE
    )


def test_an_error_carries_its_headers() -> None:
    assert error_response(TooManyConnections()).headers["Retry-After"] == "1"
    assert error_response(RangeNotSatisfiable(7)).headers == {"Content-Range": "bytes */7"}


def test_a_body_that_is_cut_off_is_incomplete() -> None:
    response = error_response(ClientDisconnect())
    assert (response.name, response.status) == ("incomplete_body", 400)
    assert response.detail == "The connection closed before the body was complete."
