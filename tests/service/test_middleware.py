"""The border, without a server."""

import asyncio

import pytest
from starlette.types import Message

from service import middleware as border
from service.errors import BodyTooSlow


async def second_message(first: Message) -> Message:
    """What comes after the first message, from a client that then says nothing for a moment."""
    said = iter([first])

    async def receive() -> Message:
        for message in said:
            return message
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    limited = border.limited(receive, 100)
    assert await limited() == first
    return await limited()


def test_a_body_must_come_to_its_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(border, "BODY_SECONDS", 0)
    with pytest.raises(BodyTooSlow):
        asyncio.run(second_message({"type": "http.request", "body": b"{", "more_body": True}))


def test_who_has_sent_the_whole_body_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(border, "BODY_SECONDS", 0)
    last = asyncio.run(second_message({"type": "http.request", "body": b"{}", "more_body": False}))
    assert last == {"type": "http.disconnect"}
