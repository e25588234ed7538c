"""Calls of Redis and of its scripts, which operations yield, without a connection to Redis."""

import hashlib
from collections.abc import Callable, Generator, Sequence
from importlib.resources import files
from operator import methodcaller
from typing import Any, TypeVar

from redis.exceptions import NoScriptError

Result = TypeVar("Result")
Call = Callable[[Any], object]
"""Adds one command to a pipeline; the pipelines of both kinds of clients have methods of the same names."""
Operation = Generator[Sequence[Call], list[Any], Result]
"""Yields calls, receives their replies, returns the result. An error reply is raised at the `yield`."""
SCRIPTS = files("bakehouse.runs")


class Script:
    """A Lua script. Redis remembers it by a digest; only a Redis that has never seen the script needs its text."""

    def __init__(self, name: str) -> None:
        self.text = "\n".join(SCRIPTS.joinpath(each).read_text() for each in ("queue.lua", name))
        self.sha1 = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


COMMIT = Script("commit.lua")
PLACES = Script("places.lua")


def call_script(
    calls: Sequence[Call], script: Script, keys: Sequence[str], arguments: Sequence[str]
) -> Operation[list[Any]]:
    """Makes some calls, and then a call of a script; returns the replies."""
    try:
        return (yield [*calls, methodcaller("evalsha", script.sha1, len(keys), *keys, *arguments)])
    except NoScriptError:
        return (yield [*calls, methodcaller("eval", script.text, len(keys), *keys, *arguments)])
