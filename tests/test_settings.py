"""Settings from the environment."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bakehouse.settings import Settings


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"BAKEHOUSE_{name.upper()}", raising=False)


def test_a_setting_comes_from_an_argument_or_else_the_environment_or_else_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAKEHOUSE_PORT", "81")
    monkeypatch.setenv("bakehouse_insecure", "true")
    monkeypatch.setenv("BAKEHOUSE_DATA", "data")
    monkeypatch.setenv("PORT", "82")
    monkeypatch.setenv("BAKEHOUSE_FUZZ_CASES", "5")
    settings = Settings(workers=3)
    assert (settings.port, settings.insecure, settings.workers, settings.threads) == (81, True, 3, None)
    assert (settings.home, settings.data) == (tmp_path / ".bakehouse", tmp_path / "data")
    assert Settings(port=83).base_url == "http://127.0.0.1:83"


def test_an_empty_variable_is_like_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"BAKEHOUSE_{name.upper()}", "")
    settings = Settings()
    assert (settings.s3_endpoint, settings.s3_credentials, settings.data, settings.port) == (None, None, None, 8000)
    assert settings.s3_region == "us-east-1"


def test_an_invalid_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEHOUSE_WORKERS", "-1")
    with pytest.raises(ValidationError) as caught:
        Settings()
    [problem] = caught.value.errors()
    assert (problem["loc"], problem["input"]) == (("workers",), "-1")


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(prot=80)


@pytest.mark.parametrize("text", ["minio.lan", "http://minio.lan", "https://minio.lan/data", "https://", "https://a@b"])
def test_an_endpoint_of_s3_is_an_address_without_a_path(text: str) -> None:
    with pytest.raises(ValidationError, match="should be https:// and a host"):
        Settings(s3_endpoint=text)
    assert Settings(s3_endpoint="https://[2001:DB8::1]:9000/").s3_endpoint == "https://[2001:db8::1]:9000"
