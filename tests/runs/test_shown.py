"""The JSON that is joined from the fields in Redis is the JSON of the model."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.runs import wire
from bakehouse.runs.async_store import AsyncStore, connect_async
from bakehouse.runs.errors import RecordUnreadable
from bakehouse.runs.keys import Keys
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Record, new_run
from bakehouse.runs.run import Best, Diagnostic, Failure, Page, Progress, Provenance, QueuePlace, Run, Transition
from bakehouse.runs.shown import NAMES, ShownPage, ShownRun, is_present, shown_run
from bakehouse.runs.status import TERMINAL, Status
from bakehouse.runs.store import Store, connect
from bakehouse.runs.transitions import submit
from tests.plan.cards import Document
from tests.runs.examples import ADVICE, PROVENANCE, a_run
from tests.strategies import documents

STORED_BY_OLD: dict[str, Any] = json.loads(Path(__file__).with_name("record_748f24f.json").read_text(encoding="utf-8"))
texts = st.text(max_size=6)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**53)
maps = st.dictionaries(texts, st.none() | numbers, max_size=3)
statuses: st.SearchStrategy[Status] = st.sampled_from(["queued", "running", "paused", "succeeded", "failed"])
fields = st.fixed_dictionaries(
    {},
    optional={
        "name": st.none() | texts,
        "labels": st.dictionaries(texts, texts, max_size=3),
        "status": statuses,
        "progress": st.builds(Progress, epochs=counts, steps=counts, samples_per_second=st.none() | numbers),
        "best": st.builds(Best, epoch=counts, monitor=texts, value=numbers),
        "metrics": maps,
        "diagnostics": st.dictionaries(
            texts,
            st.builds(Diagnostic, epoch=counts, step=counts, values=st.dictionaries(texts, st.lists(numbers) | texts)),
            max_size=2,
        ),
        "failure": st.builds(Failure, code=st.just("internal"), message=texts, retryable=st.booleans()),
        "provenance": st.none() | st.builds(Provenance, **dict.fromkeys(("weights_sha256", "device"), texts),
                                            versions=st.dictionaries(texts, texts, max_size=2), device_seconds=numbers,
                                            recipe_sha256=texts, dataset_fingerprint=texts, threads=counts,
                                            seed=counts, exact=st.booleans(), peak_memory_bytes=counts),
        "transitions": st.lists(
            st.builds(Transition, time=texts, status=statuses, actor=st.just("worker"), reason=st.just("resumed"))
        ).map(tuple),
        "seconds": st.floats(0, 1e9),
        "depends_on": st.lists(texts).map(tuple),
    },
)  # fmt: skip
places = st.none() | st.builds(QueuePlace, position=counts, reason=texts)


def stored(record: Record) -> dict[str, str]:
    """The fields as Redis returns them, with those that the script adds."""
    own = {**wire.encode(None, record), "token": '"abc"', "by_service": '"abc"', "seq": "3", "order": "5"}
    return dict(wire.decoded({name.encode(): value.encode() for name, value in own.items()}))


def join(record_fields: Mapping[str, str], place: QueuePlace | None = None) -> ShownRun:
    """The run as joined; it must not have to be migrated."""
    assert is_present(record_fields)
    return shown_run(record_fields, place)


def expected(record_fields: Mapping[str, str], place: QueuePlace | None = None) -> Any:
    """The JSON of the model, which is validated in full."""
    run = wire.decode(record_fields).public(place)
    return json.loads(Run.model_validate(dict(run)).model_dump_json())


@given(documents(), fields, places)
@settings(max_examples=200)
def test_joined_json_is_the_json_of_the_model(
    recipe: Document, drawn: dict[str, Any], place: QueuePlace | None
) -> None:
    try:
        run = new_run(read_recipe(recipe), advice=(ADVICE,), steps=80)
    except RecipeInvalid:
        assume(False)
        raise
    record = submit(run, idempotency="digest", now=0)[0].model_copy(update=drawn)
    shown = join(stored(record), place)
    document = json.loads(shown.json)
    assert document == expected(stored(record), place)
    assert list(document) == list(Run.model_fields)
    assert shown.run() == record.public(place)
    assert (shown.id, shown.is_over) == (record.id, record.status in TERMINAL)


def without_format(record_fields: dict[str, str]) -> dict[str, str]:
    """A record of this version as one that does not note its format would have written it."""
    return {name: value for name, value in record_fields.items() if name not in {"format", "restarted"}}


def with_an_old_name(record_fields: dict[str, str]) -> dict[str, str]:
    """A record of this version that a worker of version 0.1.0 has ended."""
    return {**record_fields, "receipt": wire.to_json(PROVENANCE.model_dump(mode="json"))}


@pytest.mark.parametrize(
    "old",
    [
        {name: json.dumps(value) for name, value in STORED_BY_OLD.items()},
        without_format(stored(submit(a_run(), idempotency=None, now=0)[0])),
        with_an_old_name(stored(submit(a_run(), idempotency=None, now=0)[0])),
    ],
)
def test_a_record_of_another_version_is_migrated_first(old: dict[str, str], redis_url: str) -> None:
    with connect(redis_url, patient=False) as redis:
        redis.hset(Keys().run("run_old"), mapping=dict(old))
        redis.zadd(Keys().runs(), {"run_old": 1})
        store = Store(redis)
        shown = store._carry_out(store._operations.reads.show("run_old"))
        (listed,) = store._carry_out(store._operations.reads.page()).runs
    assert not is_present(old)
    assert json.loads(shown.json) == json.loads(listed.json) == expected(old)


def test_a_record_with_a_missing_field_is_not_joined() -> None:
    fields = stored(submit(a_run(), idempotency=None, now=0)[0])
    for name in NAMES:
        assert not is_present({each: value for each, value in fields.items() if each != name})


def test_a_page_is_the_json_of_its_model() -> None:
    shown = [join(stored(submit(a_run(), idempotency=None, now=0)[0])) for _ in range(3)]
    for runs in ([], shown):
        page = Page.model_validate_json(ShownPage(runs, has_more=True).json)
        assert [run.id for run in page.data] == [run.id for run in runs]
        assert (page.has_more, page.first_id) == (True, runs[0].id if runs else None)


def test_text_that_is_not_utf_8_makes_only_its_own_run_unreadable(redis_url: str) -> None:
    with connect(redis_url, patient=False) as redis:
        store = Store(redis)
        broken, sound = store.create(a_run()).run.id, store.create(a_run()).run.id
        redis.hset(Keys().run(broken), "name", b'"\xff"')
        wake_queue = WakeQueue(redis)

    async def show() -> tuple[list[ShownRun | BaseException], ShownPage]:
        async with connect_async(redis_url) as client:
            asynchronous = AsyncStore(client, wake_queue)
            both = [asynchronous.get(broken), asynchronous.get(sound)]
            return await asyncio.gather(*both, return_exceptions=True), await asynchronous.page()

    shown, page = asyncio.run(show())
    assert isinstance(shown[0], RecordUnreadable)
    assert isinstance(shown[1], ShownRun)
    assert [run.id for run in page.runs] == [sound]
