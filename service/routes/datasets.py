"""/v1/datasets: lists the data sets, receives new ones, and deletes them."""

import hashlib
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from bakehouse.data.errors import DatasetNotFound
from bakehouse.data.listing import DatasetListing, Datasets
from bakehouse.data.source_formats import name_for
from bakehouse.model import JsonObject, Model
from bakehouse.recipe.problems import Problem
from bakehouse.recipe.read import parse_json
from bakehouse.uploads.errors import UploadNotFound
from bakehouse.uploads.record import MAX_FILENAME_CHARACTERS, DatasetDraft
from service.content_digest import parse_content_digest
from service.dependencies import (
    IfNoneMatch,
    KeyHeader,
    Prefer,
    Services,
    ServicesDep,
    idempotency_of,
    refuse_unknown_parameters,
)
from service.documents import parse_document
from service.errors import DatasetNotUploaded, InvalidRequest, UnsupportedContentEncoding
from service.form_upload import receive_form
from service.hub import Selection
from service.long_poll import etag_matches, parse_wait, wait_for_answer
from service.middleware import media_type
from service.openapi import REFERENCE, optional_json_body, problems, returns
from service.receiving import ReceivedFile
from service.uploads import refuse_other_digest

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], dependencies=[Depends(refuse_unknown_parameters)])

DatasetId = Annotated[str, Path(max_length=256, description="An id, `NAME@2`, or `NAME` for the newest version.")]
UploadId = Annotated[str, Path(max_length=256, description="`data_` and 12 characters.")]
Digest = Annotated[
    str | None,
    Header(alias="Content-Digest", description="`sha-256=:BASE64:` (RFC 9530) of the body, which is compared with it."),
]
ADDRESS_FIELDS = ("url", "uri", "address", "href")
BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
    "required": ["file"],
}


class PartDigests(Model):
    """The parts that the client has sent, with which those of the service are compared."""

    parts: tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...] | None = None
    """The sha-256 of each part in hexadecimal, in order."""


class DeletedDataset(Model):
    """The id of a data set that was deleted, and the space that this freed."""

    id: str
    name: str
    version: int
    bytes_freed: int
    """Total size of its files. What other versions share is kept."""


def upload_bodies() -> JsonObject:
    """Returns the `openapi_extra` of the route that takes a draft, a form or a file."""
    draft = {"schema": {"$ref": REFERENCE.format(model="DatasetDraft")}}
    content = {"application/json": draft, "multipart/form-data": {"schema": FORM}, "application/octet-stream": BINARY}
    return {"requestBody": {"required": True, "content": content}}


@router.get("", operation_id="list_datasets", responses=problems(503))
def list_datasets(services: ServicesDep) -> Datasets:
    """Lists the built-in data sets, your own files, and what was uploaded. This request starts the packing of new
    files."""
    return Datasets(data=(*services.catalog.listings(), *services.uploads.all()))


@router.post("", operation_id="create_dataset", status_code=201, openapi_extra=upload_bodies(),
             responses=returns("DatasetListing", 400, 408, 413, 415, 422, 429, 503, status=201))  # fmt: skip
