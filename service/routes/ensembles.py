"""/v1/experiments/{experiment_id}/ensembles: the runs of an arm as one model."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.responses import StreamingResponse

from bakehouse.experiments.ensemble import Ensembles
from service.dependencies import ExperimentId, JsonBody, ServicesDep, refuse_unknown_parameters
from service.ensembles import make_ensemble
from service.openapi import json_body, problems, returns
from service.routes.runs import json_response

# Generators of clients know no type for zip files.
ZIP = "application/octet-stream"
EnsembleName = Annotated[str, Path(description="The `name` of the ensemble.")]
router = APIRouter(
    prefix="/v1/experiments/{experiment_id}/ensembles",
    tags=["experiments"],
    dependencies=[Depends(refuse_unknown_parameters)],
)


@router.post("", status_code=201, operation_id="create_ensemble", openapi_extra=json_body("EnsembleRequest"),
             responses=returns("Ensemble", description="The same members were measured before.")
             | returns("Ensemble", 400, 404, 409, 413, 415, 422, 500, 503, status=201))  # fmt: skip
async def create_ensemble(
    experiment_id: ExperimentId, document: JsonBody, request: Request, services: ServicesDep
) -> Response:
    """Measures the finished runs of an arm as one model, whose probabilities or values are the mean of theirs, on the
    validation and the test split. The answer stays with the experiment, and `results` lists it beside the arms. If
    other runs of the arm have finished since, the same request measures them too."""
    ensemble, is_new = await make_ensemble(services, experiment_id, document, is_gone=request.is_disconnected)
    headers = {"Location": f"ensembles/{ensemble.name}"}
    return json_response(ensemble.model_dump_json(), status=201 if is_new else 200, headers=headers)


@router.get("", operation_id="list_ensembles", responses=problems(404, 503))
def list_ensembles(experiment_id: ExperimentId, services: ServicesDep) -> Ensembles:
    """Lists the ensembles of an experiment, the oldest first."""
    return Ensembles(data=services.experiments.record(experiment_id).ensembles)


@router.get("/{name}", operation_id="get_ensemble", response_class=StreamingResponse,
            responses={200: {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}},
                             "description": "The folder as a zip file."},
                       **problems(404, 409, 410, 503)})  # fmt: skip
async def get_ensemble(experiment_id: ExperimentId, name: EnsembleName, services: ServicesDep) -> Response:
    """Downloads an ensemble as one folder: the weights of its members, `manifest.json`, and `ensemble.py`, which
    predicts with their mean in plain PyTorch and computes the recorded test metrics again from your own file."""
    # NumPy takes 20 MB, and 0.1 s of the start, in a service that lists no rows.
    from service.ensemble_folder import open_folder, zip_parts  # noqa: PLC0415

    folder = await open_folder(services, experiment_id, name)
    headers = {"Content-Disposition": f'attachment; filename="{folder.name}.zip"'}
    return StreamingResponse(zip_parts(folder), media_type=ZIP, headers=headers)
