"""Every setting, from `BAKEHOUSE_*` environment variables, with its default."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class Settings(BaseSettings):
    """Read once where a process starts and handed down; nothing else reads the environment."""

    model_config = SettingsConfigDict(env_prefix="BAKEHOUSE_", frozen=True, use_attribute_docstrings=True)

    home: AbsolutePath = Path(".bakehouse")
    """The one folder of all state: Redis's files, artifacts, packed data sets. The service and its workers share it."""
    data: AbsolutePath | None = None
    """A folder whose files and folders are data sets by their names."""
    host: str = "127.0.0.1"
    """The address that the service listens on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """The port that the service listens on; 0 takes a free one."""
    url: str | None = None
    """Where clients find the service; by default http://127.0.0.1 and `port`."""
    redis_url: str | None = None
    """An outside Redis; by default one is started in `home`."""
    workers: int = Field(default=1, ge=0, le=256)
    """Worker processes on this machine."""
    threads: int | None = Field(default=None, ge=1, le=256)
    """Torch threads of a training process; by default 1 on a CPU unless the recipe is large."""
    memory_bytes: int | None = Field(default=None, ge=1 << 20)
    """What a training process may use; by default all that the machine or the container has."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, or `auto`: a GPU where there is one."""
    max_parameters: int = Field(default=200_000_000, ge=1)
    """Recipes whose model has more parameters are refused."""
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    """Larger request bodies are refused with 413."""
    lease_seconds: float = Field(default=10.0, gt=0)
    """How long a run belongs to a training process that is not heard of."""
    insecure: bool = False
    """Listen on an address other than loopback although nobody has to show a key."""

    @property
    def artifacts(self) -> Path:
        """Where checkpoints and resume states are kept."""
        return self.home / "artifacts"

    @property
    def trained(self) -> Path:
        """Where runs without a service have their folders."""
        return self.home / "train"

    @property
    def datasets(self) -> Path:
        """Where packed data sets are kept."""
        return self.home / "datasets"

    @property
    def base_url(self) -> str:
        """The address a client on this machine uses."""
        return self.url or f"http://127.0.0.1:{self.port}"