async def create_dataset(
    request: Request,
    services: ServicesDep,
    key: KeyHeader = None,
    digest: Digest = None,
    name: Annotated[
        str | None, Query(max_length=64, description="The name of the data set, unless the body has it.")
    ] = None,
    filename: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=MAX_FILENAME_CHARACTERS,
            description="The name of the file that is the body; its ending names the format.",
        ),
    ] = None,
) -> Response:
    """Creates a data set. A JSON body makes a draft, whose parts are then sent, or with `source` a data set that is
    fetched from that address; any other body is the file itself: as it is, with its name as a parameter, or in a form
    (field `file`), and its inspection begins at once.

    A worker's machine inspects what was uploaded. Once the data set is `ready`, recipes can name it.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedContentEncoding
    kind = media_type(request.headers.get("content-type", ""))
    if kind == "application/json":
        refuse_parameters(name=name, filename=filename)
        return await create_draft(request, services, key)
    if kind == "multipart/form-data":
        refuse_parameters(name=name, filename=filename)
        return await receive_from_form(request, services, key)
    # The look at the files of the data folder may wait for a slow drive.
    await run_in_threadpool(check_query_name, services, name)
    async with await services.uploads.new_file(announced_bytes(request)) as file:
        await file.write_all(request.stream())
        draft = DatasetDraft(name=str(name), filename=filename)
        return await keep_whole(request, services, file, draft, key, parse_content_digest(digest))


def refuse_parameters(**given: str | None) -> None:
    """Raises InvalidRequest for parameters that such a body has itself."""
    wrong = [name for name, value in given.items() if value is not None]
    message = "belongs into the body of a draft or a form; as a parameter it goes with a file as the body"
    if wrong:
        raise InvalidRequest(*(Problem(parameter=name, code="conflict", message=message) for name in wrong))


def check_query_name(services: Services, name: str | None) -> None:
    """Raises InvalidRequest if the parameter `name` is missing or cannot be a name."""
    if name is None:
        message = "name the data set: ?name=houses&filename=houses.csv"
        raise InvalidRequest(Problem(parameter="name", code="missing", message=message))
    services.uploads.check_name(name, Problem(parameter="name", code="", message=""))


async def create_draft(request: Request, services: Services, key: str | None) -> Response:
    """Creates a data set whose parts are sent later, or that is fetched."""
    document = parse_json(await request.body())
    refuse_address(document)
    name = document.get("name") if isinstance(document, dict) else None
    if isinstance(name, str):
        await run_in_threadpool(services.uploads.check_name, name, Problem(pointer="/name", code="", message=""))
    draft = parse_document(DatasetDraft, document, strict=False)
    await services.folder_check.check()
    idempotency = None if key is None else idempotency_of(request, key, draft.model_dump_json())
    listing, replayed = await run_in_threadpool(services.uploads.create_draft, draft, idempotency)
    return respond_with_new(listing, replayed=replayed)


async def receive_from_form(request: Request, services: Services, key: str | None) -> Response:
    """Receives a data set from a form of a browser."""
    async with await services.uploads.new_file(announced_bytes(request)) as file:
        form = await receive_form(request.headers["content-type"], request.stream(), file)
        filename = (form.filename or "")[:MAX_FILENAME_CHARACTERS] or None
        name = form.fields.get("name") or name_for(filename or "")
        await run_in_threadpool(services.uploads.check_name, name, Problem(pointer="/name", code="", message=""))
        return await keep_whole(request, services, file, DatasetDraft(name=name, filename=filename), key, None)


async def keep_whole(
    request: Request, services: Services, file: ReceivedFile, draft: DatasetDraft, key: str | None, digest: str | None
) -> Response:
    """Makes a data set of a file that has arrived."""
    sha256 = await file.finish()
    if not file.bytes:
        raise InvalidRequest(Problem(parameter="body", code="missing", message="the file is empty"))
    refuse_other_digest(1, digest, sha256)
    await services.folder_check.check()
    draft = draft.model_copy(update={"bytes": file.bytes})
    idempotency = None
    if key is not None:
        idempotency = idempotency_of(request, key, f"{draft.name}\n{draft.filename}\n{sha256}")
    listing, replayed = await run_in_threadpool(services.uploads.keep_whole, draft, file, sha256, idempotency)
    return respond_with_new(listing, replayed=replayed)


def respond_with_new(listing: DatasetListing, *, replayed: bool) -> Response:
    """Returns the response with a new data set; its address is relative to the request."""
    headers = {"Location": f"datasets/{listing.id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return json_response(listing, status=201, headers=headers)


def json_response(model: Model, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(model.model_dump_json(), status, headers, media_type="application/json")


@router.put("/{dataset_id}/parts/{number}", operation_id="put_dataset_part",
            openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": BINARY}}},
            responses=returns("Part", 400, 404, 408, 409, 413, 415, 422, 429, 503))  # fmt: skip
async def put_dataset_part(
    request: Request,
    dataset_id: UploadId,
    number: Annotated[int, Path(ge=1, lt=2**31, description="Its position in the file, from 1.")],
    services: ServicesDep,
    digest: Digest = None,
) -> Response:
    """Receives a part of a draft, in any order. A part may be sent again: the same bytes change nothing, others replace
    it. It is on disk when the response arrives."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedContentEncoding
    announced = parse_content_digest(digest)
    await services.folder_check.check()
    part = await services.uploads.receive_part(request, dataset_id, number, announced)
    return json_response(part)


