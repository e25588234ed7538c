"""`bakehouse keys`: makes, lists and ends API keys in Redis itself, so that the first key needs no service."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import typer

from bakehouse.access.api_key import MAX_NAME_CHARACTERS, ApiKey, KeyTable, StoredKey
from bakehouse.access.errors import HashKeyUnusable
from bakehouse.access.hash_key import delete_hash_key, hash_key_for_a_new_key, read_hash_key, require_hash_key
from bakehouse.access.scope import SCOPES, Scope
from bakehouse.access.seen_keys import forget_keys
from bakehouse.access.store import ApiKeyStore, open_key_store
from bakehouse.cli.home.redis_server import redis_server, running_redis_url
from bakehouse.cli.output import rows_as_json, to_json
from bakehouse.cli.tables import Column, table
from bakehouse.model import JsonObject
from bakehouse.runs.record import rfc3339
from bakehouse.settings import Settings

DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DEFAULT_SCOPES: tuple[Scope, ...] = ("read", "submit", "control")
COLUMNS = (
    Column("KEY"),
    Column("NAME", least=8, rank=1),
    Column("SCOPES", least=8, rank=2),
    Column("STATUS"),
    Column("UNTIL", rank=3),
    Column("CREATED", rank=4),
)
NO_KEYS = """no API keys: without keys, a service on 127.0.0.1 asks for none, and one on another address does not start
  next: bakehouse keys create NAME --scope admin"""


@contextmanager
def open_keys(settings: Settings) -> Iterator[ApiKeyStore]:
    """Yields the keys of the home, or those in the Redis of BAKEHOUSE_REDIS_URL. Runs the home's Redis meanwhile if it
    does not run."""
    url = settings.redis_url or running_redis_url(settings.home)
    if url is not None:
        with open_key_store(url) as store:
            yield store
        return
    with redis_server(settings.home, say=say) as url, open_key_store(url) as store:
        yield store


def say(text: str) -> None:
    print(f"bakehouse: {text}", file=sys.stderr)


def create_key(name: str, *, scopes: list[str], expires: str | None, as_json: bool) -> None:
    """Prints a new key on stdout, and what it permits on stderr."""
    check_name(name)
    seconds = None if expires is None else parse_duration(expires, "--expires")
    settings = Settings()
    chosen = parse_scopes(scopes or DEFAULT_SCOPES)
    with open_keys(settings) as store:
        is_first = not store.read().keys
        with hash_key_for_a_new_key(settings.home) as hash_key:
            key, text = store.create(hash_key, name=name, scopes=chosen, seconds=seconds)
    print_key(key, text, as_json=as_json)
    if is_first:
        say("this is the first key: within 5 s, a running service asks everybody for one")


def list_keys(*, as_json: bool, fields: str | None) -> None:
    """Prints all keys, the oldest first."""
    settings = Settings()
    with open_keys(settings) as store:
        found = store.read()
    rows = [describe(each, found) for each in sorted(found.keys.values(), key=lambda each: each.key.created_ms)]
    if as_json or fields is not None:
        print(rows_as_json(rows, fields))
        return
    if rows:
        print(table(COLUMNS, [table_row(row) for row in rows]))
    else:
        say(NO_KEYS)
    warn_of_other_hash_key(settings, found.keys.values())


def revoke_keys(key_ids: Iterable[str]) -> None:
    """Ends keys at once."""
    with open_keys(Settings()) as store:
        for key_id in key_ids:
            revoked = store.revoke(key_id)
            print(f"{key_id}  {revoked.key.name}  revoked")


def rotate_key(key_id: str, *, overlap: str, expires: str | None, as_json: bool) -> None:
    """Prints the key that replaces another one, which is accepted until the overlap has passed."""
    overlap_seconds = 0.0 if overlap == "0" else parse_duration(overlap, "--overlap")
    seconds = None if expires is None else parse_duration(expires, "--expires")
    settings = Settings()
    with open_keys(settings) as store:
        store.find(key_id)
        hash_key = require_hash_key(settings.home)
        key, text, old = store.rotate(hash_key, key_id, overlap_seconds=overlap_seconds, seconds=seconds)
    print_key(key, text, as_json=as_json)
    if old.last_ms is not None:
        say(f"{key_id} is accepted until {shown_time(old.last_ms)}")


def turn_keys_off(*, is_sure: bool) -> None:
    """Deletes all keys and the secret of the home."""
    if not is_sure:
        raise typer.BadParameter("this deletes all keys for good; add --yes if that is meant", param_hint="--yes")
    settings = Settings()
    with open_keys(settings) as store:
        store.delete_all()
        # The files go last: while one is there, nobody gets in.
        delete_hash_key(settings.home)
        forget_keys(settings.home)
    say("all keys are deleted: within 5 s, a service on 127.0.0.1 asks for none; on another address, it does not start")


def check_name(name: str) -> None:
    if not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and name.strip() == name):
        raise typer.BadParameter(
            f"should be 1 to {MAX_NAME_CHARACTERS} printable characters that say whose key it is, such as ci",
            param_hint="NAME",
        )


def parse_scopes(texts: Sequence[str]) -> tuple[Scope, ...]:
    """Returns the scopes in the order of SCOPES, each once."""
    for text in texts:
        if text not in SCOPES:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(SCOPES)}", param_hint="--scope")
    return tuple(scope for scope in SCOPES if scope in texts)


def parse_duration(text: str, option: str) -> float:
    """Returns the seconds of a text such as `90d`."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter("should be a number and s, m, h or d, such as 90d", param_hint=option)
    return float(int(match[1]) * SECONDS[match[2]])


