"""The images and the compose file, checked without a container engine."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bakehouse.settings import is_setting

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent
PASSWORD = "S3cretOfThisTest"
SERVICES = ["redis", "service", "worker", "worker-gpu"]
OURS = ["service", "worker", "worker-gpu"]


FILES = ("docker-compose.yml", "docker-compose.shared.yml", "docker-compose.fetch.yml")
FETCHING = (
    "BAKEHOUSE_DATASET_HOSTS",
    "BAKEHOUSE_PRIVATE_DATASET_HOSTS",
    "BAKEHOUSE_S3_ENDPOINT",
    "BAKEHOUSE_S3_REGION",
)
NO_SETTINGS = ("BAKEHOUSE_REDIS_PASSWORD", "BAKEHOUSE_REDIS_BIND", "BAKEHOUSE_STATE")
"""What `.env` has for Compose alone."""


def docker_compose(password: str, *files: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BAKEHOUSE_")}
    chosen = [part for file in ("docker-compose.yml", *files) for part in ("-f", file)]
    return subprocess.run(
        [TOOLS / "docker-compose", *chosen, "--profile", "gpu", "config", "--format", "json"],
        check=False,
        cwd=ROOT,
        env=environment | {"BAKEHOUSE_REDIS_PASSWORD": password} | settings,
        capture_output=True,
        text=True,
    )


@cache
def services() -> dict[str, Any]:
    ended = docker_compose(PASSWORD)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout)["services"])


@cache
def stages() -> dict[str, list[str]]:
    """The instructions of each stage of the Dockerfile, after those of the stage that it builds on."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if start := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            lines = found.setdefault(start[2], list(found.get(start[1], [line])))
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


