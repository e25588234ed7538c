"""Makes methods that block from the coroutines of a class with methods of the same names.

An object with such methods keeps an object of the other class, with a blocking transport, as `_async`.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import update_wrapper
from inspect import signature
from typing import Any, Concatenate, ParamSpec, TypeVar

from bakehouse.client.transport import finish, iterate

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Owner = TypeVar("Owner")

Method = Callable[Concatenate[Any, Parameters], Result]
AsyncMethod = Method[Parameters, Coroutine[Any, Any, Result]]
GeneratorMethod = Method[Parameters, AsyncGenerator[Result]]


def blocking(method: AsyncMethod[Parameters, Result]) -> Method[Parameters, Result]:
    """Returns the method that blocks and returns the same."""

    def call(self: Any, /, *args: Parameters.args, **options: Parameters.kwargs) -> Result:
        return finish(method(self._async, *args, **options))

    describe(call, method)
    return call


def returning_self(method: AsyncMethod[Parameters, object]) -> Callable[Concatenate[Owner, Parameters], Owner]:
    """Returns the method that blocks and, like the coroutine, returns the object that it changes."""

    def call(self: Any, /, *args: Parameters.args, **options: Parameters.kwargs) -> Any:
        finish(method(self._async, *args, **options))
        return self

    describe(call, method)
    return call


def yielding(method: GeneratorMethod[Parameters, Result]) -> Method[Parameters, Iterator[Result]]:
    """Returns the method that yields the same items as they arrive."""

    def call(self: Any, /, *args: Parameters.args, **options: Parameters.kwargs) -> Iterator[Result]:
        return iterate(method(self._async, *args, **options))

    describe(call, method, "Iterator")
    return call


def describe(call: Callable[..., object], method: Callable[..., object], returns: str | None = None) -> None:
    """Gives `call` the name, the docstring and the parameters of a method, for `help` and for editors."""
    update_wrapper(call, method)
    if returns is not None:
        vars(call)["__signature__"] = signature(method).replace(return_annotation=returns)
