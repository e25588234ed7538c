"""The store on a real Redis."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import ConnectionPool, Redis, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisAway
from redis.retry import Retry

from bakehouse.runs import reads
from bakehouse.runs.commands import (
    Cancel,
    Claim,
    Command,
    EpochEntry,
    LogEntry,
    LogEvents,
    OwnerLost,
    Pause,
    PurgeReplaced,
    Release,
    Rename,
    Renew,
    RequestAction,
    Resume,
    StepEntry,
    Succeed,
)  # fmt: skip
from bakehouse.runs.errors import (
    CursorNotFound,
    IdempotencyMismatch,
    IllegalTransition,
    OwnershipLost,
    RecordUnreadable,
    RunNotFound,
    RunsError,
)  # fmt: skip
from bakehouse.runs.keys import Keys
from bakehouse.runs.record import Idempotency, Record
from bakehouse.runs.run import Page
from bakehouse.runs.store import Store, connect
from bakehouse.runs.transitions import KEEP_REPLACED_MS
from tests.runs.examples import ADVICE, PROVENANCE, a_checkpoint, a_run, a_worker, an_owner, changes_after

KEYS = Keys()


def submitted(store: Store, **fields: Any) -> str:
    return store.create(a_run(**fields)).run.id


def claimed(store: Store, nonce: str = "first") -> Record:
    record = store.claim(an_owner(nonce))
    assert record is not None
    return record


def finished(store: Store, run_id: str) -> None:
    store.command(run_id, RequestAction("cancel"))


def log_of(store: Store, run_id: str) -> list[tuple[str, int, dict[str, Any]]]:
    return [(event.type, event.attempt, event.data) for event in store.events(run_id)]


# Creation


def test_a_created_run_is_queued_indexed_and_announced_at_once(store: Store) -> None:
    run = store.create(a_run(advice=(ADVICE,), labels={"study": "shift"})).run
    assert store.get(run.id) == run
    assert run.queue is not None
    assert (run.status, run.queue.position) == ("queued", 1)
    assert [event.type for event in store.events(run.id)] == ["state", "advice"]
    assert changes_after(store) == [(run.id, 1), (run.id, 2)]
    assert store.waiting() == [run.id]


def test_the_same_key_and_body_make_one_run(store: Store) -> None:
    first = store.create(a_run(), idempotency=Idempotency("key", "body"))
    again = store.create(a_run(), idempotency=Idempotency("key", "body"))
    assert (first.replayed, again.replayed) == (False, True)
    assert again.run == first.run
    assert store.claimable_count() == 1


def test_the_same_key_with_another_body_is_refused(store: Store) -> None:
    store.create(a_run(), idempotency=Idempotency("key", "body"))
    with pytest.raises(IdempotencyMismatch):
        store.create(a_run(), idempotency=Idempotency("key", "other"))
    assert store.claimable_count() == 1


def test_an_idempotency_key_is_kept_for_a_day(store: Store, redis: Redis) -> None:
    store.create(a_run(), idempotency=Idempotency("key", "body"))
    (key,) = redis.keys("*:idempotency:*")
    assert 86_000_000 < redis.pttl(key) <= 86_400_000


def test_two_posts_of_one_key_at_once_make_one_run(redis_url: str) -> None:
    def post(_: int) -> str:
        with connect(redis_url, patient=False) as client:
            return Store(client).create(a_run(), idempotency=Idempotency("key", "body")).run.id

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(post, range(12)))) == 1


def test_an_unknown_run_is_not_found(store: Store) -> None:
    for call in (store.get, store.record, store.events, store.head, store.delete):
        with pytest.raises(RunNotFound):
            call("run_nowhere")
    with pytest.raises(RunNotFound):
        store.command("run_nowhere", RequestAction("cancel"))


def test_runs_stay_in_order_when_the_clock_was_set_back(store: Store, redis: Redis) -> None:
    an_hour_ahead = (store.now() + 3_600_000) * 1000
    redis.zadd(KEYS.runs(), {"run_before": an_hour_ahead})
    first, second = submitted(store), submitted(store)
    assert store.waiting() == [first, second]
    assert redis.zrange(KEYS.runs(), 0, -1) == [b"run_before", first.encode(), second.encode()]


# Claims


def test_a_run_that_another_version_wrote_blocks_no_other_run(redis: Redis, store: Store) -> None:
    newer, ours = submitted(store), submitted(store)
    redis.hset(KEYS.run(newer), "recipe", json.dumps({"norm": {"type": "norm_of_tomorrow"}}))
    assert claimed(store).id == ours
    assert [run.id for run in store.page().data] == [ours]
    with pytest.raises(RecordUnreadable, match=newer):
        store.get(newer)


@pytest.mark.parametrize("value", ["{", '"\x00"', b"\xff"])
@pytest.mark.parametrize("field", ["id", "recipe"])
def test_a_damaged_record_does_not_stop_the_runs_behind_it(
    store: Store, redis: Redis, field: str, value: str | bytes
) -> None:
    damaged, ours = (store.create(a_run()).run.id for _ in range(2))
    redis.hset(KEYS.run(damaged), field, value)
    assert claimed(store).id == ours


def test_a_run_that_cannot_be_read_or_judged_does_not_stop_the_runs_behind_it(store: Store, redis: Redis) -> None:
    wrong_type, misjudged, ours = (store.create(a_run()).run.id for _ in range(3))
    redis.delete(KEYS.run(wrong_type))
    redis.set(KEYS.run(wrong_type), "text")
    judgements = {ours: True}
    record = store.claim(an_owner(), fits=lambda record: judgements[record.id])
    assert record is not None
    assert record.id == ours
    assert store.record(misjudged).status == "queued"


def test_the_clock_of_redis_is_read_again_after_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    right = store.time_ms()
    store._operations.reads.clock._offset_ms += 3_600_000
    assert store.now() > right + 3_000_000
    monkeypatch.setattr("bakehouse.runs.clock.TRUSTED_MS", -1)
    assert abs(store.now() - right) < 60_000


def test_each_run_is_claimed_once_whoever_is_there(redis_url: str, store: Store) -> None:
    ids = {submitted(store) for _ in range(12)}

    def claim_all(worker: int) -> list[str]:
        with connect(redis_url, patient=False) as client:
            mine = Store(client)
            nonces = (f"{worker}-{number}" for number in range(100))
            return [record.id for record in iter(lambda: mine.claim(an_owner(next(nonces))), None)]

    with ThreadPoolExecutor(4) as threads:
        taken = [run_id for claims in threads.map(claim_all, range(4)) for run_id in claims]
    assert sorted(taken) == sorted(ids)
    assert {store.record(run_id).attempt for run_id in ids} == {1}


def test_recovered_runs_come_first_then_the_oldest(store: Store) -> None:
    first, second, third = (submitted(store) for _ in range(3))
    assert store.waiting() == [first, second, third]
    record = store.command(second, Claim(an_owner(), 10_000))
    store.commit(record, Release("first"))
    assert store.waiting() == [second, first, third]
    assert store.waiting(1) == [second]


def test_a_resumed_run_waits_at_its_old_position(store: Store) -> None:
    first, second = (submitted(store) for _ in range(2))
    store.command(first, RequestAction("pause"))
    assert store.waiting() == [second]
    store.command(first, Resume())
    assert store.waiting() == [first, second]


def test_a_worker_takes_only_what_fits(store: Store) -> None:
    submitted(store)
    wanted = submitted(store, dataset="wine")
    record = store.claim(an_owner(), fits=lambda record: record.recipe.dataset.id == "wine")
    assert record is not None
    assert record.id == wanted
    assert store.claim(an_owner("second"), fits=lambda record: False) is None


def test_a_queued_run_shows_its_position_and_why_it_waits(store: Store) -> None:
    submitted(store)
    run_id = submitted(store)
    store.put_worker(a_worker("w1"), ttl=60)
    place = store.get(run_id).queue
    assert place is not None
    assert (place.position, place.reason) == (2, "waits for a free worker, 1 ahead")
    claimed(store)
    store.command(run_id, Claim(an_owner("second"), 10_000))
    assert store.get(run_id).queue is None


# Writing


def test_an_owner_learns_of_a_request_by_its_next_write(store: Store) -> None:
    run_id = submitted(store)
    record = claimed(store)
    store.command(run_id, RequestAction("stop"))
    assert store.commit(record, Renew("first")).request == "stop"


def test_a_replaced_owner_changes_nothing(store: Store) -> None:
    run_id = submitted(store)
    stale = claimed(store)
    store.command(run_id, OwnerLost("worker", "first"))
    claimed(store, "second")
    before = store.record(run_id)
    for command in (
        Renew("first"),
        LogEvents("first", (StepEntry(1, {}),)),
        Succeed("first", "epochs_done", PROVENANCE),
    ):
        with pytest.raises(OwnershipLost):
            store.commit(stale, command)
    assert store.record(run_id) == before


def test_an_owner_writes_nothing_after_what_redis_has_lost(store: Store, redis: Redis) -> None:
    submitted(store)
    record = claimed(store)
    kept = {key: redis.dump(key) for key in (KEYS.run(record.id), KEYS.log(record.id))}
    record = store.commit(record, LogEvents("first", (StepEntry(1, {"train_loss": 1.0}),)))
    for key, value in kept.items():
        assert value is not None
        redis.restore(key, 0, value, replace=True)
    for command in (LogEvents("first", (StepEntry(2, {"train_loss": 1.0}),)), Renew("first"), Release("first")):
        with pytest.raises(OwnershipLost):
            store.commit(record, command)
    assert store.record(record.id).logged_step == 0
    store.command(record.id, OwnerLost(nonce="first"))
    assert claimed(store, "second").attempt == 2


def test_an_owner_whose_run_redis_has_lost_owns_nothing(store: Store, redis: Redis) -> None:
    submitted(store)
    record = claimed(store)
    redis.flushall()
    with pytest.raises(OwnershipLost):
        store.commit(record, Renew("first"))


def test_concurrent_writers_leave_no_gap_and_lose_nothing(redis_url: str, store: Store) -> None:
    run_id = submitted(store)

    def train() -> None:
        with connect(redis_url, patient=True) as client:
            mine = Store(client)
            record = mine.command(run_id, Claim(an_owner(), 10_000))
            for step in range(1, 41):
                record = mine.commit(record, LogEvents("first", (StepEntry(step, {"train_loss": 0.5}),)))

    def rename_often(name: str) -> None:
        with connect(redis_url, patient=False) as client:
            mine = Store(client)
            for number in range(20):
                mine.command(run_id, Rename(f"{name}-{number}", {name: str(number)}))

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(train), threads.submit(rename_often, "a"), threads.submit(rename_often, "b")]:
            done.result()
    events = store.events(run_id)
    assert [event.seq for event in events] == list(range(1, store.head(run_id) + 1))
    assert [event.data["step"] for event in events if event.type == "step"] == list(range(1, 41))


def test_runs_with_an_owner_are_listed(store: Store) -> None:
    run_id = submitted(store)
    record = claimed(store)
    assert record.lease_until is not None
    assert [record.id for record in store.owned()] == [run_id]
    store.commit(record, Release("first"))
    assert list(store.owned()) == []


def test_replaced_checkpoints_are_listed_when_they_may_go(store: Store) -> None:
    run_id = submitted(store)
    record = store.commit(store.commit(claimed(store), a_checkpoint(1)), a_checkpoint(2))
    assert store.purgeable(store.now()) == []
    assert store.purgeable(record.replaced_ms[1] + KEEP_REPLACED_MS) == [run_id]


class Lossy(UnixDomainSocketConnection):
    """Loses the reply of one call of the script: Redis has carried it out and the client does not know."""

    calls_until_loss = -1
    lost = 0

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        packed = command if isinstance(command, bytes) else b"".join(command)
        self.is_script = b"EVALSHA" in packed
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        response = super().read_response(*arguments, **options)
        if self.is_script and not isinstance(response, Exception):
            self.is_script = False
            Lossy.calls_until_loss -= 1
            if Lossy.calls_until_loss == -1:
                Lossy.lost += 1
                raise RedisAway("the reply is lost")
        return response


LIFE: tuple[Command, ...] = (
    Claim(an_owner(), 10_000),
    LogEvents("first", (StepEntry(1, {"train_loss": 0.5}), EpochEntry(1, 1, {}), LogEntry("note", "Text."))),
    a_checkpoint(1),
    RequestAction("pause"),
    Pause("first"),
    Resume(),
    Claim(an_owner("second"), 10_000),
    Release("second"),
    Claim(an_owner("third"), 10_000),
    Succeed("third", "epochs_done", PROVENANCE),
)


def live(store: Store) -> list[tuple[str, int, dict[str, Any]]]:
    run = store.create(a_run(), idempotency=Idempotency("key", "body")).run
    for command in LIFE:
        store.command(run.id, command)
    return log_of(store, run.id)


@pytest.mark.parametrize("call", range(len(LIFE) + 1))
def test_a_lost_reply_has_no_second_effect(redis_url: str, store: Store, redis: Redis, call: int) -> None:
    expected = live(store)
    redis.flushdb()
    # Loaded, so that the one EVALSHA of each write is the one that counts.
    path = redis_url.removeprefix("unix://")
    retry = Retry(NoBackoff(), retries=2)
    Lossy.calls_until_loss, Lossy.lost = call, 0
    pool = ConnectionPool(connection_class=Lossy, path=path, retry=retry)
    with Redis(connection_pool=pool) as lossy:
        assert live(Store(lossy)) == expected
    pool.disconnect()
    assert Lossy.lost == 1


# The store does what the reducer says

commands: st.SearchStrategy[Command] = st.sampled_from(
    [
        Claim(an_owner(), 10_000), Claim(an_owner("second"), 10_000), Renew("first"), Release("first"),
        OwnerLost(nonce="second"),
        LogEvents("first", (StepEntry(3, {"loss": float("nan")}),)), a_checkpoint(1), a_checkpoint(2),
        RequestAction("pause"), RequestAction("stop"), RequestAction("cancel"), Pause("first"), Cancel("first"),
        Resume(), Rename("b", {"ü:=": "y"}), PurgeReplaced(),
        Succeed("second", "early_stopped", PROVENANCE),
    ]
)  # fmt: skip


@given(st.lists(commands, max_size=25))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_record_indexes_and_log_agree_after_any_commands(redis: Redis, store: Store, sequence: list[Command]) -> None:
    redis.flushdb()
    run_id = submitted(store, labels={"study": "shift"})
    record = store.record(run_id)
    for command in sequence:
        try:
            record = store.commit(record, command)
        except RunsError:
            continue
        assert record == store.record(run_id)
    indexes = {key.decode() for key in redis.scan_iter() if redis.type(key) == b"zset"}
    assert indexes == KEYS.indexes(record).keys()
    events = store.events(run_id)
    assert [event.seq for event in events] == list(range(1, record.seq + 1))
    assert changes_after(store) == [(run_id, seq) for seq in range(1, record.seq + 1)]
    assert ([event.type for event in events].count("end") == 1) == record.is_over


# Pages


def ids(page: Page) -> list[str]:
    return [run.id for run in page.data]


@pytest.mark.parametrize("chunk", [1, 2, 200])
def test_pages_walk_all_runs_in_both_directions(store: Store, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(reads, "CHUNK", chunk)
    newest_first = [submitted(store) for _ in range(5)][::-1]
    first = store.page(limit=2)
    second = store.page(limit=2, after=first.last_id)
    third = store.page(limit=2, after=second.last_id)
    assert ids(first) + ids(second) + ids(third) == newest_first
    assert [page.has_more for page in (first, second, third)] == [True, True, False]
    back = store.page(limit=2, before=third.first_id)
    assert ids(back) == ids(second)
    assert back.has_more
    assert ids(store.page(limit=2, before=second.first_id)) == ids(first)
    assert not store.page(limit=2, before=second.first_id).has_more


@pytest.mark.parametrize("chunk", [1, 200])
def test_filters_combine(store: Store, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(reads, "CHUNK", chunk)
    both = submitted(store, dataset="wine", labels={"study": "shift", "who": "ann"})
    label = submitted(store, labels={"study": "shift"})
    wine = submitted(store, dataset="wine")
    finished(store, wine)
    assert ids(store.page(labels={"study": "shift"})) == [label, both]
    assert ids(store.page(labels={"study": "shift", "who": "ann"})) == [both]
    assert ids(store.page(dataset="wine")) == [wine, both]
    assert ids(store.page(dataset="wine", status="queued")) == [both]
    assert ids(store.page(dataset="wine", labels={"study": "shift"}, after=wine)) == [both]
    assert ids(store.page(architecture="mlp", limit=3)) == [wine, label, both]
    assert ids(store.page(recipe_sha256=store.get(wine).recipe_sha256)) == [wine, both]
    assert ids(store.page(dataset="iris", status="queued")) == []
    assert store.page(dataset="iris").first_id is None


def test_a_renamed_run_is_found_by_its_new_labels_alone(store: Store) -> None:
    run_id = submitted(store, labels={"study": "old"})
    store.command(run_id, Rename(None, {"study": "new", "gone": None}))
    assert ids(store.page(labels={"study": "old"})) == []
    assert ids(store.page(labels={"study": "new"})) == [run_id]


def test_an_unknown_cursor_is_refused(store: Store) -> None:
    with pytest.raises(CursorNotFound):
        store.page(after="run_nowhere")


# Logs


def test_events_are_read_from_any_number_on(store: Store) -> None:
    run_id = submitted(store)
    record = claimed(store)
    store.commit(record, LogEvents("first", tuple(StepEntry(step, {}) for step in range(1, 11))))
    assert [event.seq for event in store.events(run_id, after=5, limit=3)] == [6, 7, 8]
    assert store.events(run_id, after=store.head(run_id)) == []


# Deletion


def test_deletion_clears_every_key(store: Store, redis: Redis) -> None:
    run = store.create(a_run(labels={"study": "shift"}), idempotency=Idempotency("key", "body")).run
    record = claimed(store)
    store.commit(store.commit(store.commit(record, a_checkpoint(1)), a_checkpoint(2)), Release("first"))
    store.command(run.id, Rename("b", {"other": "label"}))
    finished(store, run.id)
    store.delete(run.id)
    assert redis.keys() == [KEYS.changes().encode()]
    with pytest.raises(RunNotFound):
        store.delete(run.id)


def test_only_a_run_that_is_over_is_deleted(store: Store) -> None:
    run_id = submitted(store)
    with pytest.raises(IllegalTransition):
        store.delete(run_id)
    assert store.get(run_id).id == run_id


# Workers and Redis itself


def test_each_worker_is_listed_with_its_last_status(store: Store) -> None:
    store.put_worker(a_worker("w2"), ttl=60)
    store.put_worker(a_worker("w1"), ttl=60)
    store.put_worker(a_worker("w1").model_copy(update={"status": "busy"}), ttl=60)
    assert [(worker.name, worker.status) for worker in store.workers()] == [("w1", "busy"), ("w2", "idle")]


def test_a_worker_whose_status_expired_is_not_listed(store: Store, redis: Redis) -> None:
    store.put_worker(a_worker("w1"), ttl=60)
    redis.delete(KEYS.worker("w1"))
    redis.zadd(KEYS.workers(), {"w1": 1})
    store.put_worker(a_worker("w2"), ttl=60)
    assert [worker.name for worker in store.workers()] == ["w2"]
    assert redis.zcard(KEYS.workers()) == 1


def test_tenants_see_nothing_of_each_other(redis: Redis, store: Store) -> None:
    submitted(store)
    other = Store(redis, tenant="other")
    assert ids(other.page()) == []
    assert other.claim(an_owner()) is None


def test_settings_with_which_redis_could_lose_runs_are_named(store: Store, redis: Redis) -> None:
    assert store.check_durability() == []
    redis.config_set("appendfsync", "everysec")
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert [problem.split()[2] for problem in store.check_durability()] == ["appendfsync", "maxmemory-policy"]
    finally:
        redis.config_set("appendfsync", "always")
        redis.config_set("maxmemory-policy", "noeviction")


def test_an_unreachable_redis_is_an_error_for_an_impatient_client(tmp_path: Path) -> None:
    with connect(f"unix://{tmp_path}/missing.sock", patient=False) as client, pytest.raises(RedisAway):
        Store(client).ping()


def test_a_patient_client_waits_until_redis_is_there(redis_url: str, tmp_path: Path) -> None:
    late = tmp_path / "late.sock"
    with connect(f"unix://{late}", patient=True) as client, ThreadPoolExecutor(1) as threads:
        created = threads.submit(lambda: Store(client).create(a_run()))
        late.symlink_to(redis_url.removeprefix("unix://"))
        assert created.result().run.status == "queued"


def test_a_client_may_decode(redis_url: str) -> None:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        store = Store(client)
        run_id = submitted(store, labels={"study": "shift"})
        claimed(store)
        assert log_of(store, run_id)[0][0] == "state"
        assert ids(store.page(labels={"study": "shift"})) == [run_id]
