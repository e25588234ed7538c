"""Reads pages of a run's log, forwards or from its end."""

from dataclasses import dataclass

from bakehouse.model import Model
from bakehouse.runs.run import Event
from bakehouse.runs.store import Store
from bakehouse.runs.stream_entries import StoredEvent

EVENTS_PER_READ = 1000
# A page of rare types is not searched for in a whole log of any length; the client goes on from its end.
MAX_READS = 20


class EventPage(Model):
    """Some events of a run, in order."""

    data: tuple[Event, ...]
    """The events; with `type`, a page may have few or none although `has_more` is true."""
    has_more: bool
    """Whether the log already has more events: newer ones, or with `tail`, older ones."""
    first_seq: int
    """The `seq` to pass as `before` for the page of older events."""
    last_seq: int
    """The `seq` to pass as `after` for the page of newer events."""


@dataclass(frozen=True)
class PageQuery:
    """The events that a client asks for: of these types (all if empty), with numbers between `after` and `before`."""

    run_id: str
    after: int
    before: int | None
    limit: int
    tail: bool
    types: frozenset[str]

    def selects(self, event: StoredEvent) -> bool:
        """Returns whether the event has one of the types."""
        return not self.types or event.type in self.types


def read_page(store: Store, query: PageQuery) -> EventPage:
    """Returns the first events that are asked for, or with `tail` the last ones."""
    read, is_end = read_events(store, query)
    found = [event for event in read if query.selects(event)]
    is_cut = len(found) > query.limit
    if is_cut:
        found = found[-query.limit :] if query.tail else found[: query.limit]
    first = read[0].seq if read else query.after + 1
    last = read[-1].seq if read else query.after
    return EventPage(
        data=tuple(event.parse() for event in found),
        has_more=is_cut or not is_end,
        first_seq=found[0].seq if is_cut and query.tail else first,
        last_seq=found[-1].seq if is_cut and not query.tail else last,
    )


def read_events(store: Store, query: PageQuery) -> tuple[list[StoredEvent], bool]:
    """Reads until more events than asked for are found, also those of other types; returns whether these were all."""
    # One event more than asked for tells whether the log has more.
    size = max(EVENTS_PER_READ, query.limit + 1) if query.types else query.limit + 1
    after, before = query.after, query.before
    read: list[StoredEvent] = []
    for _ in range(MAX_READS):
        events = store.stored_events(query.run_id, after=after, before=before, limit=size, tail=query.tail)
        read = [*events, *read] if query.tail else [*read, *events]
        if len(events) < size:
            return read, True
        if sum(map(query.selects, read)) > query.limit:
            break
        if query.tail:
            before = read[0].seq
        else:
            after = read[-1].seq
    return read, False