def test_hadolint_finds_nothing() -> None:
    ended = subprocess.run([TOOLS / "hadolint", "Dockerfile"], check=False, cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_compose_file_has_exactly_the_services_that_are_tested_here() -> None:
    assert sorted(services()) == sorted(SERVICES)


def test_with_keys_the_service_is_published_and_starts_only_with_one() -> None:
    refused = docker_compose(PASSWORD, "docker-compose.keys.yml")
    assert "put the address of this machine for its users into .env" in refused.stderr
    ended = docker_compose(PASSWORD, "docker-compose.keys.yml", BAKEHOUSE_BIND="10.0.0.5")
    assert ended.returncode == 0, ended.stderr
    service = json.loads(ended.stdout)["services"]["service"]
    assert service["environment"]["BAKEHOUSE_INSECURE"] == "0"
    assert [port["host_ip"] for port in service["ports"]] == ["127.0.0.1", "10.0.0.5"]


def test_nothing_starts_without_a_password() -> None:
    refused = docker_compose("")
    assert refused.returncode != 0
    assert "put BAKEHOUSE_REDIS_PASSWORD into .env" in refused.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_the_password_is_in_no_command(name: str) -> None:
    service = services()[name]
    assert PASSWORD not in json.dumps([service["command"], service.get("healthcheck"), service.get("build")])
    assert PASSWORD in json.dumps(service["environment"])


@pytest.mark.parametrize("name", SERVICES)
def test_containers_are_confined(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert all("size=" in mount for mount in service["tmpfs"])
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


def test_only_the_service_is_published_and_only_on_loopback() -> None:
    published = [(name, port["host_ip"]) for name in services() for port in services()[name].get("ports", [])]
    assert published == [("service", "127.0.0.1")]


@pytest.mark.parametrize("name", ["redis", "worker", "worker-gpu"])
def test_redis_and_workers_are_only_in_the_internal_network(name: str) -> None:
    assert list(services()[name]["networks"]) == ["inside"]


@pytest.mark.parametrize(
    "setting", ["appendonly yes", "appendfsync always", "maxmemory-policy noeviction", "requirepass"]
)
def test_redis_is_durable_and_asks_for_a_password(setting: str) -> None:
    assert setting in services()["redis"]["command"][-1]


@pytest.mark.parametrize("name", ["worker", "worker-gpu"])
def test_a_worker_has_time_to_write_its_resume_state(name: str) -> None:
    assert services()[name]["stop_grace_period"] == "45s"


def test_only_the_gpu_worker_reserves_the_gpu() -> None:
    holders = [name for name in services() if "reservations" in services()[name]["deploy"]["resources"]]
    assert holders == ["worker-gpu"]
    assert services()["worker-gpu"]["profiles"] == ["gpu"]


@pytest.mark.parametrize("name", OURS)
def test_artifacts_and_data_sets_are_on_one_shared_volume(name: str) -> None:
    mounts = [(mount["source"], mount["target"]) for mount in services()[name]["volumes"]]
    assert mounts[0] == ("state", "/var/lib/bakehouse")


@pytest.mark.parametrize("name", OURS)
def test_the_folder_of_data_is_mounted_read_only(name: str) -> None:
    data = services()[name]["volumes"][1]
    assert (data["target"], data["read_only"]) == (services()[name]["environment"]["BAKEHOUSE_DATA"], True)


@pytest.mark.parametrize("name", OURS)
def test_compose_builds_a_target_that_exists(name: str) -> None:
    assert services()[name]["build"]["target"] in stages()


@pytest.mark.parametrize("target", ["service", "worker"])
def test_images_do_not_run_as_root_and_bases_are_pinned(target: str) -> None:
    assert [line for line in stages()[target] if line.startswith("USER ")] == ["USER 10001:10001"]
    assert re.fullmatch(r"FROM python:3\.\d+\.\d+-slim-\w+ AS \w+", stages()[target][0])


@pytest.mark.parametrize(("target", "extra"), [("service", ".[service]"), ("worker", ".[worker]")])
def test_each_image_installs_only_what_it_runs(target: str, extra: str) -> None:
    installs = re.findall(r"'(\.\[.*?\])'", "\n".join(stages()[f"build-{target}"]))
    assert installs == [extra]
    assert f"COPY --from=build-{target} /opt/venv /opt/venv" in stages()[target]


def test_the_service_has_a_health_check() -> None:
    assert any(line.startswith("HEALTHCHECK") for line in stages()["service"])


SHARED = {"BAKEHOUSE_REDIS_BIND": "10.0.0.5", "BAKEHOUSE_STATE": "/mnt/bakehouse"}


def test_workers_outside_compose_reach_redis_at_the_chosen_address_and_share_the_folder() -> None:
    ended = docker_compose(PASSWORD, "docker-compose.shared.yml", **SHARED)
    assert ended.returncode == 0, ended.stderr
    project = json.loads(ended.stdout)
    redis = project["services"]["redis"]
    assert [(port["host_ip"], port["target"]) for port in redis["ports"]] == [("10.0.0.5", 6379)]
    # An internal network publishes no ports.
    assert list(redis["networks"]) == ["inside", "outside"]
    assert project["volumes"]["state"]["driver_opts"] == {"type": "none", "o": "bind", "device": "/mnt/bakehouse"}
    others = {name: service for name, service in project["services"].items() if name != "redis"}
    assert others == {name: service for name, service in services().items() if name != "redis"}


@pytest.mark.parametrize("name", SHARED)
def test_redis_is_not_published_by_accident(name: str) -> None:
    refused = docker_compose(PASSWORD, "docker-compose.shared.yml", **{**SHARED, name: ""})
    assert refused.returncode != 0
    assert f"into .env, as {name}" in refused.stderr


def test_every_setting_in_the_compose_files_exists() -> None:
    text = "".join((ROOT / file).read_text() for file in FILES)
    names = set(re.findall(r"BAKEHOUSE_[A-Z0-9_]+", text)) - set(NO_SETTINGS)
    assert {*FETCHING, "BAKEHOUSE_S3_CREDENTIALS"} < names
    assert [name for name in names if not is_setting(name)] == []


@pytest.mark.parametrize("name", OURS)
def test_service_and_workers_know_where_data_sets_may_be_fetched_from(name: str) -> None:
    chosen = dict.fromkeys(FETCHING, "chosen")
    ended = docker_compose(PASSWORD, **chosen)
    environment = json.loads(ended.stdout)["services"][name]["environment"]
    assert {key: environment[key] for key in FETCHING} == chosen
    # Not chosen, they are empty, which is like none.
    assert {services()[name]["environment"][key] for key in FETCHING} == {""}


def test_workers_that_fetch_have_a_way_out_and_alone_the_access_key() -> None:
    for file, place in (("/etc/key", "/run/secrets/s3_credentials"), ("", "")):
        ended = docker_compose(PASSWORD, "docker-compose.fetch.yml", BAKEHOUSE_S3_CREDENTIALS=file)
        assert ended.returncode == 0, ended.stderr
        project = json.loads(ended.stdout)
        assert project["secrets"]["s3_credentials"]["file"] == (file or "/dev/null")
        for name, service in project["services"].items():
            if name.startswith("worker"):
                assert sorted(service["networks"]) == ["inside", "outside"]
                assert service["environment"].pop("BAKEHOUSE_S3_CREDENTIALS") == place
                assert [secret["source"] for secret in service.pop("secrets")] == ["s3_credentials"]
                service["networks"] = services()[name]["networks"]
            assert service == services()[name]


@pytest.mark.parametrize("page", ["README.md", "docs/several_users.md"])
def test_the_commands_for_compose_name_what_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    names = set(re.findall(r"--scale ([\w-]+)=", text))
    assert names
    assert names <= set(SERVICES)
    assert set(re.findall(r"--profile (\w+)", text)) == {"gpu"}
    assert all((ROOT / file).exists() for file in re.findall(r"-f (\S+\.yml)", text))
    compose = "".join((ROOT / file).read_text() for file in FILES)
    for setting in re.findall(r'echo "(BAKEHOUSE_\w+)=', text):
        assert f"${{{setting}:" in compose
