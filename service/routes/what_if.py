"""/v1/runs/{id}/what-if: says what other early stopping would have done to a run."""

from fastapi import APIRouter, Depends, Response

from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.what_if import curve_of, what_if
from bakehouse.what_if_question import read_question, refuse_long_work
from service.dependencies import JsonBody, RunId, ServicesDep, refuse_unknown_parameters
from service.errors import EpochsMissing, InvalidRequest
from service.metrics import read_all_events
from service.openapi import json_body, returns

router = APIRouter(prefix="/v1/runs", tags=["runs"], dependencies=[Depends(refuse_unknown_parameters)])


@router.post("/{run_id}/what-if", operation_id="ask_what_if", openapi_extra=json_body("WhatIfQuestion"),
             responses=returns("WhatIf", 400, 404, 409, 410, 413, 415, 422, 503))  # fmt: skip
def ask_what_if(run_id: RunId, document: JsonBody, services: ServicesDep) -> Response:
    """Says for each of up to 100 settings of early stopping where it would have ended the run, which epoch would have
    been the best, and what that saves and loses. Nothing is trained: the stopper that trains reads the logged epochs.

    A setting that does not stop within the epochs of a run that trained all epochs of its recipe never stops early; if
    the run has trained fewer, the answer is `undecided`. Fewer settings are answered at once for a run of more than
    10,000 epochs.
    """
    run = services.store.record(run_id)
    monitor = run.recipe.evaluation.monitor
    try:
        question = read_question(document, monitor=monitor)
        curve = curve_of(read_all_events(services.store, run_id), monitor=monitor, epochs=run.recipe.epochs)
        refuse_long_work(question, len(curve.measured))
    except RecipeInvalid as error:
        raise InvalidRequest(*error.problems) from error
    if not curve.measured:
        raise EpochsMissing(run_id, run.status)
    answers = what_if(run_id, curve, question.early_stopping)
    return Response(answers.model_dump_json(), media_type="application/json")
