"""Opens the store of the runs' files that the settings name: a folder or a bucket."""

import os
from functools import lru_cache

from bakehouse.runs.artifacts import Artifacts
from bakehouse.settings import Settings


def open_artifacts(settings: Settings) -> Artifacts:
    """Returns the files of the runs. Raises StoreRefused if a bucket cannot be asked with these settings."""
    return Artifacts(settings.artifacts) if settings.bucket is None else open_shared(settings, os.getpid())


# The connections to a bucket are kept. They do not survive a fork, so a child makes its own.
@lru_cache(maxsize=8)
def open_shared(settings: Settings, _: int) -> Artifacts:
    # Imported here, because a process whose store is a folder needs nothing of obstore.
    from bakehouse.runs.shared_artifacts import SharedArtifacts
    from bakehouse.store.bucket import Bucket
    from bakehouse.store.copies import CopyLimit

    bucket = Bucket(settings)
    return SharedArtifacts(settings.artifacts, bucket, CopyLimit(settings, bucket))
