"""Writes and checks the marker: a random id that is stored both in the store of the runs' files and in Redis.

If the two ids differ, a process does not use the store. It notices this before files are lost.
"""

import socket

from bakehouse.model import Model
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.errors import FolderNotShared, MarkerDamaged, MarkerNotFound
from bakehouse.runs.keys import Keys
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.store import Store
from bakehouse.settings import Settings


class Marker(Model):
    """The entry in Redis of the store that a service has registered."""

    id: str
    folder: str
    """Host and BAKEHOUSE_HOME of the service that registered the folder, or the address of the bucket."""


def register_folder(settings: Settings, store: Store) -> None:
    """Registers the service's folder in Redis if no folder is registered; raises FolderNotShared if another one is.

    Raises OSError if the folder's marker cannot be read or written.
    """
    artifacts = open_artifacts(settings)
    if registered_marker(store) is None:
        own = Marker(id=artifacts.make_marker(), folder=place_of(settings))
        store.register_marker(own.model_dump_json())
    # Another service may have registered its folder at the same time; Redis keeps the first marker.
    refuse_other_folder(
        store,
        settings,
        artifacts,
        f"{settings.store_name} of this service is not the {kind_of(settings)} that holds the files of the runs in its "
        "Redis.",
    )


def check_folder(settings: Settings, store: Store) -> None:
    """Raises FolderNotShared if the folder that the service has registered is not this worker's folder.

    Raises OSError if the folder's marker cannot be read.
    """
    problem = f"{settings.store_name} of this worker is not the {kind_of(settings)} that the service uses."
    refuse_other_folder(store, settings, open_artifacts(settings), problem)


def refuse_other_folder(store: Store, settings: Settings, artifacts: Artifacts, problem: str) -> None:
    """Raises FolderNotShared, with the problem and the ways out, if the folder of these artifacts is not registered."""
    # Redis is read first: a service writes the marker into its folder before it registers the folder.
    registered = registered_marker(store)
    # A worker may start before the first service has registered a folder.
    if registered is None:
        return
    found = artifacts.marker()
    if found == registered.id:
        return
    what = kind_of(settings)
    difference = "has no readable marker" if found is None else "has a different marker"
    kind = MarkerNotFound if found is None else FolderNotShared
    raise kind(f"{problem} That {what} is {registered.folder}; this one {difference}. {way_out(settings, registered)}")


def place_of(settings: Settings) -> str:
    """Returns the name of a store that other machines understand."""
    return settings.store or f"{socket.gethostname()}:{settings.home}"


def kind_of(settings: Settings) -> str:
    """Returns what the store is called in messages."""
    return "folder" if settings.store is None else "store"


def way_out(settings: Settings, registered: Marker) -> str:
    """Returns what to do if the store is another one than the registered one."""
    lost = (
        f"If it is lost for good, delete the key {Keys().marker()} in Redis: new runs then use the "
        f"{kind_of(settings)} of the service."
    )
    if settings.store is None:
        return f"Set BAKEHOUSE_HOME to that folder, or mount it here. {lost}"
    home = settings.model_copy(update={"store": None})
    # Nothing is lost, and without the key a new store would be used that has none of the files.
    if Artifacts(home.artifacts).marker() == registered.id:
        return (
            f"The files of the runs are in {home.store_name}: a service that starts there copies them into "
            "BAKEHOUSE_STORE if that is empty; without BAKEHOUSE_STORE they are used where they are."
        )
    return f"Set BAKEHOUSE_STORE to that store, here and for all services and workers. {lost}"


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
