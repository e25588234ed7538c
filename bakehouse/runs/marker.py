"""Writes and checks the marker: a random id that is stored both in the folder of the runs' files and in Redis.

If the two ids differ, a process does not use the shared folder. It notices this before files are lost.
"""

import socket

from bakehouse.model import Model
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.errors import FolderNotShared
from bakehouse.runs.keys import Keys
from bakehouse.runs.store import Store
from bakehouse.settings import Settings


class Marker(Model):
    """The entry in Redis of the folder that a service has registered."""

    id: str
    folder: str
    """Host and BAKEHOUSE_HOME of the service that registered the folder."""


def register_folder(settings: Settings, store: Store) -> None:
    """Registers the service's folder in Redis if no folder is registered; raises FolderNotShared if another one is."""
    artifacts = Artifacts(settings.artifacts)
    if store.marker() is None:
        own = Marker(id=artifacts.make_marker(), folder=f"{socket.gethostname()}:{settings.home}")
        store.register_marker(own.model_dump_json())
    other = find_other_folder(store, artifacts)
    if other is not None:
        raise FolderNotShared(
            f"BAKEHOUSE_HOME={settings.home} of this service is not the folder that holds the files of the runs in its "
            f"Redis. That folder is {other.folder}; this one {difference(artifacts)}. Set BAKEHOUSE_HOME to that "
            f"folder, or mount it here. If it is lost for good, delete the key {Keys().marker()} in Redis: new runs "
            "then use this folder."
        )


def check_folder(settings: Settings, store: Store) -> None:
    """Raises FolderNotShared if the folder that the service has registered is not this worker's folder."""
    artifacts = Artifacts(settings.artifacts)
    other = find_other_folder(store, artifacts)
    if other is not None:
        raise FolderNotShared(
            f"BAKEHOUSE_HOME={settings.home} of this worker is not the folder that the service uses. That folder is "
            f"{other.folder}; this one {difference(artifacts)}. Set BAKEHOUSE_HOME to that folder, or mount it here."
        )


def find_other_folder(store: Store, artifacts: Artifacts) -> Marker | None:
    """Returns the registered folder if it is not the folder of these artifacts, else None."""
    # Redis is read first: a service writes the marker into its folder before it registers the folder.
    registered = store.marker()
    if registered is None:
        return None
    marker = Marker.model_validate_json(registered)
    return None if marker.id == artifacts.marker() else marker


def difference(artifacts: Artifacts) -> str:
    return "has no readable marker" if artifacts.marker() is None else "has a different marker"
