"""Bakehouse trains recipes: submit one as JSON, watch it train, download the best checkpoint."""

# Imports nothing: until the command line handles Ctrl-C, each millisecond may end in a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from bakehouse.client import AsyncClient as AsyncClient
    from bakehouse.client import Client as Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> object:
    from importlib import import_module  # noqa: PLC0415

    # The worker and the service import this package too, and do without httpx and the client's other imports.
    if name in __all__:
        return getattr(import_module("bakehouse.client"), name)
    if name == "__version__":
        return import_module("bakehouse.version").VERSION
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
