"""/v1/cookbook: questions about training, with their recipes and measured answers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from bakehouse.studies import studies, study
from bakehouse.study import Studies, Study
from service.dependencies import refuse_unknown_parameters
from service.openapi import problems

router = APIRouter(prefix="/v1/cookbook", tags=["cookbook"], dependencies=[Depends(refuse_unknown_parameters)])


@router.get("", operation_id="list_studies")
def list_studies() -> Studies:
    """Lists the questions of the cookbook, each with its short answer."""
    return studies()


@router.get("/{name}", operation_id="get_study", responses=problems(404))
def get_study(name: Annotated[str, Path(max_length=256)]) -> Study:
    """Returns one study: question, answer, the measured table with its spread over seeds, and the recipes."""
    return study(name)
