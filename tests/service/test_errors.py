"""Problems: each has a name and a status, and `docs/words.md` lists them all."""

import re
from http import HTTPStatus
from inspect import getsource

import pytest
from starlette.requests import ClientDisconnect

from service import errors
from service.errors import RangeNotSatisfiable, ServiceError, TooManyConnections, error_response
from tests.running_service import ROOT

WORDS = (ROOT / "docs" / "words.md").read_text(encoding="utf-8")


def documented_problems() -> set[str]:
    """The names in the first column of the table of problems."""
    rows = WORDS.partition("## Problems")[2].splitlines()
    return {name for row in rows if row.startswith("| `") for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_table_of_problems_lists_every_problem() -> None:
    written = re.findall(r'(?:name=|name = |unavailable\()"(\w+)"', getsource(errors))
    assert len(written) > 20
    assert documented_problems() == {*written, "not_found", "method_not_allowed"}


@pytest.mark.parametrize("kind", ServiceError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_an_error_has_a_name_and_the_status_of_its_row_in_the_table(kind: type[ServiceError]) -> None:
    assert HTTPStatus(kind.status) >= 400
    assert re.search(rf"^\| `{kind.name}` \| {kind.status} \|", WORDS, re.MULTILINE)


def test_an_error_carries_its_headers() -> None:
    assert error_response(TooManyConnections()).headers["Retry-After"] == "1"
    assert error_response(RangeNotSatisfiable(7)).headers == {"Content-Range": "bytes */7"}


def test_a_body_that_is_cut_off_is_incomplete() -> None:
    response = error_response(ClientDisconnect())
    assert (response.name, response.status) == ("incomplete_body", 400)
    assert response.detail == "The connection closed before the body was complete."
