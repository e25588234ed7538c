"""Finds the credentials of a request: a key in the header `Authorization`, or the session of a browser."""

from dataclasses import dataclass

from starlette.types import Scope as AsgiScope

from bakehouse.access.api_key import SECRET

BEARER = "bearer"
COOKIE = "bakehouse_session"
MAX_CHARACTERS = 256


@dataclass(frozen=True)
class Credentials:
    """The API key or the session that came with a request, before it is checked."""

    bearer: str | None = None
    session: str | None = None
    are_malformed: bool = False
    """Whether they are in the address, in several headers, or in a header of another form."""

    @property
    def are_missing(self) -> bool:
        """Whether the request came with neither a key nor a session."""
        return not self.are_malformed and self.bearer is None and self.session is None

    @property
    def key_id(self) -> str | None:
        """The id of the key that the request names, whether or not it exists."""
        if self.bearer is not None:
            return self.bearer.partition(".")[0]
        return None if self.session is None else self.session.partition(".")[0]


MALFORMED = Credentials(are_malformed=True)


def read_credentials(scope: AsgiScope, cookie_name: str) -> Credentials:
    """Returns the credentials of a request. A header comes before a session."""
    headers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
    # An address ends up in logs and in the history of browsers.
    if len(headers) > 1 or has_key_in_address(scope):
        return MALFORMED
    if headers:
        scheme, _, text = headers[0].partition(" ")
        is_bearer = scheme.lower() == BEARER and len(text) <= MAX_CHARACTERS
        return Credentials(bearer=text) if is_bearer else MALFORMED
    return Credentials(session=read_cookie(scope, cookie_name))


def has_key_in_address(scope: AsgiScope) -> bool:
    address = scope["path"] + "?" + scope["query_string"].decode("latin-1")
    return "key_" in address and SECRET.search(address) is not None


def read_cookie(scope: AsgiScope, name: str) -> str | None:
    """Returns the value of a cookie; of several of the same name the last, as browsers order them by path."""
    found = None
    for header, value in scope["headers"]:
        if header == b"cookie" and name.encode() in value:
            for part in value.decode("latin-1").split(";"):
                each, _, text = part.strip().partition("=")
                found = text if each == name else found
    return found
