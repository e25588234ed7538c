"""Opens the store that the settings name: a folder or a bucket."""

import os
from functools import lru_cache

from bakehouse.settings import Settings
from bakehouse.store.file_store import FileStore
from bakehouse.store.object_store import ObjectStore


def open_store(settings: Settings) -> ObjectStore:
    """Returns the store of the data sets. Raises StoreRefused if a bucket cannot be asked with these settings."""
    return FileStore(settings.store_folder) if settings.bucket is None else open_bucket_store(settings, os.getpid())


# The connections to a bucket are kept. They do not survive a fork, so a child makes its own.
@lru_cache(maxsize=8)
def open_bucket_store(settings: Settings, _: int) -> ObjectStore:
    # Imported here, because a process whose store is a folder needs nothing of obstore.
    from bakehouse.store.bucket import Bucket
    from bakehouse.store.bucket_store import BucketStore
    from bakehouse.store.copies import CopyLimit

    bucket = Bucket(settings)
    return BucketStore(bucket, settings.store_folder, CopyLimit(settings, bucket))
