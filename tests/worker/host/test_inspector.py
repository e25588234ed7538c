"""The process that inspects uploaded data sets, called as functions, with a real Redis and a real store."""

import errno
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from redis import Redis

from bakehouse.data import inspection, inspection_process, uploaded
from bakehouse.data.archives import ArchiveLimits
from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetNotFound
from bakehouse.data.listing import Part
from bakehouse.plan.pictures import PictureSize
from bakehouse.runs.store import connect
from bakehouse.settings import Settings
from bakehouse.store.file_store import FileStore
from bakehouse.uploads.errors import UploadNotFound
from bakehouse.uploads.record import DatasetDraft, DatasetRecord, files_of, new_dataset_id, part_key
from bakehouse.uploads.records import DatasetRecords
from tests.runs.examples import an_owner
from worker.host import housekeeping, inspector
from worker.host.housekeeping import clean_up
from worker.host.inspector import Inspector

TABLE = ("area,price\n" + "".join(f"{n},{3 * n}.5\n" for n in range(40))).encode()
# No reader takes this.
REFUSED = b"area,price\n1,2\n3,4,5\n"


class Bench:
    """An inspector with what it works on."""

    def __init__(self, home: Path, redis_url: str, **settings: float) -> None:
        self.settings = Settings(home=home, redis_url=redis_url, **settings)
        self.store = FileStore(self.settings.store_folder)
        self.records = DatasetRecords(connect(redis_url, patient=False), self.settings)
        self.inspector = Inspector(self.settings, self.records, self.store)

    def clean_up(self) -> None:
        clean_up(self.settings, self.records, self.store)

    def upload(self, data: bytes = TABLE, filename: str = "houses.csv") -> DatasetRecord:
        part = Part(number=1, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        dataset_id = new_dataset_id()
        path = self.store.new_path("uploads/incoming")
        path.write_bytes(data)
        self.store.put(part_key(dataset_id, part), path)
        draft = DatasetDraft(name="houses", filename=filename, bytes=len(data))
        return self.records.create(draft, newest_on_disk=0, whole=(dataset_id, part))[0]

    def files(self) -> list[str]:
        root = self.settings.store_folder
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def bench(tmp_path: Path, redis_url: str) -> Bench:
    return Bench(tmp_path, redis_url)


def test_a_data_set_that_another_version_has_packed_is_packed_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = bench.upload()
    assert bench.inspector.inspect_next()
    before = bench.records.get(record.id).fingerprint
    become_version(1_000_000, monkeypatch)
    with pytest.raises(DatasetNotFound):
        Catalog(bench.settings).card("houses")
    bench.clean_up()
    assert bench.records.get(record.id).status == "inspecting"
    assert bench.inspector.inspect_next()
    assert bench.records.get(record.id).fingerprint == before
    assert Catalog(bench.settings).card("houses").counts.train == 40
    assert f"uploads/{record.id}/source/houses.csv" in bench.files()


def test_files_with_equal_values_have_a_card_each_unless_they_are_alike(bench: Bench) -> None:
    for data in (TABLE, TABLE.replace(b",", b";"), TABLE):
        bench.upload(data)
        assert bench.inspector.inspect_next()
    catalog = Catalog(bench.settings)
    cards = [catalog.card(f"houses@{version}") for version in (1, 2, 3)]
    assert len({card.fingerprint for card in cards}) == 1
    assert [card.text.delimiter for card in cards if card.text is not None] == [",", ";", ","]
    folders = [catalog.folder(f"houses@{version}") for version in (1, 2, 3)]
    assert folders[0] == folders[2] != folders[1]


def test_an_upload_that_is_not_completed_in_time_is_deleted(tmp_path: Path, redis_url: str) -> None:
    bench = Bench(tmp_path, redis_url, upload_seconds=0.001)
    draft, _ = bench.records.create(DatasetDraft(name="a"), newest_on_disk=0)
    path = bench.store.new_path(f"{files_of(draft.id)}/parts/1")
    path.write_bytes(b"abc")
    bench.store.put(f"{files_of(draft.id)}/parts/1-abc", path)
    bench.clean_up()
    with pytest.raises(UploadNotFound):
        bench.records.get(draft.id)
    assert bench.files() == ["datasets/.publication.lock"]


def test_a_data_set_that_is_deleted_during_its_inspection_leaves_nothing(bench: Bench) -> None:
    record = bench.upload()
    claimed = bench.inspector.claim()
    assert claimed is not None
    bench.records.delete(record.id)
    bench.inspector.inspect_claimed(claimed)
    bench.clean_up()
    assert bench.files() == ["datasets/.publication.lock"]
    assert not bench.inspector.inspect_next()


def test_a_dead_process_loses_its_data_set_at_once_and_a_living_one_keeps_it(bench: Bench) -> None:
    record = bench.upload()
    living = bench.inspector.inspections.claim(an_owner("living"), is_dead=lambda owner: False)
    assert living is not None
    assert bench.inspector.inspections.claim(an_owner("other"), is_dead=lambda owner: False) is None
    taken = bench.inspector.inspections.claim(an_owner("other"), is_dead=lambda owner: True)
    assert taken is not None
    # The first process notices before it changes anything.
    bench.inspector.inspect_claimed(living)
    assert bench.records.get(record.id).status == "inspecting"
    bench.inspector.inspect_claimed(taken)
    assert bench.records.get(record.id).status == "ready"


def test_an_inspection_that_crashes_again_and_again_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bench.upload()
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setattr(inspector, "MAX_FAILURES", 2)
    monkeypatch.setattr("bakehouse.data.child_process.PACKAGE_ROOT", Path("/"))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setattr("sys.executable", "/bin/false")
    for _ in range(2):
        assert bench.inspector.inspect_next()
    refused = bench.records.get(record.id)
    assert refused.status == "refused"
    assert "failed 2 times" in (refused.problem or "")


def test_an_unforeseen_error_is_not_met_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bench.upload()
    monkeypatch.setattr(inspector, "MAX_FAILURES", 1)
    monkeypatch.setattr(inspector, "inspect_in_child", lambda *_: json.loads("no JSON"))
    assert bench.inspector.inspect_next()
    assert "an unforeseen JSONDecodeError" in (bench.records.get(record.id).problem or "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ENOENT])
def test_a_full_disk_refuses_no_data_set(bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    record = bench.upload()

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(inspector, "inspect_in_child", fail)
        patch.setattr(inspector, "POSTPONED_SECONDS", 0.3)
        for _ in range(inspector.MAX_FAILURES + 1):
            assert bench.inspector.inspect_next()
            # Not at once again.
            assert not bench.inspector.inspect_next()
            waiting = bench.records.get(record.id)
            assert (waiting.status, waiting.failures) == ("inspecting", 0)
            assert f"it waits, because the disk or the store of the service cannot be used: {os.strerror(number)}" in (
                waiting.problem or ""
            )
            bench.clean_up()
            time.sleep(0.4)
    assert bench.inspector.inspect_next()
    ready = bench.records.get(record.id)
    assert (ready.status, ready.problem) == ("ready", None)


def test_an_error_that_the_file_causes_is_not_met_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bench.upload()

    def fail(*_: object) -> None:
        raise OSError(errno.ENAMETOOLONG, "File name too long")

    monkeypatch.setattr(inspector, "inspect_in_child", fail)
    for _ in range(inspector.MAX_FAILURES):
        assert bench.inspector.inspect_next()
    assert bench.records.get(record.id).status == "refused"


def test_a_child_that_finds_the_disk_full_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(inspection, "inspect", fail)
    monkeypatch.setattr(inspection, "limit_resources_for", lambda _: 1)
    inspection.main("houses", tmp_path / "houses.csv", tmp_path, ArchiveLimits(entries=1, total_bytes=1, entry_bytes=1))
    answer = json.loads(capfd.readouterr().out)
    assert answer == {"errno": errno.ENOSPC, "strerror": "No space left on device"}
    monkeypatch.setattr(inspection_process, "run_in_child", lambda *_, **__: answer)
    record = bench.upload()
    assert bench.inspector.inspect_next()
    assert "No space left on device" in (bench.records.get(record.id).problem or "")


def test_the_lease_is_kept_while_a_large_file_is_copied(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bench.upload()
    taken = bench.inspector.claim()
    assert taken is not None
    key = bench.records.keys.inspection_lease(record.id)
    bench.records.redis.pexpire(key, 200)
    with inspector.keep_lease(bench.inspector.inspections, taken, 0.05):
        time.sleep(0.3)
        assert bench.records.redis.pttl(key) > 1_000


def test_a_file_whose_name_is_not_unicode_has_an_outcome(bench: Bench) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(12):
            picture = io.BytesIO()
            Image.new("L", (8, 8), number).save(picture, "PNG")
            member = tarfile.TarInfo(f"{'ab'[number % 2]}/{number}.png")
            member.size = len(picture.getvalue())
            archive.addfile(member, io.BytesIO(picture.getvalue()))
        broken = tarfile.TarInfo("b/\udcff.png")
        broken.size = 4
        archive.addfile(broken, io.BytesIO(b"junk"))
    record = bench.upload(file.getvalue(), filename="pets.tar")
    assert bench.inspector.inspect_next()
    assert bench.records.get(record.id).status == "ready"
    catalog = Catalog(bench.settings)
    unreadable = catalog.card("houses").unreadable
    assert unreadable is not None
    assert (unreadable.count, unreadable.of) == (1, 13)
    assert "\\udcff" in str(unreadable)
    check_sizes_of_uploads(bench, catalog, record)


@pytest.mark.parametrize(
    ("filename", "problem"),
    [
        ("my pets.zip", "my pets.zip is not a zip archive: it is text"),
        ("pets.parquet", "pets.parquet cannot be read as a Parquet file"),
        ("pets.xlsx", ".xlsx files are not read, because each is a spreadsheet: save the sheet as CSV"),
    ],
)
def test_a_refusal_names_the_file_as_its_user_does(bench: Bench, filename: str, problem: str) -> None:
    record = bench.upload(b"PK and nothing else", filename=filename)
    assert bench.inspector.inspect_next()
    refused = bench.records.get(record.id)
    assert (refused.problem or "").startswith(problem)
    assert refused.place is not None
    assert (refused.place.file, refused.place.member) == (filename, None)


def check_sizes_of_uploads(bench: Bench, catalog: Catalog, record: DatasetRecord) -> None:
    """Packs the pictures of an upload at another size, which is deleted once the upload is gone."""
    folder = catalog.sized_folder("houses@1", PictureSize(16))
    assert np.load(folder / "x.npy")[:, 0, 8, 8].tolist() == [0, 10, 2, 4, 6, 8, 1, 11, 3, 5, 7, 9]
    [packed] = bench.store.names("datasets/packed")
    assert folder.name == f"{packed}@16"
    bench.records.delete(record.id)
    bench.clean_up()
    assert not folder.exists()


def test_a_part_that_was_damaged_on_the_disk_is_noticed(bench: Bench) -> None:
    record = bench.upload()
    [path] = (bench.settings.store_folder / files_of(record.id) / "parts").iterdir()
    path.write_bytes(TABLE.replace(b"3", b"4"))
    assert bench.inspector.inspect_next()
    assert "part 1 of the upload was damaged" in (bench.records.get(record.id).problem or "")


def test_packed_data_that_no_version_names_are_deleted(bench: Bench) -> None:
    path = bench.store.new_path("datasets/packed/sha256-abc")
    path.mkdir()
    (path / "card.json").write_text("{}")
    bench.store.put("datasets/packed/sha256-abc", path)
    bench.clean_up()
    assert bench.files() == ["datasets/.publication.lock"]


def test_versions_go_on_after_redis_was_emptied(bench: Bench, redis_url: str) -> None:
    bench.upload()
    bench.inspector.inspect_next()
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    newest = uploaded.newest_version(bench.store, "houses")
    draft, _ = bench.records.create(DatasetDraft(name="houses"), newest_on_disk=newest)
    assert draft.version == 2


def test_a_data_set_that_redis_has_lost_can_be_listed_and_deleted_again(bench: Bench, redis_url: str) -> None:
    record = bench.upload()
    bench.inspector.inspect_next()
    before = bench.records.get(record.id)
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    bench.clean_up()
    found = bench.records.find("houses@1")
    assert (found.status, found.fingerprint) == ("ready", before.fingerprint)
    assert bench.records.used_bytes() == before.stored_bytes
    bench.records.delete(record.id)
    bench.clean_up()
    assert bench.files() == [str(path) for path in bench.files() if path.endswith(".lock")]


def test_a_data_set_that_kills_its_inspectors_is_refused(bench: Bench) -> None:
    record = bench.upload()
    for number in range(inspector.MAX_LOSSES):
        taken = bench.inspector.inspections.claim(an_owner(f"{number}"), is_dead=lambda owner: True)
        assert taken is not None
    # The lease of the last one ends by itself, too.
    assert bench.records.redis.pttl(bench.records.keys.inspection_lease(record.id)) > 0
    taken = bench.inspector.inspections.claim(an_owner("last"), is_dead=lambda owner: True)
    assert taken is not None
    bench.inspector.inspect_claimed(taken)
    refused = bench.records.get(record.id)
    assert (refused.status, "5 processes that worked on it" in (refused.problem or "")) == ("refused", True)
    assert bench.files() == []


def test_a_data_set_that_a_newer_version_refuses_keeps_its_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bench.upload()
    assert bench.inspector.inspect_next()
    source = f"uploads/{record.id}/source/houses.csv"
    (bench.settings.store_folder / source).write_bytes(REFUSED)
    become_version(1_000_000, monkeypatch)
    bench.clean_up()
    assert bench.inspector.inspect_next()
    for _ in range(2):
        refused = bench.records.get(record.id)
        assert refused.status == "refused"
        assert re.match(
            r"this version of Bakehouse cannot pack it: line 3 has 3 cells, but the header has 2\. Its file is kept: "
            r"download it "
            rf"\(GET /v1/datasets/{record.id}/file\), ",
            refused.problem or "",
        )
        assert refused.place is not None
        assert (refused.place.file, refused.place.line) == ("houses.csv", 3)
        assert (bench.settings.store_folder / source).read_bytes() == REFUSED
        bench.clean_up()
    # Its file takes space.
    assert bench.records.used_bytes() > len(REFUSED)


def test_the_next_version_packs_what_an_earlier_one_has_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = refuse_again(bench, monkeypatch)
    path = bench.settings.store_folder / f"uploads/{record.id}/source/houses.csv"
    path.write_bytes(TABLE)
    bench.clean_up()
    assert not bench.inspector.inspect_next()
    become_version(1_000_001, monkeypatch)
    bench.clean_up()
    assert bench.inspector.inspect_next()
    ready = bench.records.get(record.id)
    assert (ready.status, ready.problem, ready.place) == ("ready", None, None)
    assert Catalog(bench.settings).card("houses").counts.train == 40


def test_a_client_can_have_a_kept_file_packed_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = refuse_again(bench, monkeypatch)
    (bench.settings.store_folder / f"uploads/{record.id}/source/houses.csv").write_bytes(TABLE)
    assert bench.records.complete(record.id).status == "inspecting"
    assert bench.inspector.inspect_next()
    assert bench.records.get(record.id).status == "ready"


def test_a_kept_file_that_redis_has_lost_is_found_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    record = refuse_again(bench, monkeypatch)
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    bench.clean_up()
    assert bench.inspector.inspect_next()
    refused = bench.records.get(record.id)
    assert (refused.status, "Its file is kept" in (refused.problem or "")) == ("refused", True)
    assert f"uploads/{record.id}/source/houses.csv" in bench.files()


def test_a_name_means_the_version_that_an_upgrade_refused_and_not_an_older_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.upload()
    assert bench.inspector.inspect_next()
    record = refuse_again(bench, monkeypatch)
    assert bench.records.find("houses@1").status == "ready"
    assert bench.records.find("houses").id == record.id


def test_a_kept_data_set_is_deleted_on_request(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = refuse_again(bench, monkeypatch)
    bench.records.delete(record.id)
    bench.clean_up()
    assert bench.files() == ["datasets/.publication.lock"]
    assert bench.records.used_bytes() == 0


def test_packing_again_asks_for_no_more_room_than_there_is(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, redis_url)
    record = bench.upload()
    assert bench.inspector.inspect_next()
    assert bench.records.used_bytes() > 1024
    become_version(1_000_000, monkeypatch)
    small = Bench(tmp_path, redis_url, max_uploaded_bytes=1024)
    small.clean_up()
    assert small.inspector.inspect_next()
    assert small.records.get(record.id).status == "ready"


def test_a_data_set_that_kills_its_inspectors_after_an_upgrade_keeps_its_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = bench.upload()
    assert bench.inspector.inspect_next()
    become_version(1_000_000, monkeypatch)
    bench.clean_up()
    taken = bench.inspector.claim()
    assert taken is not None
    bench.inspector.inspect_claimed(taken.model_copy(update={"losses": inspector.MAX_LOSSES}))
    refused = bench.records.get(record.id)
    assert (refused.status, "5 processes that worked on it" in (refused.problem or "")) == ("refused", True)
    bench.clean_up()
    assert f"uploads/{record.id}/source/houses.csv" in bench.files()


def become_version(form: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes on as a version of Bakehouse that packs data in another form."""
    for module in (uploaded, inspector, housekeeping):
        monkeypatch.setattr(module, "PACKED_FORM", form)


def refuse_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> DatasetRecord:
    """Returns a data set that was ready, and that a newer version has refused."""
    record = bench.upload()
    assert bench.inspector.inspect_next()
    (bench.settings.store_folder / f"uploads/{record.id}/source/houses.csv").write_bytes(REFUSED)
    become_version(1_000_000, monkeypatch)
    bench.clean_up()
    while bench.inspector.inspect_next():
        pass
    refused = bench.records.get(record.id)
    assert refused.status == "refused"
    return refused


def test_what_an_upload_keeps_counts_and_a_refused_one_keeps_nothing(tmp_path: Path, redis_url: str) -> None:
    bench = Bench(tmp_path, redis_url, max_uploaded_bytes=40_000)
    record = bench.upload()
    bench.inspector.inspect_next()
    kept = bench.records.get(record.id).stored_bytes or 0
    assert len(TABLE) < kept == bench.records.used_bytes()
    rows = ("area,price\n" + "1,2\n3,4\n" * 8_000).encode()
    large = bench.upload(gzip.compress(rows), "houses.csv.gz")
    assert bench.records.used_bytes() < 40_000
    bench.inspector.inspect_next()
    refused = bench.records.get(large.id)
    assert (refused.status, "BAKEHOUSE_MAX_UPLOADED_BYTES" in (refused.problem or "")) == ("refused", True)
    assert bench.records.used_bytes() == kept


def test_what_a_killed_process_has_left_beside_packed_data_is_deleted(bench: Bench) -> None:
    left = [bench.store.new_path(f"datasets/{folder}/entry") for folder in ("packed", "named")]
    for path in left:
        path.write_text("half")
    bench.clean_up()
    assert all(path.exists() for path in left)
    for path in left:
        os.utime(path, (0, 0))
    bench.clean_up()
    assert bench.files() == []


def test_a_record_of_another_version_does_not_take_the_others_away(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    newer, stranger, known = bench.upload(), bench.upload(), bench.upload()
    for record, change in ((newer, {"colour": "red"}), (stranger, {"status": "painting"})):
        document = json.loads(record.model_dump_json(exclude={"token"})) | change
        bench.records.redis.hset(bench.records.keys.dataset(record.id), "record", json.dumps(document))
    assert [record.id for record in bench.records.all()] == [newer.id, known.id]
    assert f"The record of {stranger.id} cannot be read" in caplog.text
    bench.clean_up()
