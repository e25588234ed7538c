"""/problems: the pages to which the `type` of every problem document leads, for people and, as JSON, for programs."""

import json
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from bakehouse.data.errors import DatasetNotReady
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import MalformedJson, Problem, RecipeInvalid
from bakehouse.recipe.read import parse_json, read_recipe
from service.error_responses import ErrorResponse, error_response, problem_document
from service.errors import InvalidRequest
from service.problem_types import PROBLEM_TYPES, ProblemType

router = APIRouter(include_in_schema=False)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "public, max-age=3600", "Vary": "Accept"}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
pre {{ overflow-x: auto; padding: 1rem; background: rgb(128 128 128 / 15%) }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
# Each is answered by the code that answers real requests.
REFUSED_RECIPE = {"dataset": "digits", "architecture": "mlp", "learning_rate": 0.1, "early_stopping": True}
CUT_OFF_JSON = '{"dataset": "digits", "architecture": }'
RUN = "run_8qk2m5v0d3xw"
ON_A_RUN = f"/v1/runs/{RUN}"
PATHS = {
    "not_found": "/v1/run",
    "run_not_found": ON_A_RUN,
    "method_not_allowed": "/v1/workers",
    "checkpoint_not_found": f"{ON_A_RUN}/checkpoints/best",
    "checkpoint_damaged": f"{ON_A_RUN}/checkpoints/12/model.safetensors",
    "precondition_failed": f"{ON_A_RUN}/checkpoints/12/model.safetensors",
    "range_not_satisfiable": f"{ON_A_RUN}/checkpoints/12/model.safetensors",
    "dataset_not_found": "/v1/datasets/digit",
    "study_not_found": "/v1/cookbook/small_net",
    "illegal_transition": f"{ON_A_RUN}/stop",
    "run_has_dependants": ON_A_RUN,
    "run_replaced": f"{ON_A_RUN}/retry",
    "run_unreadable": ON_A_RUN,
    "log_damaged": f"{ON_A_RUN}/events",
    "too_many_streams": "/v1/events",
}
"""Paths of the examples that are not about a POST to /v1/runs."""
EXTRA: dict[str, JsonObject] = {
    "illegal_transition": {"run_status": "succeeded"},
    "run_has_dependants": {"dependants": ("run_2zr7c1n9k4hb",)},
}


@router.get("/problems")
def list_problem_types(request: Request) -> Response:
    """Lists all problem types."""
    if wants_json(request):
        data = [kind.model_dump() for kind in PROBLEM_TYPES.values()]
        return Response(json.dumps({"data": data}), headers=HEADERS, media_type="application/json")
    return HTMLResponse(index_page(), headers=HEADERS)


@router.get("/problems/{name}")
def show_problem_type(name: Annotated[str, Path(max_length=64)], request: Request) -> Response:
    """Describes a problem type: its cause, what to do, and an example."""
    if name not in PROBLEM_TYPES:
        raise HTTPException(404)
    if wants_json(request):
        document = {**PROBLEM_TYPES[name].model_dump(), "example": example(name)}
        return Response(json.dumps(document), headers=HEADERS, media_type="application/json")
    return HTMLResponse(type_page(name), headers=HEADERS)


def wants_json(request: Request) -> bool:
    """Returns whether a client asks for JSON and not for a page, which browsers always accept."""
    accept = request.headers.get("accept", "")
    return "json" in accept and "text/html" not in accept


@cache
def example(name: str) -> JsonObject:
    """Returns a problem document of this type."""
    response = ErrorResponse(name=name, detail=PROBLEM_TYPES[name].cause, extra=EXTRA.get(name, {}))
    for error in real_errors():
        given = error_response(error)
        response = given if given.name == name else response
    path = PATHS.get(name, "/v1/runs")
    document = problem_document(response, path=path, request_id="5f0c1d2e3a4b5c6d")
    return document.model_dump(mode="json", exclude_none=True)


def real_errors() -> Iterator[Exception]:
    """Yields errors whose text depends on what was posted."""
    yield DatasetNotReady("houses", retry_after=2)
    yield InvalidRequest(Problem(parameter="limit", code="less_than_equal", message="should be at most 100"))
    try:
        read_recipe(REFUSED_RECIPE)
    except RecipeInvalid as error:
        yield error
    try:
        parse_json(CUT_OFF_JSON)
    except MalformedJson as error:
        yield error


@cache
def index_page() -> str:
    rows = "\n".join(
        f'<li><a href="problems/{kind.name}">{kind.name}</a> ({kind.status}): {escape(kind.cause)}</li>'
        for kind in PROBLEM_TYPES.values()
    )
    return PAGE.format(title="Problem types of Bakehouse", body=f"<h1>Problem types</h1>\n<ul>\n{rows}\n</ul>")


@cache
def type_page(name: str) -> str:
    kind: ProblemType = PROBLEM_TYPES[name]
    shown = escape(json.dumps(example(name), indent=2))
    body = f"""<h1>{name}</h1>
<p>HTTP status {kind.status}</p>
<h2>Cause</h2>
<p>{escape(kind.cause)}</p>
<h2>What to do</h2>
<p>{escape(kind.fix)}</p>
<h2>Example</h2>
<pre>{shown}</pre>
<p><a href="../problems">All problem types</a> · <a href="../docs">API documentation</a></p>"""
    return PAGE.format(title=f"{name} - Bakehouse", body=body)
