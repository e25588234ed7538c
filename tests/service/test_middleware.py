"""The middleware, without a server."""

import asyncio
from pathlib import Path

import pytest
from starlette.types import Message

from bakehouse.settings import Settings
from service import middleware
from service.errors import RequestTimeout


async def second_message(first: Message) -> Message:
    """What the application receives after the first message, from a client that then sends nothing for a moment."""
    messages = iter([first])

    async def receive() -> Message:
        for message in messages:
            return message
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    receive_within_limit = middleware.with_body_limit(receive, middleware.BodyLimit(100, ""))
    assert await receive_within_limit() == first
    return await receive_within_limit()


def test_a_body_must_be_complete_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_BODY_SECONDS", 0)
    with pytest.raises(RequestTimeout):
        asyncio.run(second_message({"type": "http.request", "body": b"{", "more_body": True}))


def test_a_client_that_has_sent_its_body_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_BODY_SECONDS", 0)
    last = asyncio.run(second_message({"type": "http.request", "body": b"{}", "more_body": False}))
    assert last == {"type": "http.disconnect"}


@pytest.mark.parametrize("kinds", [(b"application/json", b"text/csv"), (b"text/csv", b"application/json")])
def test_a_second_content_type_does_not_raise_the_limit_of_a_body_that_is_held_in_memory(
    kinds: tuple[bytes, ...], tmp_path: Path
) -> None:
    headers = [(b"content-type", kind) for kind in kinds]
    scope = {"method": "POST", "path": "/v1/datasets", "headers": headers}
    settings = Settings(home=tmp_path)
    assert middleware.body_limit(scope, dict(headers), settings).bytes == settings.max_body_bytes
