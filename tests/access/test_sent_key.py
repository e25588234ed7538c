"""Where a client finds its API key."""

from pathlib import Path

import pytest

from bakehouse.access.errors import ApiKeyUnusable
from bakehouse.access.sent_key import find_api_key
from bakehouse.settings import Settings

KEY = "key_222222222222." + "a" * 43


def test_the_key_comes_from_the_environment_or_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_api_key(Settings()) is None
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    monkeypatch.setenv("BAKEHOUSE_API_KEY_FILE", str(file))
    assert find_api_key(Settings()) == KEY
    monkeypatch.setenv("BAKEHOUSE_API_KEY", KEY)
    with pytest.raises(ApiKeyUnusable, match="both set"):
        find_api_key(Settings())
    monkeypatch.delenv("BAKEHOUSE_API_KEY_FILE")
    settings = Settings()
    assert find_api_key(settings) == KEY
    assert KEY not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize("text", ["", "two words", "a\nb", "a\r\nX-Header: b", "ключ", "a" * 300, "\x00"])
def test_what_cannot_be_a_key_is_refused_without_being_shown(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    monkeypatch.setenv("BAKEHOUSE_API_KEY_FILE", str(file))
    with pytest.raises(ApiKeyUnusable) as caught:
        find_api_key(Settings())
    assert str(file) in str(caught.value)
    assert not text or text not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        monkeypatch.setenv("BAKEHOUSE_API_KEY_FILE", str(path))
        with pytest.raises(ApiKeyUnusable, match=str(path)):
            find_api_key(Settings())
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("BAKEHOUSE_API_KEY_FILE", str(tmp_path / "bytes"))
    with pytest.raises(ApiKeyUnusable, match="should hold"):
        find_api_key(Settings())
