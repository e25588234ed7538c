"""The log of a run, and of many: pages and streams."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from starlette.concurrency import run_in_threadpool

from bakehouse.model import Model
from bakehouse.runs.run import Event
from service.dependencies import (
    CHANGE_ID,
    Accept,
    Labels,
    RunId,
    Services,
    ServicesDep,
    parse_labels,
    refuse_unknown_parameters,
)
from service.errors import ErrorDetail, InvalidRequest
from service.hub import Selection
from service.long_poll import MAX_WAIT_SECONDS, new_events
from service.openapi import event_stream, problems
from service.streams import EventStream, run_frames, shared_frames

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(refuse_unknown_parameters)])

After = Annotated[int, Query(ge=0, lt=2**53, description="Events beyond this number.")]
LastSeen = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, lt=2**53, description="Stands for `after`.")]
LastChange = Annotated[str | None, Header(alias="Last-Event-ID", pattern=CHANGE_ID, description="Stands for `after`.")]


class EventPage(Model):
    """Some events of a run, in order."""

    data: tuple[Event, ...]
    has_more: bool
    """Whether there are more by now."""
    last_seq: int
    """`after` of the next page."""


@router.get("/runs/{run_id}/events", operation_id="get_run_events", response_model=EventPage,
            responses={200: {"content": event_stream("Event"), "description": "A page, or a stream if asked for."},
                       204: {"description": "The stream is over and was read to its end."},
                       **problems(404, 422, 503)})  # fmt: skip
async def get_run_events(
    run_id: RunId,
    parts: ServicesDep,
    accept: Accept = "",
    last_seen: LastSeen = None,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    wait: Annotated[int, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for the next event.")] = 0,
) -> EventPage | Response:
    """With `Accept: text/event-stream` a stream from `after` (or `Last-Event-ID`) to the run's end; else a page."""
    if "text/event-stream" in accept.lower():
        return await stream(parts, run_id, after if last_seen is None else last_seen)
    await parts.hub.ready()
    events = await new_events(parts.hub, parts.store, run_id, after=after, limit=limit + 1, seconds=wait)
    shown = tuple(events[:limit])
    return EventPage(data=shown, has_more=len(events) > limit, last_seq=shown[-1].seq if shown else after)


async def stream(parts: Services, run_id: str, after: int) -> Response:
    """The run's stream, unless the reader has all of it and nothing more will come."""
    await parts.hub.ready()
    record = await run_in_threadpool(parts.store.record, run_id)
    if record.is_over and after >= record.seq:
        return Response(status_code=204)
    return EventStream(run_frames(parts.hub, parts.store, run_id, after))


@router.get("/events", operation_id="follow_runs", response_class=Response,
            responses={200: {"content": event_stream("RunEvent"), "description": "A stream without an end."},
                       **problems(404, 422, 503)})  # fmt: skip
async def follow_runs(
    parts: ServicesDep,
    run: Annotated[list[str], Query(max_length=100, description="Run ids.")] = [],  # noqa: B006
    label: Labels = [],  # noqa: B006
    last_change: LastChange = None,
    after: Annotated[str | None, Query(pattern=CHANGE_ID, description="An id of this stream.")] = None,
) -> EventStream:
    """What happens to these runs, or to runs with these labels, from `after` (or `Last-Event-ID`; else now) on.
    Ids are the change stream's: one resumes all runs."""
    if bool(run) == bool(label):
        raise InvalidRequest(ErrorDetail(parameter="run", code="missing", message="either run=... or label=key:value"))
    await parts.hub.ready()
    await run_in_threadpool(parts.store.ping)
    for run_id in run:
        await run_in_threadpool(parts.store.head, run_id)
    selection = Selection(runs=frozenset(run), labels=tuple(parse_labels(label).items()))
    return EventStream(shared_frames(parts.hub, selection, last_change or after))
