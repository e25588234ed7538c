"""Every setting with its default; `BAKEHOUSE_*` environment variables set them."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class Settings(BaseSettings):
    """The settings of a process: read once when it starts and passed on; nothing else reads the environment."""

    model_config = SettingsConfigDict(env_prefix="BAKEHOUSE_", frozen=True, use_attribute_docstrings=True)

    home: AbsolutePath = Path(".bakehouse")
    """The folder of all state: Redis's files, artifacts, packed data sets. The service and its workers share it."""
    data: AbsolutePath | None = None
    """A folder of data sets: each file or folder in it is one, under its name."""
    host: str = "127.0.0.1"
    """The address that the service listens on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """The port that the service listens on; 0 takes a free one."""
    url: str | None = None
    """The address at which clients reach the service; by default http://127.0.0.1 and `port`."""
    redis_url: str | None = None
    """The address of an outside Redis; by default `bakehouse up` starts one in `home`."""
    workers: int = Field(default=1, ge=0, le=256)
    """The number of worker processes on this machine."""
    threads: int | None = Field(default=None, ge=1, le=256)
    """Torch threads of a training process; by default 1."""
    memory_bytes: int | None = Field(default=None, ge=1 << 20)
    """Memory that a training process may use; by default all that the machine or the container has."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, or `auto`: a GPU if the machine has one."""
    max_parameters: int = Field(default=200_000_000, ge=1)
    """Recipes whose model has more parameters are refused."""
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    """Larger request bodies are refused with 413."""
    lease_seconds: float = Field(default=10.0, gt=0)
    """A training process that does not renew its lease for so long loses its run."""
    insecure: bool = False
    """Listen on an address other than loopback, although every client there has full access."""

    @property
    def artifacts(self) -> Path:
        """The folder of checkpoints and resume states."""
        return self.home / "artifacts"

    @property
    def trained(self) -> Path:
        """The folder of the runs that `bakehouse train` trains without a service."""
        return self.home / "train"

    @property
    def datasets(self) -> Path:
        """The folder of packed data sets."""
        return self.home / "datasets"

    @property
    def base_url(self) -> str:
        """The address at which clients reach the service."""
        return self.url or f"http://127.0.0.1:{self.port}"
