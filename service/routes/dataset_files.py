"""/v1/datasets/{id}/file: the file of a data set, as it was uploaded."""

import os
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response
from starlette.responses import StreamingResponse

from bakehouse.uploads.errors import UploadNotFound
from service.dependencies import ServicesDep, refuse_unknown_parameters
from service.downloads import MEDIA_TYPE, FilePart
from service.errors import DatasetNotUploaded
from service.openapi import problems
from service.routes.datasets import BINARY, DatasetId
from service.zip_stream import zip_folder

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], dependencies=[Depends(refuse_unknown_parameters)])


@router.get("/{dataset_id}/file", operation_id="get_dataset_file", response_class=StreamingResponse,
            responses={200: {"content": {MEDIA_TYPE: BINARY}, "description": "The file."},
                       **problems(404, 409, 503)})  # fmt: skip
def get_dataset_file(dataset_id: DatasetId, services: ServicesDep) -> Response:
    """Downloads the file that was uploaded, also if it could not be packed again after an upgrade. What was unpacked
    from an archive becomes a zip file."""
    try:
        record, path = services.uploads.source(dataset_id)
    except UploadNotFound:
        services.catalog.listing(dataset_id)
        raise DatasetNotUploaded(dataset_id) from None
    if path.is_dir():
        name = f"{record.name}.zip"
        return StreamingResponse(zip_folder(path), media_type=MEDIA_TYPE, headers=attachment(name))
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        headers = {"Content-Length": str(size), **attachment(record.filename or path.name)}
        return FilePart(file, range(size), status=200, headers=headers)


def attachment(filename: str) -> dict[str, str]:
    """Returns the header that names a download (RFC 6266)."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"}
