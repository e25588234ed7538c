"""The uploaded data sets that are ready, in the store: the packed data under a digest, and for each version a small
file that names them. Versions with the same data, from files of the same form, share the packed data.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bakehouse.data.packed_folders import read_card
from bakehouse.data.signatures import PACKED_FORM
from bakehouse.model import Model
from bakehouse.plan.card import DatasetCard
from bakehouse.store.object_store import ObjectStore


class PackedOtherwise(FileNotFoundError):
    """Raised if another version of Bakehouse has packed the data; an inspector packs them again."""


UPLOAD = "upload of "
FETCHED = ", fetched from "
"""The origin of an uploaded set is the first of these and the name of the user's file; then, of one that was fetched,
the second and its address."""
NAMED = "datasets/named"
PACKED = "datasets/packed"
ENTRY = re.compile(r"(?P<name>.+)@(?P<version>[0-9]+)\.(?P<id>data_[0-9a-z]+)")


class Manifest(Model):
    """The file of one version of an uploaded data set."""

    id: str
    name: str
    version: int
    fingerprint: str
    filename: str
    source: str | None = None
    """The address from which it was fetched."""
    sha256: str | None = None
    """The digest of the file that was fetched."""
    source_note: str | None = None
    """How that file compares with what was fetched from the same address before."""
    packed: str
    """The digest under which the packed data are stored."""
    form: int = 0
    """The version number of the packed form."""

    @property
    def reference(self) -> str:
        """The name of this version in a canonical recipe."""
        return f"{self.name}@{self.version}"

    @property
    def origin(self) -> str:
        """Where the data come from."""
        fetched = "" if self.source is None else f"{FETCHED}{self.source} (sha256 {self.sha256})"
        return f"{UPLOAD}{self.filename}{fetched}"


@dataclass(frozen=True)
class Uploaded:
    """One version of an uploaded data set, of which only the name of its file is known."""

    dataset_id: str
    name: str
    version: int

    @property
    def id(self) -> str:
        """The name of this version in a canonical recipe."""
        return f"{self.name}@{self.version}"

    @property
    def key(self) -> str:
        """The key of its file."""
        return f"{NAMED}/{self.id}.{self.dataset_id}"


def list_uploaded(store: ObjectStore) -> list[Uploaded]:
    """Returns all versions of all uploaded data sets that are ready."""
    found = (ENTRY.fullmatch(name) for name in store.names(NAMED))
    return [Uploaded(entry["id"], entry["name"], int(entry["version"])) for entry in found if entry is not None]


def find_uploaded(store: ObjectStore, reference: str) -> Uploaded | None:
    """Returns the version that an id, `NAME@2` or `NAME` (the newest) means."""
    matches = [each for each in list_uploaded(store) if reference in (each.dataset_id, each.id, each.name)]
    return max(matches, key=lambda each: each.version, default=None)


def newest_version(store: ObjectStore, name: str) -> int:
    """Returns the number of the newest version of a name; 0 if there is none."""
    return max((each.version for each in list_uploaded(store) if each.name == name), default=0)


def read_manifest(store: ObjectStore, uploaded: Uploaded) -> Manifest:
    """Reads the file of a version. Raises FileNotFoundError if it was deleted."""
    with store.open(uploaded.key) as file:
        return Manifest.model_validate_json(file.read())


def packed_folder(store: ObjectStore, uploaded: Uploaded) -> tuple[Path, DatasetCard]:
    """Returns the folder with the packed data of a version, and its card. Raises FileNotFoundError if it is gone, and
    PackedOtherwise."""
    manifest = read_manifest(store, uploaded)
    if manifest.form != PACKED_FORM:
        raise PackedOtherwise
    folder = store.local(packed_key(manifest.packed))
    # Other names may share the packed data, whose own card has the name that was first.
    card = read_card(folder)
    notes = card.notes if manifest.source_note is None else (manifest.source_note, *card.notes)
    return folder, card.model_copy(update={"id": uploaded.id, "origin": manifest.origin, "notes": notes})


def publish(store: ObjectStore, manifest: Manifest, packed: Path) -> None:
    """Publishes the packed data, and then the version that names them. Does nothing if both are there already."""
    uploaded = Uploaded(manifest.id, manifest.name, manifest.version)
    # A deletion looks for versions with the same data at the same time.
    with store.lock("datasets/publication"):
        store.put(packed_key(manifest.packed), packed)
        if is_packed_otherwise(store, uploaded):
            store.delete(uploaded.key)
        path = store.new_path(uploaded.key)
        path.write_text(manifest.model_dump_json(), encoding="utf-8")
        store.put(uploaded.key, path)


def is_packed_otherwise(store: ObjectStore, uploaded: Uploaded) -> bool:
    """Returns whether a version is there, but another version of Bakehouse has packed it."""
    try:
        return read_manifest(store, uploaded).form != PACKED_FORM
    except FileNotFoundError:
        return False


def withdraw(store: ObjectStore, uploaded: Uploaded) -> int:
    """Deletes a version, and the packed data if no other version has them; returns the bytes freed."""
    with store.lock("datasets/publication"):
        try:
            shared = read_manifest(store, uploaded).packed
        except FileNotFoundError:
            return 0
        freed = store.delete(uploaded.key)
        if all(read_manifest(store, other).packed != shared for other in list_uploaded(store)):
            freed += store.delete(packed_key(shared))
    return freed


def remove_unnamed(store: ObjectStore) -> None:
    """Deletes packed data that no version names, because the process that published them was killed."""
    # Without uploads, nothing is written: not even the file of the lock.
    if not store.names(PACKED):
        return
    with store.lock("datasets/publication"):
        named = {packed_key(read_manifest(store, each).packed) for each in list_uploaded(store)}
        for name in store.names(PACKED):
            if f"{PACKED}/{name}" not in named:
                store.delete(f"{PACKED}/{name}")


def packed_key(digest: str) -> str:
    """Returns the key of the packed data with this digest."""
    return f"{PACKED}/{digest}"


def digest_packed(folder: Path) -> str:
    """Returns a digest of packed data and of all that is said of them but their name: files with equal values may
    differ in their separators or in the paths of their pictures, and another form of packing says more."""
    card = json.loads((folder / "card.json").read_bytes())
    said = {field: value for field, value in card.items() if field not in ("id", "title", "origin")}
    digest = sha256(json.dumps([PACKED_FORM, said]).encode())
    paths = folder / "paths.json"
    if paths.is_file():
        digest.update(paths.read_bytes())
    return digest.hexdigest()


def source_key(dataset_id: str) -> str:
    """Returns the key of the folder that holds the file, or the unpacked folder, of an upload."""
    return f"uploads/{dataset_id}/source"
