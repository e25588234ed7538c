"""Defines every setting with its default. Environment variables `BAKEHOUSE_*` change the settings."""

import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

PREFIX = "bakehouse_"

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
# A name or address with an optional port; an IPv6 address has brackets.
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")

MAX_DEFAULT_WORKERS = 4
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
FILE_SCHEME = "file://"
S3_SCHEME = "s3://"
# Names of the prefix, as the store's own names, so that no step of a path is `..`.
BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


def available_cores() -> int:
    """Returns the number of cores that this process may use, which a container may limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cgroup = Path("/sys/fs/cgroup/cpu.max")
    quota, _, period = cgroup.read_text(encoding="ascii").partition(" ") if cgroup.exists() else ("max", "", "")
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def split_at_commas(text: str) -> list[str]:
    """Returns the items of a list in a setting."""
    return text.replace(",", " ").lower().split()


def check_hosts(text: str) -> str:
    """Raises ValueError if an item is not a host."""
    for item in split_at_commas(text):
        if not HOST.fullmatch(item):
            raise ValueError(f"{item!r} should be a name or an address, with or without a port, but without http://")
    return text


def check_networks(text: str) -> str:
    """Raises ValueError if an item is not an address or a network."""
    for item in split_at_commas(text):
        # Without strict, an address with bits behind the prefix, such as 10.0.0.7/8, is a network too.
        ip_network(item, strict=False)
    return text


def check_endpoint(text: str) -> str:
    """Raises ValueError if the text is not https:// and a host; returns it in lower case."""
    address = text.lower().removesuffix("/")
    if not (address.startswith("https://") and HOST.fullmatch(address.removeprefix("https://"))):
        raise ValueError("should be https:// and a host, with or without a port: https://minio.example.org:9000")
    return address


def check_store(text: str) -> str:
    """Raises ValueError if the text names neither a folder nor a bucket; returns it without a slash at the end."""
    address = text.rstrip("/") or text
    is_folder = address.startswith(f"{FILE_SCHEME}/")
    if not (is_folder or BUCKET.fullmatch(address)):
        raise ValueError(
            "should be a folder, file:///mnt/bakehouse, or a bucket with an optional prefix, s3://bucket/prefix; the "
            "prefix has letters, digits and ._- between its slashes"
        )
    return address


def check_store_endpoint(text: str) -> str:
    """Raises ValueError if the text is not the address of a server; returns it in lower case."""
    address = text.lower().removesuffix("/")
    scheme, found, host = address.partition("://")
    if scheme not in ("http", "https") or not found or not HOST.fullmatch(host):
        raise ValueError("should be http:// or https:// and a host, with or without a port: http://minio:9000")
    return address


def check_redis_url(text: str) -> str:
    """Raises ValueError if the text is not the address of a Redis."""
    if not text.startswith(REDIS_SCHEMES):
        raise ValueError(f"should begin with {', '.join(REDIS_SCHEMES[:-1])} or {REDIS_SCHEMES[-1]}")
    return text


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach the address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_setting(name: str) -> bool:
    """Returns whether an environment variable changes a setting."""
    return name.lower().startswith(PREFIX) and name.lower().removeprefix(PREFIX) in Settings.model_fields


