"""API keys in a real Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from bakehouse.access.api_key import KEY, hide_secrets
from bakehouse.access.errors import KeyEnded, KeysUnreachable, KeyUnknown
from bakehouse.access.hash_key import HashKey, make_hash_key
from bakehouse.access.scope import permits
from bakehouse.access.store import ApiKeyStore, open_key_store


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as redis:
        yield redis


@pytest.fixture
def store(redis: Redis) -> ApiKeyStore:
    return ApiKeyStore(redis)


@pytest.fixture
def hash_key(tmp_path: Path) -> HashKey:
    return make_hash_key(tmp_path)


def test_the_text_of_a_key_is_an_id_and_256_bits_and_only_a_keyed_hash_is_stored(
    store: ApiKeyStore, redis: Redis, hash_key: HashKey
) -> None:
    key, text = store.create(hash_key, name="ada", scopes=("read",), seconds=None)
    match = KEY.fullmatch(text)
    assert match is not None
    assert match[1] == key.id
    assert len(match[2]) * 6 >= 256
    stored = store.read().keys[key.id].key
    assert stored == key
    assert hash_key.is_signed("key", text, stored.secret_hash)
    assert HashKey(b"other").sign("key", text) != stored.secret_hash
    for name in redis.scan_iter():
        assert match[2].encode() not in (redis.dump(name) or b"")


def test_all_keys_are_different(store: ApiKeyStore, hash_key: HashKey) -> None:
    texts = {store.create(hash_key, name="x", scopes=("read",), seconds=None)[1] for _ in range(50)}
    assert len(texts) == 50
    assert len(store.read().keys) == 50


def test_a_revoked_key_stays_revoked(store: ApiKeyStore, redis: Redis, hash_key: HashKey) -> None:
    key, _ = store.create(hash_key, name="x", scopes=("read",), seconds=60)
    assert store.read().keys[key.id].status(store.read().time_ms) == "active"
    store.revoke(key.id)
    first = store.read().keys[key.id].ends_ms
    assert store.read().keys[key.id].status(store.read().time_ms) == "revoked"
    assert not store.read().has_active_keys()
    store.revoke(key.id)
    assert store.read().keys[key.id].ends_ms == first
    with pytest.raises(KeyEnded, match="is revoked"):
        store.rotate(hash_key, key.id, overlap_seconds=60, seconds=None)


def test_a_rotation_that_races_with_a_revocation_does_not_bring_the_key_back(
    store: ApiKeyStore, redis: Redis, hash_key: HashKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _ = store.create(hash_key, name="x", scopes=("read",), seconds=None)
    before = store.read()
    store.revoke(key.id)
    # The rotation has read the keys before the revocation.
    monkeypatch.setattr(store, "read", lambda: before)
    store.rotate(hash_key, key.id, overlap_seconds=3600, seconds=None)
    monkeypatch.undo()
    table = store.read()
    assert table.keys[key.id].status(table.time_ms) == "revoked"


def test_a_rotated_key_ends_after_the_overlap_and_its_successor_lasts_as_long(
    store: ApiKeyStore, hash_key: HashKey
) -> None:
    old, _ = store.create(hash_key, name="ci", scopes=("submit",), seconds=7200)
    new, text, replaced = store.rotate(hash_key, old.id, overlap_seconds=60, seconds=None)
    assert (new.name, new.scopes, new.rotated_from) == ("ci", ("submit",), old.id)
    assert new.expires_ms is not None
    assert new.expires_ms - new.created_ms == 7_200_000
    assert replaced.ends_ms is not None
    assert 50_000 < replaced.ends_ms - new.created_ms <= 60_000
    assert KEY.fullmatch(text)
    shorter, _, _ = store.rotate(hash_key, new.id, overlap_seconds=0, seconds=10)
    assert shorter.expires_ms is not None
    assert shorter.expires_ms - shorter.created_ms == 10_000


def test_unknown_keys_and_an_absent_redis_are_errors_for_the_user(store: ApiKeyStore, hash_key: HashKey) -> None:
    with pytest.raises(KeyUnknown):
        store.revoke("key_000000000000")
    with pytest.raises(KeyUnknown):
        store.rotate(hash_key, "key_000000000000", overlap_seconds=1, seconds=None)
    with pytest.raises(KeysUnreachable) as caught, open_key_store("redis://:secretword@127.0.0.1:1/0") as away:
        away.read()
    assert "secretword" not in str(caught.value)


def test_a_damaged_record_is_no_key_and_does_not_hide_the_others(
    store: ApiKeyStore, redis: Redis, hash_key: HashKey
) -> None:
    good, _ = store.create(hash_key, name="x", scopes=("read",), seconds=None)
    redis.hset("local:api_keys", "key_aaaaaaaaaaaa", "{")
    redis.hset("local:api_keys", "key_bbbbbbbbbbbb", good.model_dump_json())
    newer = good.model_dump_json().replace(good.id, "key_cccccccccccc")[:-1] + ',"newer":1}'
    redis.hset("local:api_keys", "key_cccccccccccc", newer)
    assert set(store.read().keys) == {good.id, "key_cccccccccccc"}


def test_ended_sessions_are_forgotten_once_they_would_have_expired(store: ApiKeyStore) -> None:
    now = store.read().time_ms
    store.end_session("old", expires_ms=now - 1)
    store.end_session("new", expires_ms=now + 60_000)
    assert store.read().ended_sessions == {"new"}
    store.delete_all()
    assert store.read().ended_sessions == frozenset()


def test_scopes() -> None:
    assert permits(("admin",), "submit")
    assert permits(("read", "submit"), "submit")
    assert not permits(("read", "submit"), "control")
    assert not permits(("read",), "admin")


def test_secrets_are_hidden_in_texts(store: ApiKeyStore, hash_key: HashKey) -> None:
    key, text = store.create(hash_key, name="x", scopes=("read",), seconds=None)
    secret = text.partition(".")[2]
    for written in (f"/v1/{text}?x", f"{text[:40]}", text.replace(".", "%2E")):
        assert secret[:20] not in hide_secrets(written)
        assert key.id in hide_secrets(written)
    assert hide_secrets("/v1/runs/run_1.x") == "/v1/runs/run_1.x"
