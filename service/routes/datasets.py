"""/v1/datasets: lists the data sets of this machine."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from bakehouse.model import Model
from bakehouse.plan.card import DatasetListing
from service.dependencies import ServicesDep, refuse_unknown_parameters
from service.openapi import problems

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], dependencies=[Depends(refuse_unknown_parameters)])


class Datasets(Model):
    """The data sets of this machine."""

    data: tuple[DatasetListing, ...]


@router.get("", operation_id="list_datasets")
def list_datasets(services: ServicesDep) -> Datasets:
    """Lists the built-in data sets and your own. This request starts the packing of new files."""
    return Datasets(data=tuple(services.catalog.listings()))


@router.get("/{dataset_id}", operation_id="get_dataset", responses=problems(404))
def get_dataset(dataset_id: Annotated[str, Path(max_length=256)], services: ServicesDep) -> DatasetListing:
    """Returns one data set, with its card once it is ready."""
    return services.catalog.listing(dataset_id)
