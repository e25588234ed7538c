"""/v1/runs/{run_id}/checkpoints/{epoch_or_role}/predict: what a model predicts for rows of the user."""

from fastapi import Depends, FastAPI, Request, Response

from bakehouse.model import JsonObject
from bakehouse.tasks.predictions import Form, PredictionRequest
from service.dependencies import RunId, possible_run_id, refuse_unknown_parameters, services_of
from service.errors import UnsupportedContentEncoding, UnsupportedMediaType
from service.openapi import returns
from service.plain_routes import add_plain_route
from service.routes.checkpoints import EpochOrRole, router

BYTES = {"schema": {"type": "string", "format": "binary"}}
FORMS: dict[str, Form] = {
    "application/json": "json",
    "image/png": "picture",
    "image/jpeg": "picture",
    "application/x-npz": "npz",
    "application/octet-stream": "npz",
}
"""What a body of each media type is."""
BODY: JsonObject = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["rows"],
                    "additionalProperties": False,
                    "properties": {
                        "rows": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"anyOf": [{"type": "object"}, {"type": "array", "items": {}}]},
                            "description": "The rows: objects with a cell for each column, or lists of cells. A cell "
                            "is what the data set has there: a number, a text, or null where it is empty.",
                        }
                    },
                }
            },
            **{name: BYTES for name in FORMS if name != "application/json"},
        },
    }
}


def describe_prediction(run_id: RunId, epoch_or_role: EpochOrRole) -> None:
    """Describes the parameters of `predict` in the OpenAPI document."""


async def predict(request: Request) -> Response:
    """Predicts for rows as the data set has them: the likeliest class with the probability of each class, or the value
    in the data set's units. Rows are objects by the names of the columns or lists in the columns' order; the target and
    columns that are no inputs may be left out. Rows of a set without named columns are lists of numbers, those of
    sequences lists of steps.

    The body may also be a picture of any size (PNG or JPEG), or an NPZ file with an array `x` of rows (for a table with
    named columns, an array for each column). Nothing is fitted anew, and nothing is stored.
    """
    await refuse_unknown_parameters(request)
    run_id, epoch_or_role = possible_run_id(request.path_params["run_id"]), request.path_params["epoch_or_role"]
    services = services_of(request)
    form = form_of(request)
    checkpoint = await services.predictions.find(run_id, epoch_or_role)
    head = PredictionRequest(
        run=run_id,
        epoch=checkpoint.epoch,
        sha256=checkpoint.sha256,
        fingerprint=checkpoint.dataset_fingerprint,
        form=form,
        max_rows=services.settings.max_prediction_rows,
    )
    answer = await services.predictions.predict(head, await request.body())
    return Response(answer, headers={"Cache-Control": "no-store"}, media_type="application/json")


def form_of(request: Request) -> Form:
    """Returns what the body is. Raises UnsupportedMediaType and UnsupportedContentEncoding."""
    form = FORMS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    if form is None:
        raise UnsupportedMediaType(*FORMS)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedContentEncoding
    return form


def add_plain_routes(api: FastAPI) -> None:
    """Adds the route, which answers many short requests a second."""
    add_plain_route(
        api, f"{router.prefix}/{{epoch_or_role}}/predict", endpoint=predict, methods=["POST"], tags=["checkpoints"],
        operation_id="predict", response_class=Response, openapi_extra=BODY,
        dependencies=[Depends(describe_prediction)],
        responses=returns("PredictionAnswer", 400, 404, 409, 413, 415, 422, 500, 503),
    )  # fmt: skip
