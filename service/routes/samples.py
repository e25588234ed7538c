"""/v1/datasets/{id}/samples: rows of a data set, to look at."""

import json
from base64 import b64decode
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from bakehouse.data.errors import DatasetAbsent, DatasetBroken
from bakehouse.model import JsonObject
from bakehouse.plan.card import DatasetCard
from bakehouse.recipe.problems import Problem
from bakehouse.tasks.sample_choices import MAX_ROWS, Split
from bakehouse.tasks.samples import KIND, SamplesRequest
from service.dependencies import Accept, Services, ServicesDep, refuse_unknown_parameters
from service.errors import DatasetUnusable, InvalidRequest
from service.openapi import returns
from service.routes.datasets import DatasetId

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], dependencies=[Depends(refuse_unknown_parameters)])

PNG = "image/png"


def returns_samples() -> dict[int | str, JsonObject]:
    """Returns the `responses` of the route that sends rows as JSON, or a picture."""
    responses = returns("DatasetSamples", 404, 409, 422, 500, 503)
    responses[200]["content"][PNG] = {"schema": {"type": "string", "format": "binary"}}
    return responses


@router.get("/{dataset_id}/samples", operation_id="get_samples", responses=returns_samples())
async def get_samples(
    request: Request,
    dataset_id: DatasetId,
    services: ServicesDep,
    split: Annotated[Split, Query(description="A split of the files; those without splits have `train`.")] = "train",
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS, description="Number of rows.")] = 16,
    seed: Annotated[int, Query(ge=0, lt=2**32, description="Another seed draws other rows.")] = 0,
    accept: Accept = PNG,
) -> Response:
    """Shows rows of a data set, drawn at random: the cells of a table, the numbers of sequences, or a picture of
    images. The same request shows the same rows.

    With `Accept: application/json`, the response has the picture in base64, with the labels and the row numbers. What
    the augmentation of a recipe makes of rows is shown by `POST /v1/recipes/preview`.
    """
    card = await run_in_threadpool(find_card, services, dataset_id)
    known = tuple(name for name, count in card.counts if count is not None)
    if split not in known:
        message = f"{card.id} has no {split} split of its own"
        raise InvalidRequest(Problem(parameter="split", code="split", message=message, allowed=known))
    task = SamplesRequest(dataset=card.id, fingerprint=card.fingerprint, split=split, limit=limit, seed=seed)
    result = await services.tasks.run(KIND, task.model_dump(), is_gone=request.is_disconnected)
    headers = {"Vary": "Accept"}
    if card.kind == "image" and ("application/json" not in accept or PNG in accept):
        return Response(b64decode(json.loads(result)["png"]), headers=headers, media_type=PNG)
    return Response(result, headers=headers, media_type="application/json")


def find_card(services: Services, reference: str) -> DatasetCard:
    """Returns the card of a data set that is ready. Raises DatasetNotFound, DatasetNotReady and DatasetUnusable."""
    try:
        return services.catalog.card(reference)
    except (DatasetBroken, DatasetAbsent) as error:
        raise DatasetUnusable(error.message) from error
