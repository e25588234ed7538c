"""Writes and checks the marker: a random id that is stored both in the folder of the runs' files and in Redis.

If the two ids differ, a process does not use the shared folder. It notices this before files are lost.
"""

import socket

from bakehouse.model import Model
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.errors import FolderNotShared, MarkerDamaged, MarkerNotFound
from bakehouse.runs.keys import Keys
from bakehouse.runs.store import Store
from bakehouse.settings import Settings


class Marker(Model):
    """The entry in Redis of the folder that a service has registered."""

    id: str
    folder: str
    """Host and BAKEHOUSE_HOME of the service that registered the folder."""


def register_folder(settings: Settings, store: Store) -> None:
    """Registers the service's folder in Redis if no folder is registered; raises FolderNotShared if another one is.

    Raises OSError if the folder's marker cannot be read or written.
    """
    artifacts = Artifacts(settings.artifacts)
    if registered_marker(store) is None:
        own = Marker(id=artifacts.make_marker(), folder=f"{socket.gethostname()}:{settings.home}")
        store.register_marker(own.model_dump_json())
    # Another service may have registered its folder at the same time; Redis keeps the first marker.
    refuse_other_folder(
        store,
        artifacts,
        f"BAKEHOUSE_HOME={settings.home} of this service is not the folder that holds the files of the runs in its "
        "Redis.",
    )


def check_folder(settings: Settings, store: Store) -> None:
    """Raises FolderNotShared if the folder that the service has registered is not this worker's folder.

    Raises OSError if the folder's marker cannot be read.
    """
    problem = f"BAKEHOUSE_HOME={settings.home} of this worker is not the folder that the service uses."
    refuse_other_folder(store, Artifacts(settings.artifacts), problem)


def refuse_other_folder(store: Store, artifacts: Artifacts, problem: str) -> None:
    """Raises FolderNotShared, with the problem and the ways out, if the folder of these artifacts is not registered."""
    # Redis is read first: a service writes the marker into its folder before it registers the folder.
    registered = registered_marker(store)
    # A worker may start before the first service has registered a folder.
    if registered is None:
        return
    found = artifacts.marker()
    if found == registered.id:
        return
    difference = "has no readable marker" if found is None else "has a different marker"
    kind = MarkerNotFound if found is None else FolderNotShared
    raise kind(
        f"{problem} That folder is {registered.folder}; this one {difference}. Set BAKEHOUSE_HOME to that folder, or "
        f"mount it here. If it is lost for good, delete the key {Keys().marker()} in Redis: new runs then use the "
        "folder of the service."
    )


def registered_marker(store: Store) -> Marker | None:
    """Returns the entry of the registered folder, or None; raises MarkerDamaged if Redis holds something else."""
    try:
        text = store.marker()
        return None if text is None else Marker.model_validate_json(text)
    except ValueError as error:  # not UTF-8, not JSON, or with wrong fields
        key = Keys().marker()
        raise MarkerDamaged(
            f"The key {key} in Redis is damaged: it does not hold the id and the name of the folder with the files of "
            f"the runs. Delete the key {key}: the service then registers its BAKEHOUSE_HOME again."
        ) from error
