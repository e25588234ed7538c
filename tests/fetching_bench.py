"""An inspector that fetches from a server of the test, with a real Redis and a real store."""

from pathlib import Path
from typing import Any

import pytest

from bakehouse.runs.store import connect
from bakehouse.settings import Settings
from bakehouse.store.file_store import FileStore
from bakehouse.uploads.record import DatasetDraft, DatasetRecord
from bakehouse.uploads.records import DatasetRecords
from tests.https_server import Answer, HttpsServer
from worker.host import fetching, https_request
from worker.host.inspector import Inspector


def trust(server: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the operator trust the server's authority, and lets no test wait for long."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    monkeypatch.setattr(fetching, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(https_request, "EXCESS_SECONDS", 0.05)
    server.requests.clear()


class Bench:
    """An inspector whose settings allow to fetch from the server."""

    def __init__(self, home: Path, redis_url: str, server: HttpsServer, **settings: Any) -> None:
        allowed = {"private_dataset_hosts": server.host, **settings}
        self.settings = Settings(home=home, redis_url=redis_url, **allowed)
        self.server = server
        self.records = DatasetRecords(connect(redis_url, patient=False), self.settings)
        self.inspector = Inspector(self.settings, self.records, FileStore(self.settings.store_folder))

    def add(self, *answers: Answer, source: str | None = None, sha256: str | None = None) -> DatasetRecord:
        """Fetches a data set from the server, which gives these answers; returns its record."""
        self.server.answers[:] = answers
        source = self.server.address() if source is None else source
        draft = DatasetDraft(name="houses", filename="houses.csv", source=source, sha256=sha256)
        record, _ = self.records.create(draft, newest_on_disk=0)
        assert self.inspector.fetch_next()
        return self.records.get(record.id)

    def refusal(self, *answers: Answer, source: str | None = None, sha256: str | None = None) -> str:
        """Fetches a data set that is refused; returns the reason. Nothing is left of it."""
        record = self.add(*answers, source=source, sha256=sha256)
        assert record.status == "refused"
        assert not self.inspector.inspect_next()
        assert self.files() == []
        return record.problem or ""

    def files(self) -> list[str]:
        return [str(path) for path in self.settings.store_folder.rglob("*") if path.is_file()]
