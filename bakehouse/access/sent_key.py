"""Finds the API key that this process sends to a service, and says nowhere what it is."""

import re

from bakehouse.access.errors import ApiKeyUnusable
from bakehouse.settings import Settings

# Services of other versions may make keys of another form, but none can be sent that breaks the header.
SENDABLE = re.compile(r"[!-~]{1,256}")
FORM = "one line as `bakehouse keys create` prints it: key_, 12 characters, a dot and 43 characters"


def find_api_key(settings: Settings) -> str | None:
    """Returns the key in BAKEHOUSE_API_KEY or in the file BAKEHOUSE_API_KEY_FILE; None if neither is set. Raises
    ApiKeyUnusable."""
    if settings.api_key is not None:
        if settings.api_key_file is not None:
            raise ApiKeyUnusable("BAKEHOUSE_API_KEY and BAKEHOUSE_API_KEY_FILE are both set: unset one of them")
        return check_key(settings.api_key.get_secret_value(), "BAKEHOUSE_API_KEY")
    if settings.api_key_file is None:
        return None
    name = f"the file of BAKEHOUSE_API_KEY_FILE, {settings.api_key_file},"
    try:
        text = settings.api_key_file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ApiKeyUnusable(f"{name} should hold an API key, {FORM}") from None
    except OSError as error:
        raise ApiKeyUnusable(f"{name} cannot be read: {error.strerror}") from error
    return check_key(text.strip(), name)


def check_key(key: str, name: str) -> str:
    """Returns the key. Raises ApiKeyUnusable if it cannot be a key."""
    if not SENDABLE.fullmatch(key):
        raise ApiKeyUnusable(f"{name} should hold an API key, {FORM}")
    return key


def headers_of(key: str | None) -> dict[str, str]:
    """Returns the headers of a request with this key, if there is one."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}