@router.post("/{dataset_id}/complete", operation_id="complete_dataset", status_code=202,
             openapi_extra=optional_json_body("PartDigests"),
             responses=returns("DatasetListing", 400, 404, 413, 415, 422, 503, status=202))  # fmt: skip
async def complete_dataset(request: Request, dataset_id: UploadId, services: ServicesDep) -> Response:
    """Ends the upload of a draft; its inspection begins. Asked again, it returns the data set as it is. A data set that
    could not be packed again after an upgrade is inspected once more."""
    body = await request.body()
    digests = parse_document(PartDigests, parse_json(body), strict=False).parts if body else None
    await services.folder_check.check()
    return json_response(await run_in_threadpool(services.uploads.complete, dataset_id, digests), status=202)


@router.get("/{dataset_id}", operation_id="get_dataset", response_model=DatasetListing,
            responses={304: {"description": "The data set has not changed."}, **problems(404, 503)})  # fmt: skip
async def get_dataset(
    dataset_id: DatasetId, services: ServicesDep, if_none_match: IfNoneMatch = None, prefer: Prefer = None
) -> Response:
    """Returns one data set, with its card once it is ready; of a name, the newest version that is ready, or was before
    an upgrade."""
    find = find_dataset(services, dataset_id)
    headers = {"Cache-Control": "no-cache"}
    listing = await run_in_threadpool(find)
    if seconds := parse_wait(prefer):
        await services.hub.wait_until_ready()
        headers["Preference-Applied"] = f"wait={seconds}"
        selection = Selection(runs=frozenset({listing.id}))
        known = if_none_match or etag_of(listing)
        listing = await wait_for_answer(
            services.hub, selection, find, is_new=lambda found: not etag_matches(known, etag_of(found)), seconds=seconds
        )
    headers["ETag"] = etag_of(listing)
    if etag_matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return json_response(listing, headers=headers)


def find_dataset(services: Services, reference: str) -> Callable[[], DatasetListing]:
    """Returns the function that looks a data set up. It raises DatasetNotFound."""

    def find() -> DatasetListing:
        # A built-in data set is shown while Redis is away too.
        if services.catalog.is_built_in(reference):
            return services.catalog.listing(reference)
        try:
            return services.uploads.find(reference)
        except UploadNotFound:
            return services.catalog.listing(reference)

    return find


def etag_of(listing: DatasetListing) -> str:
    """Returns a weak ETag of a data set."""
    return f'W/"{hashlib.blake2b(listing.model_dump_json().encode(), digest_size=12).hexdigest()}"'


@router.delete("/{dataset_id}", operation_id="delete_dataset", responses=problems(404, 409, 503))
def delete_dataset(dataset_id: DatasetId, services: ServicesDep) -> DeletedDataset:
    """Deletes an uploaded data set with its files; of a name, the version that `GET` shows. Runs that are not over must
    not need it."""
    try:
        deleted, freed = services.uploads.delete(dataset_id)
    except UploadNotFound:
        try:
            services.catalog.listing(dataset_id)
        except DatasetNotFound:
            raise UploadNotFound(dataset_id) from None
        raise DatasetNotUploaded(dataset_id) from None
    return DeletedDataset(id=deleted.id, name=deleted.name, version=deleted.version, bytes_freed=freed)


def refuse_address(document: object) -> None:
    """Raises InvalidRequest for a draft that has an address in another field than `source`."""
    named = [name for name in ADDRESS_FIELDS if isinstance(document, dict) and name in document]
    if named:
        message = (
            "the address of a file is the field `source`. It is fetched if BAKEHOUSE_DATASET_HOSTS lists its host; or "
            "else download the file, then upload it"
        )
        raise InvalidRequest(*(Problem(pointer=f"/{name}", code="not_fetched", message=message) for name in named))


def announced_bytes(request: Request) -> int:
    """Returns the size of the body that the client announces; 0 if it does not."""
    return int(request.headers.get("content-length", "0"))
