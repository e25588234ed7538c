"""The order in which waiting runs are claimed: by priority, then by turns between experiments, then by age."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from bakehouse.runs import wire, writes
from bakehouse.runs.commands import ChangePriority, Claim, OwnerLost, Release, RequestAction, Resume, Succeed
from bakehouse.runs.errors import ExperimentChanged, IllegalTransition
from bakehouse.runs.keys import Keys
from bakehouse.runs.record import Record
from bakehouse.runs.run import Cell
from bakehouse.runs.store import Store, connect
from tests.runs.examples import PROVENANCE, a_run, a_worker, an_owner

KEYS = Keys()
NONCES = count()


def posted(store: Store, experiment: str | None = None, *, priority: int = 0) -> str:
    cell = Cell(id=experiment, arm="recipe", seed=0) if experiment else None
    if experiment:
        # A run cannot join an experiment that does not exist.
        with suppress(ExperimentChanged):
            experiment_with_runs(store, experiment, 0)
    return store.create(a_run().model_copy(update={"experiment": cell, "priority": priority})).run.id


def experiment_with_runs(store: Store, experiment: str, runs: int, **fields: str) -> list[str]:
    cell = Cell(id=experiment, arm="recipe", seed=0)
    new = [a_run().model_copy(update={"experiment": cell}) for _ in range(runs)]
    write = writes.experiment_write(KEYS, experiment, fields, add=[KEYS.experiments()])
    store.create_many([(run, {}) for run in new], experiment=write)
    return [run.id for run in new]


def claimed(store: Store) -> Record | None:
    return store.claim(an_owner(f"owner {next(NONCES)}"))


def claimed_ids(store: Store, number: int) -> list[str]:
    records = [claimed(store) for _ in range(number)]
    return [record.id for record in records if record]


def finish(store: Store, record: Record) -> None:
    assert record.owner is not None
    store.commit(record, Succeed(record.owner.nonce, "epochs_done", PROVENANCE))


def place(store: Store, run_id: str) -> tuple[int, str]:
    found = store.get(run_id).queue
    assert found is not None
    assert store.places([run_id]) == [found]
    return found.position, found.reason


# Turns


def test_two_experiments_take_turns_and_each_starts_its_oldest_run_first(store: Store) -> None:
    first = experiment_with_runs(store, "exp_a", 50)
    second = experiment_with_runs(store, "exp_b", 50)
    expected = [run_id for pair in zip(first, second, strict=True) for run_id in pair]
    assert store.waiting(200) == expected
    assert claimed_ids(store, 101) == expected


def test_an_experiment_that_comes_later_takes_turns_from_then_on(store: Store) -> None:
    first = experiment_with_runs(store, "exp_a", 6)
    assert claimed_ids(store, 3) == first[:3]
    second = experiment_with_runs(store, "exp_b", 3)
    assert claimed_ids(store, 6) == [first[3], second[0], first[4], second[1], first[5], second[2]]


def test_a_run_that_is_posted_alone_waits_for_one_of_a_thousand(store: Store) -> None:
    experiment = experiment_with_runs(store, "exp_a", 1000)
    alone = [posted(store) for _ in range(2)]
    assert claimed_ids(store, 4) == [experiment[0], alone[0], experiment[1], alone[1]]
    later = posted(store)
    assert claimed_ids(store, 2) == [experiment[2], later]


def test_whoever_posts_again_after_each_claim_gets_no_second_turn(store: Store) -> None:
    experiment = experiment_with_runs(store, "exp_a", 3)
    order = []
    for _ in range(3):
        alone = posted(store)
        order += [alone if run_id == alone else run_id in experiment for run_id in claimed_ids(store, 2)]
        assert order[-2:] == [True, alone]


def test_a_cancelled_run_leaves_no_gap(store: Store) -> None:
    first, second = experiment_with_runs(store, "exp_a", 6), experiment_with_runs(store, "exp_b", 3)
    for run_id in (first[0], first[2], first[3]):
        store.command(run_id, RequestAction("cancel"))
    assert store.waiting() == [first[1], second[0], first[4], second[1], first[5], second[2]]


def test_a_resumed_run_has_its_old_place(store: Store) -> None:
    experiment = experiment_with_runs(store, "exp_a", 3)
    alone = [posted(store) for _ in range(3)]
    before = store.waiting()
    for run_id in (experiment[1], alone[0]):
        store.command(run_id, RequestAction("pause"))
    assert store.waiting() == [experiment[0], alone[1], experiment[2], alone[2]]
    for run_id in (experiment[1], alone[0]):
        store.command(run_id, Resume())
    assert store.waiting() == before


def test_a_paused_experiment_saves_up_no_turns(store: Store, redis: Redis) -> None:
    first, second = experiment_with_runs(store, "exp_a", 9), experiment_with_runs(store, "exp_b", 9)
    redis.hset(KEYS.experiment("exp_a"), "request", '"pause"')
    assert claimed_ids(store, 5) == second[:5]
    redis.hset(KEYS.experiment("exp_a"), "request", "null")
    assert claimed_ids(store, 6) == [first[0], second[5], first[1], second[6], first[2], second[7]]


def test_nothing_is_left_when_nothing_waits(store: Store, redis: Redis) -> None:
    experiment_with_runs(store, "exp_a", 2)
    posted(store)
    assert redis.hlen(KEYS.waiting_experiments()) == 1
    for run_id in store.waiting():
        store.command(run_id, RequestAction("cancel"))
        store.delete(run_id)
    assert {*wire.texts(redis.keys())} == {KEYS.changes(), KEYS.experiment("exp_a"), KEYS.experiments()}


# Priority


def test_runs_of_higher_priority_come_first_and_take_turns_among_themselves(store: Store) -> None:
    low, normal = posted(store, priority=-1000), posted(store)
    first, second = posted(store, "exp_a", priority=1000), posted(store, "exp_a", priority=1000)
    other = posted(store, "exp_b", priority=1000)
    assert store.waiting() == [first, other, second, normal, low]
    assert claimed_ids(store, 6) == [first, other, second, normal, low]


def test_a_waiting_run_gets_another_priority_and_its_place_by_age_there(store: Store) -> None:
    first, second, third = (posted(store) for _ in range(3))
    urgent = posted(store, priority=5)
    assert store.command(second, ChangePriority(5)).priority == 5
    assert store.waiting() == [second, urgent, first, third]
    store.command(second, ChangePriority(0))
    assert store.waiting() == [urgent, first, second, third]


def test_all_runs_of_an_experiment_get_another_priority_in_one_write_whose_commands_do_not_grow_as_their_square(
    store: Store, redis: Redis
) -> None:
    other = experiment_with_runs(store, "exp_b", 3)
    calls = []
    for number, experiment in ((100, "exp_a"), (200, "exp_c")):
        runs = experiment_with_runs(store, experiment, number)
        redis.config_resetstat()
        store.command_all(runs, ChangePriority(2))
        stats = redis.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] == 1
        calls.append(stats["cmdstat_zadd"]["calls"])
        assert store.waiting(1000)[-3:] == other
        assert claimed_ids(store, number) == runs
    assert calls[1] <= 2 * calls[0]


def test_a_run_that_changes_meanwhile_gets_the_priority_too_and_one_that_ends_keeps_its_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = experiment_with_runs(store, "exp_a", 4)
    write = store._operations._write
    writes = []

    def write_after_others(*arguments: Any, **options: Any) -> Any:
        writes.append(len(arguments[0]))
        if len(writes) == 1:
            store.command(runs[1], RequestAction("cancel"))
            store.command(runs[2], RequestAction("pause"))
        return write(*arguments, **options)

    monkeypatch.setattr(store._operations, "_write", write_after_others)
    store.command_all([*runs, "run_222222222222"], ChangePriority(2))
    # The first write has all runs, those of the two commands have one, and the last one what is left.
    assert writes == [4, 1, 1, 1]
    assert [store.record(run_id).priority for run_id in runs] == [2, 0, 2, 2]
    assert store.waiting() == [runs[0], runs[3]]


def test_a_paused_run_keeps_its_new_priority_and_a_run_that_left_the_queue_refuses_one(store: Store) -> None:
    first, second = posted(store), posted(store)
    store.command(second, RequestAction("pause"))
    store.command(second, ChangePriority(1))
    store.command(second, Resume())
    assert store.waiting() == [second, first]
    record = claimed(store)
    assert record is not None
    assert store.command(second, ChangePriority(1)) == record
    with pytest.raises(IllegalTransition, match="is running"):
        store.command(second, ChangePriority(2))
    assert store.command(second, ChangePriority(2, even_if_running=True)).priority == 2
    finish(store, store.record(second))
    with pytest.raises(IllegalTransition, match="is succeeded"):
        store.command(second, ChangePriority(3, even_if_running=True))


def test_recovered_runs_are_ahead_of_the_others_of_their_priority_by_age(store: Store) -> None:
    old, experiment = posted(store), experiment_with_runs(store, "exp_a", 3)
    running = [claimed(store) for _ in range(3)]
    urgent = posted(store, priority=1)
    for record in reversed(running):
        assert record is not None
        assert record.owner is not None
        nonce = record.owner.nonce
        store.commit(record, Release(nonce) if record.id == old else OwnerLost(nonce=nonce))
    assert store.waiting() == [urgent, old, *experiment]
    assert claimed_ids(store, 5) == [urgent, old, *experiment]


# Experiments that hold their runs back


def test_no_more_runs_of_an_experiment_are_claimed_at_once_than_its_limit(redis_url: str, store: Store) -> None:
    experiment_with_runs(store, "exp_a", 40, max_running="3")
    most = []

    def work(_: int) -> int:
        done = 0
        with connect(redis_url, patient=False) as client:
            own = Store(client)
            while own.claimable_count():
                if record := claimed(own):
                    most.append(client.zcard(KEYS.in_experiment("exp_a", "running")))
                    finish(own, record)
                    done += 1
        return done

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(work, range(6))) == 40
    assert 2 <= max(most) <= 3


def test_a_run_behind_an_experiment_at_its_limit_is_claimed_without_reading_its_runs(
    store: Store, redis: Redis
) -> None:
    experiment_with_runs(store, "exp_a", 450, max_running="1")
    assert claimed(store)
    alone = posted(store, priority=-1)
    place_and_reason = place(store, alone)
    redis.config_resetstat()
    record = claimed(store)
    assert record is not None
    assert record.id == alone
    assert redis.info("commandstats")["cmdstat_hgetall"]["calls"] == 1
    assert place_and_reason == (1, "no worker is running")
    assert (store.ready_count(), store.claimable_count()) == (0, 449)
    redis.config_resetstat()
    assert claimed(store) is None
    assert commands(redis) <= 8


def commands(redis: Redis) -> int:
    """Returns the number of commands since the last reset, without those of this measurement."""
    stats = {name.removeprefix("cmdstat_"): each["calls"] for name, each in redis.info("commandstats").items()}
    return sum(calls for name, calls in stats.items() if not name.startswith(("config", "info")))


def test_a_run_that_does_not_fit_is_looked_for_without_reading_those_that_are_held(store: Store, redis: Redis) -> None:
    experiment_with_runs(store, "exp_a", 450, max_running="1")
    experiment_with_runs(store, "exp_b", 450, request='"pause"')
    assert claimed(store)
    alone = [posted(store, priority=-1) for _ in range(2)]
    redis.config_resetstat()
    looked_at = []

    def is_small(record: Record) -> bool:
        looked_at.append(record.id)
        return False

    assert store.claim(an_owner("small"), fits=is_small) is None
    assert looked_at == alone
    assert commands(redis) <= 50


def test_a_run_of_a_held_experiment_that_lost_its_worker_waits_too(store: Store, redis: Redis) -> None:
    experiment_with_runs(store, "exp_a", 2)
    record = claimed(store)
    assert record is not None
    assert record.owner is not None
    redis.hset(KEYS.experiment("exp_a"), "request", '"pause"')
    store.command(record.id, OwnerLost(nonce=record.owner.nonce))
    alone = posted(store)
    assert claimed_ids(store, 2) == [alone]
    redis.hset(KEYS.experiment("exp_a"), "request", "null")
    assert claimed_ids(store, 1) == [record.id]


@pytest.mark.parametrize("request_of", ["pause", "stop", "cancel"])
def test_no_run_of_an_experiment_with_a_request_is_claimed_unless_it_was_asked_itself(
    store: Store, redis: Redis, request_of: str
) -> None:
    runs = experiment_with_runs(store, "exp_a", 3, request=f'"{request_of}"')
    assert claimed(store) is None
    assert store.ready_count() == 0
    store.command(runs[1], RequestAction("stop"))
    assert store.ready_count() == 1
    assert claimed_ids(store, 2) == [runs[1]]
    redis.hset(KEYS.experiment("exp_a"), "request", "null")
    assert store.ready_count() == 2
    assert claimed_ids(store, 3) == [runs[0], runs[2]]


def test_a_run_that_ends_makes_room_for_the_next_of_its_experiment(store: Store) -> None:
    runs = experiment_with_runs(store, "exp_a", 2, max_running="1")
    record = claimed(store)
    assert record is not None
    assert store.ready_count() == 0
    finish(store, record)
    assert store.ready_count() == 1
    assert claimed_ids(store, 2) == [runs[1]]


def test_the_place_and_its_reason_are_those_of_the_claims(store: Store, redis: Redis) -> None:
    paused = experiment_with_runs(store, "exp_a", 3, request='"pause"')
    limited = experiment_with_runs(store, "exp_b", 4, max_running="1")
    alone = [posted(store) for _ in range(2)]
    store.put_worker(a_worker("w1"), ttl=60)
    assert place(store, limited[0]) == (1, "waits for a free worker, next")
    assert place(store, alone[0]) == (2, "waits for a free worker, 1 ahead")
    assert claimed_ids(store, 1) == [limited[0]]
    assert place(store, alone[0]) == (1, "waits for a free worker, next")
    assert place(store, limited[1])[1] == "experiment exp_b has 1 of 1 runs in training"
    assert place(store, paused[2])[1] == "experiment exp_a is paused"
    assert posted(store) in store.waiting()
    # The answer to a new run counts as the claims do, too.
    assert store.create(a_run()).run.queue == store.get(store.waiting()[-1]).queue
    redis.hset(KEYS.experiment("exp_a"), "request", '"stop"')
    assert place(store, paused[2])[1] == "experiment exp_a was asked to stop"
    assert claimed_ids(store, 2) == alone


def test_the_place_counts_no_held_run_wherever_it_waits(store: Store, redis: Redis) -> None:
    held = experiment_with_runs(store, "exp_a", 12)
    store.command(held[2], ChangePriority(1))
    record = store.command(held[3], Claim(an_owner(), 10_000))
    store.command(held[6], ChangePriority(1))
    alone = [posted(store) for _ in range(9)]
    store.command(record.id, RequestAction("cancel"))
    redis.hset(KEYS.experiment("exp_a"), "max_running", "1")
    assert [place(store, run_id)[0] for run_id in alone] == list(range(1, 10))
    assert claimed_ids(store, 9) == alone


def test_a_list_shows_the_same_places_as_each_run(store: Store) -> None:
    experiment_with_runs(store, "exp_a", 3, max_running="0")
    alone = [posted(store) for _ in range(3)]
    shown = {run.id: run.queue for run in store.page().data}
    assert shown == {run_id: store.get(run_id).queue for run_id in shown}
    assert [place(store, run_id)[0] for run_id in alone] == [1, 2, 3]


# Records of earlier versions


def queue_as_before(store: Store, redis: Redis, run_ids: list[str]) -> None:
    """Puts waiting runs where version 0.11 put them."""
    for run_id in run_ids:
        record = store.record(run_id)
        participant = KEYS.participant(record)
        assert participant is not None
        redis.zrem(participant.key, run_id)
        redis.zrem(KEYS.claimable(), run_id)
        order = float(redis.hget(KEYS.run(run_id), "order") or 0)
        recovered = record.reason in ("preempted", "worker_lost")
        redis.zadd(KEYS.claimable_before(), {run_id: order - 2**52 if recovered else order})
    redis.delete(KEYS.turns())


def test_runs_that_an_earlier_version_queued_are_claimed_by_age_with_the_new_ones(store: Store, redis: Redis) -> None:
    old = [posted(store) for _ in range(4)]
    store.commit(store.command(old[3], Claim(an_owner(), 10_000)), Release("first"))
    queue_as_before(store, redis, old)
    assert store.waiting() == []
    new = experiment_with_runs(store, "exp_a", 3)
    store.command(old[1], RequestAction("cancel"))
    # A program of the earlier version may have died between its writes.
    redis.zadd(KEYS.claimable_before(), {"run_gone": 1})
    assert claimed_ids(store, 7) == [old[3], new[0], old[0], new[1], old[2], new[2]]
    assert not redis.exists(KEYS.claimable_before())


def test_a_run_of_an_earlier_version_leaves_its_queue_when_it_is_claimed(store: Store, redis: Redis) -> None:
    old = posted(store)
    queue_as_before(store, redis, [old])
    store.command(old, Claim(an_owner(), 10_000))
    assert not redis.exists(KEYS.claimable_before())


# Whatever happens

participants = st.sampled_from([None, "exp_a", "exp_b", "exp_c"])
steps = st.lists(
    st.tuples(st.just("post"), participants, st.sampled_from([0, 0, 0, 1]))
    | st.tuples(
        st.sampled_from(["claim", "claim", "cancel", "pause", "resume", "release", "raise"]), st.integers(0, 9)
    ),
    max_size=40,
)


def act(store: Store, known: list[str], step: tuple[Any, ...]) -> None:
    match step:
        case ("post", experiment, priority):
            known.append(posted(store, experiment, priority=priority))
        case ("claim", _):
            ahead = store.waiting(1)
            assert claimed_ids(store, 1) == ahead
        case (action, number) if known:
            run_id = known[number % len(known)]
            owner = store.record(run_id).owner
            try:
                if action == "release" and owner:
                    store.command(run_id, Release(owner.nonce))
                elif action == "raise":
                    store.command(run_id, ChangePriority(number % 2))
                elif action in ("pause", "cancel") and owner is None:
                    store.command(run_id, RequestAction(action))
                elif action == "resume":
                    store.command(run_id, Resume())
            except IllegalTransition:
                pass


def check_order(store: Store, redis: Redis, known: list[str]) -> None:
    """All queued runs wait, by priority, then the recovered ones, then fairly; those of one participant by age."""
    waiting = [store.record(run_id) for run_id in store.waiting(1000)]
    assert {record.id for record in waiting} == {id_ for id_ in known if store.record(id_).status == "queued"}
    ranks = [(-record.priority, record.reason != "preempted") for record in waiting]
    assert ranks == sorted(ranks)
    for rank in set(ranks):
        group = [record for record, own in zip(waiting, ranks, strict=True) if own == rank]
        names = [record.experiment.id if record.experiment and rank[1] else None for record in group]
        left = {name: names.count(name) for name in names}
        seen = dict.fromkeys(left, 0)
        for name in names:
            seen[name] += 1
            others = [seen[other] for other in left if seen[other] < left[other]]
            assert all(seen[name] - number <= 2 for number in others)
        for name in left:
            own = [known.index(record.id) for record, its in zip(group, names, strict=True) if its == name]
            assert own == sorted(own)
    keys = {key for record in waiting for key in (KEYS.claimable(), KEYS.participant(record).key)}  # type: ignore[union-attr]
    assert {wire.text(key) for key in redis.scan_iter(f"{KEYS.claimable()}*", _type="zset")} == keys


@given(steps)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_is_fair_after_any_actions(redis: Redis, store: Store, sequence: list[tuple[Any, ...]]) -> None:
    redis.flushdb()
    known: list[str] = []
    for step in sequence:
        act(store, known, step)
    check_order(store, redis, known)