class Settings(BaseModel):
    """The settings of a process. They are read once at its start and passed on; nothing else reads the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    # The package pydantic-settings does this too, but an import of it takes as long as one of pydantic.
    def __init__(self, **chosen: Any) -> None:
        # An empty variable is like none: Compose sets those to empty that nobody has chosen.
        variables = {
            name.lower().removeprefix(PREFIX): text for name, text in os.environ.items() if text and is_setting(name)
        }
        super().__init__(**{**variables, **chosen})

    home: AbsolutePath = Path(".bakehouse")
    """The folder of all state: Redis's files, artifacts and packed data sets. The service and its workers share it."""
    store: Annotated[str, AfterValidator(check_store)] | None = None
    """Where services and workers of all machines find the checkpoints, resume states, archived logs and uploaded data
    sets: a folder that all of them see, such as file:///mnt/bakehouse, or a bucket, s3://BUCKET/PREFIX. By default they
    are in `home`, which all machines then have to share. With a bucket, `home` keeps copies of what was used last."""
    store_endpoint: Annotated[str, AfterValidator(check_store_endpoint)] | None = None
    """The address of the server that has the bucket of `store`, such as http://minio.example.org:9000; by default that
    of `s3_endpoint`, or else Amazon's."""
    cache_bytes: int = Field(default=20 << 30, ge=1 << 20)
    """Limit on the bytes of the copies that `home` keeps of what is in the bucket of `store`; those that were not used
    for longest are deleted."""
    data: AbsolutePath | None = None
    """A folder of data sets: each file or folder in it is a data set of that name."""
    host: str = "127.0.0.1"
    """The address that the service listens on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """The port that the service listens on; 0 chooses a free port."""
    url: str | None = None
    """The address at which clients reach the service; by default http://127.0.0.1 and `port`."""
    redis_url: Annotated[str, AfterValidator(check_redis_url)] | None = None
    """The address of an outside Redis; by default `bakehouse up` starts one in `home`."""
    workers: int | None = Field(default=None, ge=0, le=256)
    """The number of worker processes on this machine; by default one per core, but at most four."""
    threads: int | None = Field(default=None, ge=1, le=256)
    """Number of torch threads of a training process; by default 1."""
    memory_bytes: int | None = Field(default=None, ge=1 << 20)
    """Bytes of memory that a training process may use; by default all memory of the machine or the container."""
    device: str = "auto"
    """The device that trains: `cpu`, `cuda`, `cuda:1`, or `auto`, which uses a GPU if the machine has one."""
    max_parameters: int = Field(default=200_000_000, ge=1)
    """Limit on the parameters of a model; recipes with larger models are refused."""
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    """Limit on the bytes of a request body; larger ones are refused with 413."""
    max_prediction_bytes: int = Field(default=8 << 20, ge=1024)
    """Limit on the bytes of rows or of a picture to predict for; larger ones are refused with 413."""
    max_prediction_rows: int = Field(default=10_000, ge=1)
    """Limit on the rows of one request to predict."""
    max_dataset_bytes: int = Field(default=100 << 30, ge=1024)
    """Limit on the bytes of an uploaded data set; larger ones are refused with 413."""
    max_uploaded_bytes: int | None = Field(default=None, ge=1024)
    """Limit on the bytes of all uploaded data sets together, unfinished ones included; by default the disk is the
    limit."""
    upload_part_bytes: int = Field(default=32 << 20, ge=1024)
    """Size of a part of an upload; larger parts are refused with 413."""
    max_upload_parts: int = Field(default=10_000, ge=1)
    """Limit on the number of parts of an upload."""
    upload_seconds: float = Field(default=86_400.0, gt=0)
    """Seconds after its last part until an upload that was not completed is deleted."""
    max_archive_entries: int = Field(default=200_000, ge=1)
    """Limit on the files and folders in an uploaded archive."""
    max_unpacked_bytes: int = Field(default=50 << 30, ge=1024)
    """Limit on the bytes of all files in an uploaded archive."""
    max_entry_bytes: int = Field(default=4 << 30, ge=1024)
    """Limit on the bytes of one file in an uploaded archive."""
    dataset_hosts: Annotated[str, AfterValidator(check_hosts)] = ""
    """Hosts, separated by commas, from which data sets are fetched by an address that begins with https:// or s3://, on
    port 443 unless the host is listed with another one. By default nothing is fetched. Hosts of which any address is
    private, loopback or link-local are refused."""
    private_dataset_hosts: Annotated[str, AfterValidator(check_hosts)] = ""
    """More hosts, from which data sets are fetched although their addresses may be private or loopback, such as a
    server of your own network. Whoever reaches the service can then read from them."""
    s3_endpoint: Annotated[str, AfterValidator(check_endpoint)] | None = None
    """The address of the store of which `s3://BUCKET/KEY` names an object, such as https://minio.example.org:9000; by
    default Amazon's, which has the object at BUCKET.s3.REGION.amazonaws.com. `dataset_hosts` must list that host."""
    s3_region: str = Field(default="us-east-1", pattern="^[a-z0-9-]{1,40}$")
    """The region of the buckets that `s3://` names."""
    s3_credentials: AbsolutePath | None = None
    """A file with the access key for `s3://`, in the form of ~/.aws/credentials, of which the part `[default]` is read
    again and again. For data sets only the workers' machines need it; by default their requests are not signed, and
    only public objects can be fetched. For the bucket of `store`, every machine needs it, unless AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY or the machine's own role give access."""
    fetch_seconds: float = Field(default=3600.0, gt=0)
    """Seconds after which a data set that is still being fetched from another host is refused."""
    lease_seconds: float = Field(default=10.0, gt=0)
    """Length of a lease: a training process that does not renew its lease within this time loses its run."""
    allowed_hosts: Annotated[str, AfterValidator(check_hosts)] = ""
    """More hosts, separated by commas, by which clients reach the service. On loopback, it answers only requests for
    these, for `url`'s host, and for loopback's names; on another address, it answers for every host unless this is
    set. A web page of these hosts may change runs even if a proxy changes the header `Host`."""
    max_streams_per_address: int = Field(default=50, ge=1)
    """Limit on the event streams and long polls of one client address; loopback and `trusted_proxies` have none."""
    trusted_proxies: Annotated[str, AfterValidator(check_networks)] = ""
    """Addresses or networks of reverse proxies, separated by commas. Many clients share such an address."""
    archive_after_seconds: float = Field(default=3600.0, ge=0)
    """Seconds after the end of a run until its log moves from Redis into a compressed file."""
    insecure: bool = False
    """Whether the service may listen on an address other than loopback although there is no API key, so that every
    client has full access. With keys (`bakehouse keys create`), it has no effect."""
    api_key: SecretStr | None = None
    """The API key that `bakehouse` and the Python client send to the service; they never show it."""
    api_key_file: AbsolutePath | None = None
    """A file with that API key, in place of `api_key`: other programs of the same user can read the environment."""

    @property
    def worker_count(self) -> int:
        """The number of worker processes on this machine."""
        return min(available_cores(), MAX_DEFAULT_WORKERS) if self.workers is None else self.workers

    @property
    def bucket(self) -> str | None:
        """The bucket of the store with its prefix, or None if the store is a folder."""
        return self.store if self.store is not None and self.store.startswith(S3_SCHEME) else None

    @property
    def shared_folder(self) -> Path:
        """The folder of the store; if that is a bucket, the folder of what this machine has written or fetched."""
        is_folder = self.store is not None and self.bucket is None
        return Path(str(self.store).removeprefix(FILE_SCHEME)) if is_folder else self.home

    @property
    def store_name(self) -> str:
        """The setting that says where the store is, for messages."""
        return f"BAKEHOUSE_HOME={self.home}" if self.store is None else f"BAKEHOUSE_STORE={self.store}"

    @property
    def artifacts(self) -> Path:
        """The folder of checkpoints and resume states."""
        return self.shared_folder / "artifacts"

    @property
    def trained(self) -> Path:
        """The folder of the runs that `bakehouse train` trains without a service."""
        return self.home / "train"

    @property
    def datasets(self) -> Path:
        """The folder of packed data sets."""
        return self.home / "datasets"

    @property
    def store_folder(self) -> Path:
        """The folder in which uploaded data sets are kept."""
        return self.shared_folder / "store"

    @property
    def base_url(self) -> str:
        """The address at which clients reach the service."""
        return self.url or f"http://127.0.0.1:{self.port}"


def explain_settings(error: ValidationError) -> str:
    """Returns a line for each invalid setting: its name, its value, and the reason."""
    lines = [
        f"  BAKEHOUSE_{'_'.join(map(str, item['loc'])).upper()} is {str(item['input'])!r}: {item['msg']}"
        for item in error.errors()
    ]
    return "\n".join(["a setting is invalid", *lines])
