"""/v1/runs/{run_id}/events and /v1/events: the log of one run as pages or as a stream, and a stream of several runs."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BeforeValidator, Field
from starlette.concurrency import run_in_threadpool

from bakehouse.recipe.problems import Problem
from bakehouse.runs.keys import Keys
from bakehouse.runs.run import EventType
from service.dependencies import (
    CHANGE_ID,
    Accept,
    ExperimentId,
    Labels,
    RunId,
    Services,
    ServicesDep,
    parse_labels,
    refuse_unknown_parameters,
)
from service.errors import InvalidRequest
from service.event_pages import EventPage, PageQuery
from service.frames import SharedEventType
from service.hub import Selection
from service.long_poll import MAX_WAIT_SECONDS, wait_for_events
from service.openapi import event_stream, problems
from service.streams import EventStream, RunFollower, SelectionFollower

KEYS = Keys()
router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(refuse_unknown_parameters)])

LAST_EVENT_ID = (
    "The id of the last event that the client saw; unless it is empty, it overrides `after`. Browsers send it."
)
# JavaScript represents integers exactly only below 2^53.
After = Annotated[int, Query(ge=0, lt=2**53, description="Only events with a `seq` greater than this.")]
# Browsers send an empty id after a frame that sets an empty one; it means that there is no last event.
EmptyAsNone = BeforeValidator(lambda text: text or None)
LastSeq = Annotated[
    Annotated[int, Field(ge=0, lt=2**53)] | None,
    EmptyAsNone,
    Header(alias="Last-Event-ID", description=LAST_EVENT_ID),
]
LastChange = Annotated[
    Annotated[str, Field(pattern=CHANGE_ID)] | None,
    EmptyAsNone,
    Header(alias="Last-Event-ID", description=LAST_EVENT_ID),
]


@router.get("/runs/{run_id}/events", operation_id="get_run_events", response_model=EventPage,
            responses={200: {"content": event_stream("Event"), "description": "A page, or a stream if requested."},
                       204: {"description": "The run is over and the client has seen all its events."},
                       **problems(404, 422, 503)})  # fmt: skip
async def get_run_events(
    run_id: RunId,
    services: ServicesDep,
    accept: Accept = "",
    last_seq: LastSeq = None,
    after: After = 0,
    before: Annotated[int | None, Query(ge=1, lt=2**53, description="Only events with a `seq` less than this.")] = None,
    tail: Annotated[
        bool, Query(description="The last events instead of the first if there are more than `limit`, also in order.")
    ] = False,
    type: Annotated[list[EventType], Query(description="Only events of these types; by default all.")] = [],  # noqa: A002, B006
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    wait: Annotated[
        int, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for the next event if there is none yet.")
    ] = 0,
) -> EventPage | Response:
    """Returns a page of events: `tail=true` begins with the newest, and `before=FIRST_SEQ` goes on to older ones. With
    `Accept: text/event-stream`, returns a stream of all events after `after` (or `Last-Event-ID`) until the run is
    over."""
    if "text/event-stream" in accept.lower():
        return await stream_events(services, run_id, after if last_seq is None else last_seq)
    await services.hub.wait_until_ready()
    query = PageQuery(run_id, after=after, before=before, limit=limit, tail=tail, types=frozenset(type))
    return await wait_for_events(services.hub, services.store, query, seconds=wait)


async def stream_events(services: Services, run_id: str, after: int) -> Response:
    """Returns the stream, or 204 if no event will follow, which stops browsers from reconnecting."""
    await services.hub.wait_until_ready()
    head = await services.hub.head(run_id)
    if head.is_over and after >= head.seq:
        return Response(status_code=204)
    return EventStream(services.hub, RunFollower(services.hub, run_id, after))


@router.get("/events", operation_id="follow_runs", response_class=Response,
            responses={200: {"content": event_stream("RunEvent"), "description": "A stream that does not end."},
                       **problems(404, 422, 503)})  # fmt: skip
async def follow_runs(
    services: ServicesDep,
    run: Annotated[list[str], Query(max_length=200, description="Ids of runs.")] = [],  # noqa: B006
    dataset: Annotated[list[str], Query(max_length=200, description="Ids of uploaded data sets.")] = [],  # noqa: B006
    label: Labels = [],  # noqa: B006
    all: Annotated[bool, Query(description="Follow every run and every uploaded data set, also later ones.")] = False,  # noqa: A002 - the parameter's name
    type: Annotated[list[SharedEventType], Query(description="Only events of these types; by default all.")] = [],  # noqa: A002, B006
    last_change: LastChange = None,
    after: Annotated[
        str | None, Query(pattern=CHANGE_ID, description="Only events after this id of the stream.")
    ] = None,
) -> EventStream:
    """Streams the events of these runs and data sets, of all runs with these labels, or of every one, that come after
    `after` (or `Last-Event-ID`); by default only new ones. One id resumes the stream for all. Those of a data set are
    of type `dataset`, and have `dataset_id` in place of `run_id`."""
    if not run and not dataset and not label and not all:
        message = "pass run=ID, dataset=ID, label=key:value, or all=true"
        raise InvalidRequest(Problem(parameter="run", code="missing", message=message))
    await services.hub.wait_until_ready()
    # Errors must be found here: once the stream has begun, its status can no longer change.
    await asyncio.gather(services.hub.ping(), *map(services.hub.head, run))
    indexes = tuple(KEYS.filters({}, parse_labels(label)))
    for dataset_id in dataset:
        await run_in_threadpool(services.uploads.find, dataset_id)
    selection = Selection(runs=frozenset((*run, *dataset)), indexes=indexes, all=all, types=frozenset(type))
    return EventStream(services.hub, SelectionFollower(services.hub, selection, last_change or after))


@router.get("/experiments/{experiment_id}/events", operation_id="follow_experiment", response_class=Response,
            responses={200: {"content": event_stream("RunEvent"), "description": "A stream that does not end."},
                       **problems(404, 422, 503)})  # fmt: skip
async def follow_experiment(
    experiment_id: ExperimentId,
    services: ServicesDep,
    type: Annotated[list[SharedEventType], Query(description="Only events of these types; by default all.")] = [],  # noqa: A002, B006
    last_change: LastChange = None,
    after: Annotated[
        str | None, Query(pattern=CHANGE_ID, description="Only events after this id of the stream.")
    ] = None,
) -> EventStream:
    """Streams the events of all runs that an experiment has made or will make, after `after` (or `Last-Event-ID`); by
    default only new ones."""
    await services.hub.wait_until_ready()
    await run_in_threadpool(services.experiments.record, experiment_id)
    selection = Selection(indexes=(KEYS.filtered("experiment", experiment_id),), types=frozenset(type))
    return EventStream(services.hub, SelectionFollower(services.hub, selection, last_change or after))
