"""The check of who may use the service."""

from collections import Counter
from collections.abc import Sequence

from bakehouse.access.api_key import KeyTable, StoredKey
from bakehouse.access.inspection import AccessState
from bakehouse.settings import is_loopback
from bakehouse.system.system import Inspection, Row, error, ok, warning

NAME = "access"
SOON_MS = 14 * 86_400_000
CREATE = "Create a key with `bakehouse keys create`."
SHOWN_KEYS = 5


def check_access(inspection: Inspection) -> Row | None:
    """Returns how many keys there are, or why keys or their lack are a problem."""
    access = inspection.access
    if access.problem is not None:
        problem = f"No API key can be checked, so that every request is refused: {access.problem}."
        fix = "Restore the file from a backup, or begin again with `bakehouse keys off` and `bakehouse keys create`."
        return error(NAME, "no secret", problem, fix)
    if access.table is None:
        return None
    if access.hash_key is None and not access.table.keys and not access.were_keys_seen:
        return check_without_keys(inspection)
    return check_keys(access, access.table)


def check_without_keys(inspection: Inspection) -> Row:
    host = inspection.settings.host
    if is_loopback(host):
        return ok(NAME, "no API keys: every program on this machine may do everything")
    problem = f"INSECURE: everybody who reaches {host} may do everything (BAKEHOUSE_INSECURE=1)."
    return warning(NAME, "no API keys", problem, CREATE)


def check_keys(access: AccessState, table: KeyTable) -> Row:
    stored = list(table.keys.values())
    own = None if access.hash_key is None else access.hash_key.id
    usable = [each for each in stored if each.key.hash_key_id == own]
    counts = Counter(each.status(table.time_ms) for each in usable)
    found = ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "no key can be checked"
    if not counts["active"]:
        problem = "The service asks for API keys, but none is accepted, so that every request is refused."
        return error(NAME, found, problem, f"{CREATE} `bakehouse keys off` makes the service ask for none.")
    if len(usable) < len(stored):
        problem = f"Keys of another secret than that of BAKEHOUSE_HOME are not accepted: {ids(stored, but=usable)}."
        return warning(NAME, found, problem, "Revoke them, or restore the file api_keys.secret that they belong to.")
    if ending := [each for each in usable if ends_soon(each, table.time_ms)]:
        problem = f"Keys end within two weeks: {ids(ending)}."
        return warning(NAME, found, problem, "Replace those that are still needed: `bakehouse keys rotate`.")
    return ok(NAME, found)


def ends_soon(stored: StoredKey, now_ms: int) -> bool:
    """Returns whether an active key ends soon and was meant to last; one that was rotated is replaced already."""
    expires_ms = stored.key.expires_ms
    if expires_ms is None or stored.ends_ms is not None or stored.status(now_ms) != "active":
        return False
    return expires_ms - now_ms < SOON_MS < expires_ms - stored.key.created_ms


def ids(stored: Sequence[StoredKey], but: Sequence[StoredKey] = ()) -> str:
    """Returns the ids of some keys as text."""
    names = [each.key.id for each in stored if each not in but]
    more = f" and {len(names) - SHOWN_KEYS} more" if len(names) > SHOWN_KEYS else ""
    return ", ".join(names[:SHOWN_KEYS]) + more
