"""Every error has a problem type."""

import re
from inspect import getsource

import pytest

from service import error_responses, errors, task_errors
from service.errors import ServiceError
from service.problem_types import PROBLEM_TYPES


def test_the_registry_has_exactly_the_names_that_the_service_uses() -> None:
    sources = "".join(map(getsource, (errors, task_errors, error_responses)))
    written = re.findall(r'(?:name=|name = |unavailable\()"(\w+)"', sources)
    assert len(written) > 20
    assert set(PROBLEM_TYPES) == {*written, "not_found", "method_not_allowed"}


@pytest.mark.parametrize("kind", ServiceError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_the_tree_at_the_head_of_the_file_has_the_status_of_the_registry(kind: type[ServiceError]) -> None:
    status = PROBLEM_TYPES[kind.name].status
    assert re.search(
        rf"── {kind.__name__} +{status}  {kind.name}$", f"{errors.__doc__}{task_errors.__doc__}", re.MULTILINE
    )
