"""The process that inspects data sets beside a store into which a service is still copying a home."""

import os
import subprocess
from pathlib import Path

from bakehouse.runs.marker import register_folder
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.store import Store, connect
from bakehouse.runs.store_migration import migrate_home
from bakehouse.settings import Settings
from bakehouse.store.file_store import FileStore
from bakehouse.store.open_store import open_store
from tests.bucket_server import objects_in, run_bucket
from tests.processes import wait_until
from tests.running_inspector import PROGRAM
from tests.running_service import ROOT

PACKED = "datasets/packed/0123"


def test_nothing_is_deleted_before_a_home_is_copied_as_a_whole(redis_url: str, tmp_path: Path) -> None:
    before = Settings(home=tmp_path / "home")
    store = Store(connect(redis_url, patient=False))
    register_folder(before, store)
    files = FileStore(before.store_folder)
    path = files.new_path(PACKED)
    path.mkdir()
    (path / "card.json").write_text("{}")
    files.put(PACKED, path)
    with run_bucket() as server:
        after = server.settings(before.home, redis_url=redis_url)
        # The packed data are copied before the version that names them.
        open_store(after).copy(PACKED, files.local(PACKED))
        log = tmp_path / "log"
        chosen = after.model_dump(include={"redis_url", "home", "store", "store_endpoint", "s3_credentials"})
        environment = {f"BAKEHOUSE_{name.upper()}": str(value) for name, value in chosen.items()}
        with log.open("wb") as file:
            process = subprocess.Popen(PROGRAM, cwd=ROOT, env={**os.environ, **environment}, stderr=file)
        try:
            wait_until(lambda: "Data sets wait for the store" in log.read_text())
            assert f"{PACKED}/card.json" in objects_in(after)
            assert (files.local(PACKED) / "card.json").exists()
            migrate_home(after, print)
            assert open_artifacts(after).marker() is not None
            # No version names these at all.
            wait_until(lambda: f"{PACKED}/card.json" not in objects_in(after))
        finally:
            process.kill()
            process.wait()
