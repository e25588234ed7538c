"""The marker: a random id in the folder of the runs' files, and the same id in Redis.

By comparing the two, processes on several machines notice that they do not share the folder, before files are lost.
"""

import socket

from bakehouse.model import Model
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.errors import FolderNotShared
from bakehouse.runs.keys import Keys
from bakehouse.runs.store import Store
from bakehouse.settings import Settings


class Marker(Model):
    """The folder that a service has registered in Redis."""

    id: str
    folder: str
    """Host and BAKEHOUSE_HOME of that service."""


def register_folder(settings: Settings, store: Store) -> None:
    """Registers the service's folder in Redis if none is; raises FolderNotShared if Redis has another folder."""
    artifacts = Artifacts(settings.artifacts)
    if store.marker() is None:
        own = Marker(id=artifacts.make_marker(), folder=f"{socket.gethostname()}:{settings.home}")
        store.register_marker(own.model_dump_json())
    other = find_other_folder(store, artifacts)
    if other is not None:
        raise FolderNotShared(
            f"This service's BAKEHOUSE_HOME={settings.home} is not the folder that holds the files of the runs in its "
            f"Redis, which is {other.folder}: {difference(artifacts)}. Set BAKEHOUSE_HOME to that folder, or mount it "
            f"here. If it is lost for good, delete the key {Keys().marker()} in Redis: new runs then use this folder."
        )


def check_folder(settings: Settings, store: Store) -> None:
    """Raises FolderNotShared if the service has registered another folder than this worker's."""
    artifacts = Artifacts(settings.artifacts)
    other = find_other_folder(store, artifacts)
    if other is not None:
        raise FolderNotShared(
            f"This worker's BAKEHOUSE_HOME={settings.home} is not the folder that the service uses, which is "
            f"{other.folder}: {difference(artifacts)}. Set BAKEHOUSE_HOME to that folder, or mount it here."
        )


def find_other_folder(store: Store, artifacts: Artifacts) -> Marker | None:
    """Returns the registered folder if it is not the folder of these artifacts."""
    # Redis is read first: a service writes the marker into its folder before it registers the folder.
    registered = store.marker()
    if registered is None:
        return None
    marker = Marker.model_validate_json(registered)
    return None if marker.id == artifacts.marker() else marker


def difference(artifacts: Artifacts) -> str:
    return "it has no marker that can be read" if artifacts.marker() is None else "its marker is another one"