def print_key(key: ApiKey, text: str, *, as_json: bool) -> None:
    if as_json:
        expires_at = None if key.expires_ms is None else rfc3339(key.expires_ms)
        shown = {"id": key.id, "name": key.name, "scopes": key.scopes, "expires_at": expires_at, "key": text}
        print(to_json(shown))
    else:
        print(text)
    until = "until it is revoked" if key.expires_ms is None else f"until {shown_time(key.expires_ms)}"
    say(f"{key.id} ({key.name}) may {', '.join(key.scopes)} {until}")
    say("the key is shown only now: keep it in a file that only you can read, and name that in BAKEHOUSE_API_KEY_FILE")


def describe(stored: StoredKey, found: KeyTable) -> JsonObject:
    """Returns what is known about a key; nobody knows its secret."""
    key = stored.key
    times = {"created_at": key.created_ms, "expires_at": key.expires_ms, "ends_at": stored.ends_ms}
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "status": stored.status(found.time_ms),
        **{name: None if each is None else rfc3339(each) for name, each in times.items()},
        "until": None if stored.last_ms is None else rfc3339(stored.last_ms),
        "rotated_from": key.rotated_from,
    }


def table_row(row: JsonObject) -> tuple[str, ...]:
    until, created = (text and text[:16].replace("T", " ") for text in (row["until"], row["created_at"]))
    return row["id"], row["name"], ",".join(row["scopes"]), row["status"], until or "", created


def shown_time(milliseconds: int) -> str:
    return f"{rfc3339(milliseconds)[:19].replace('T', ' ')} UTC"


def warn_of_other_hash_key(settings: Settings, stored: Iterable[StoredKey]) -> None:
    """Says if keys can never be accepted, because their hashes were made with another secret than the home's."""
    try:
        hash_key = read_hash_key(settings.home)
    except HashKeyUnusable as error:
        say(str(error))
        return
    own = None if hash_key is None else hash_key.id
    others = [each.key.id for each in stored if each.key.hash_key_id != own]
    if others:
        say(f"not accepted, because they belong to another BAKEHOUSE_HOME or its secret was lost: {', '.join(others)}")
