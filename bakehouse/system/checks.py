"""The checks: each is a function that looks at the facts and returns a row, or None if it cannot know.

To add one, write the function and list it in CHECKS.
"""

import os
import platform
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from bakehouse.plurals import count_of
from bakehouse.runs.artifacts import RESERVE_BYTES, Artifacts
from bakehouse.runs.errors import StorageFull, StorageUnavailable
from bakehouse.runs.run import Worker
from bakehouse.settings import available_cores
from bakehouse.store.errors import StoreRefused
from bakehouse.store.open_store import open_store
from bakehouse.system.access import check_access
from bakehouse.system.system import Inspection, Row, System, error, ok, warning, worst
from bakehouse.version import VERSION

Check = Callable[[Inspection], Row | None]

OLDEST_REDIS = (6, 2)
LITTLE_SPACE_BYTES = 1 << 30
MUCH_MEMORY = 0.8
TOO_MUCH_MEMORY = 0.95
DRIVER = Path("/proc/driver/nvidia/version")


def check_redis(inspection: Inspection) -> Row:
    redis = inspection.redis
    if redis.problem is not None:
        own = "`bakehouse up` starts one; its log is logs/redis.log in BAKEHOUSE_HOME."
        outside = "Start the Redis at BAKEHOUSE_REDIS_URL, or correct this setting."
        fix = own if inspection.settings.redis_url is None else outside
        return error("redis", "does not answer", redis.problem, fix)
    if not redis.is_writable:
        fix = "Free memory or disk of the Redis server, or name the primary server in BAKEHOUSE_REDIS_URL."
        return error("redis", "refuses writes", "Redis answers, but accepts no writes, so no run is accepted.", fix)
    return ok("redis", "answers and accepts writes")


def check_redis_version(inspection: Inspection) -> Row | None:
    redis = inspection.redis
    if redis.problem is not None:
        return None
    found = f"{redis.product} {redis.version}"
    if tuple(map(int, redis.version.split(".")[:2])) < OLDEST_REDIS:
        return error("redis_version", found, "This version lacks commands that the store needs.", "Use 6.2 or newer.")
    return ok("redis_version", found)


def check_appendonly(inspection: Inspection) -> Row | None:
    problem = "Redis keeps runs in memory only, so a restart of Redis loses them."
    return check_setting(inspection, "appendonly", "yes", problem, error)


def check_appendfsync(inspection: Inspection) -> Row | None:
    problem = "Redis answers before a write is on disk, so a power failure loses accepted runs."
    return check_setting(inspection, "appendfsync", "always", problem, warning)


def check_maxmemory_policy(inspection: Inspection) -> Row | None:
    problem = "Redis deletes runs when its memory is full, instead of refusing new ones."
    return check_setting(inspection, "maxmemory-policy", "noeviction", problem, error)


def check_setting(
    inspection: Inspection, setting: str, wanted: str, problem: str, severity: Callable[[str, str, str, str], Row]
) -> Row | None:
    if inspection.redis.problem is not None:
        return None
    name = f"redis_{setting.replace('-', '_')}"
    found = inspection.redis.settings.get(setting)
    fix = (
        f"Set `{setting} {wanted}` in the configuration of Redis: `CONFIG SET {setting} {wanted}`, then CONFIG REWRITE."
    )
    if found is None:
        return warning(name, "unknown", f"Redis does not show its settings; it may be that: {problem}", fix)
    return ok(name, found) if found == wanted else severity(name, found, problem, fix)


def check_redis_memory(inspection: Inspection) -> Row | None:
    redis = inspection.redis
    if redis.problem is not None:
        return None
    if redis.max_bytes == 0:
        return ok("redis_memory", f"{size(redis.used_bytes)} used, no limit")
    share = redis.used_bytes / redis.max_bytes
    found = f"{size(redis.used_bytes)} of {size(redis.max_bytes)} used"
    fix = "Delete runs, lower BAKEHOUSE_ARCHIVE_AFTER_SECONDS, or raise `maxmemory` of Redis."
    if share > TOO_MUCH_MEMORY:
        return error("redis_memory", found, "Redis is full: it accepts no further runs.", fix)
    if share > MUCH_MEMORY:
        return warning("redis_memory", found, "Redis is nearly full; then it accepts no further runs.", fix)
    return ok("redis_memory", found)


def check_home(inspection: Inspection) -> Row:
    home = inspection.settings.home
    # Path.exists would raise below a folder that this user may not search.
    if not os.access(home, os.F_OK):
        parent = nearest_folder(home)
        if os.access(parent, os.W_OK | os.X_OK):
            return ok("home", "does not exist yet; `bakehouse up` creates it")
        problem = "BAKEHOUSE_HOME does not exist, and this user may not create it."
        return error("home", "cannot be created", problem, "Choose another BAKEHOUSE_HOME, or create the folder.")
    try:
        Artifacts(inspection.settings.artifacts).check_writable()
    except StorageFull as full:
        return error(
            "home", "full", str(full), "Delete runs that nobody needs, or move BAKEHOUSE_HOME to a larger disk."
        )
    except StorageUnavailable as unavailable:
        fix = "Give this user the right to write into BAKEHOUSE_HOME, or choose another folder."
        return error("home", "not writable", str(unavailable), fix)
    return ok("home", "writable")


def check_space(inspection: Inspection) -> Row:
    free = shutil.disk_usage(nearest_folder(inspection.settings.home)).free
    fix = "Delete runs that nobody needs, or move BAKEHOUSE_HOME to a larger disk."
    found = f"{size(free)} free"
    if free < RESERVE_BYTES:
        return error("space", found, f"Less than {size(RESERVE_BYTES)} is free: no run is accepted.", fix)
    if free < LITTLE_SPACE_BYTES:
        return warning("space", found, "Little space is left for checkpoints and logs.", fix)
    return ok("space", found)


def check_store(inspection: Inspection) -> Row:
    settings = inspection.settings
    if settings.bucket is None:
        return ok("store", "BAKEHOUSE_HOME" if settings.store is None else settings.store)
    try:
        open_store(settings).try_write()
    except StoreRefused as refused:
        fix = "Correct BAKEHOUSE_STORE, the access key, the rights in the bucket, or the clock of this machine."
        return error("store", settings.bucket, f"The store refuses files: {refused.strerror}.", fix)
    except OSError as away:
        problem = f"The store takes no files at the moment: {away.strerror}. Runs go on, and write them later."
        return error("store", settings.bucket, problem, "Start or repair the server, or the network to it.")
    return ok("store", f"{settings.bucket}, which takes files")


def check_home_is_shared(inspection: Inspection) -> Row | None:
    if inspection.redis.problem is not None:
        return None
    if inspection.redis.is_folder_shared:
        return ok("home_shared", "holds the files of the runs in this Redis")
    if inspection.settings.store is not None:
        problem = "BAKEHOUSE_STORE is not the store that holds the files of the runs in this Redis."
        return error(
            "home_shared", "another store", problem, "Set BAKEHOUSE_STORE to that store, or use another Redis."
        )
    problem = "BAKEHOUSE_HOME is not the folder that holds the files of the runs in this Redis."
    fix = "Set BAKEHOUSE_HOME to that folder, mount it here, or use another Redis for this home."
    return error("home_shared", "another folder", problem, fix)


def check_data(inspection: Inspection) -> Row:
    folder = inspection.settings.data
    if folder is None:
        return ok("data", "BAKEHOUSE_DATA is not set; the built-in and the uploaded data sets can be used")
    fix = "Correct BAKEHOUSE_DATA, create the folder, or give this user the right to read it."
    if not os.access(folder, os.F_OK) or not folder.is_dir():
        return error("data", "no folder", "BAKEHOUSE_DATA names no folder, so none of its data sets is found.", fix)
    if not os.access(folder, os.R_OK | os.X_OK):
        return error("data", "not readable", "This user may not read the folder in BAKEHOUSE_DATA.", fix)
    return ok("data", "readable")


def check_port(inspection: Inspection) -> Row:
    port = inspection.port
    match port.holder:
        case "bakehouse":
            return ok("port", f"{port.detail} answers at {port.address}")
        case "nobody":
            problem = f"No service answers at {port.address}."
            return warning("port", "free", problem, "Start one with `bakehouse up`, or set BAKEHOUSE_URL to another.")
        case "another program":
            problem = f"Another program answers at {port.address}{port.detail and f' ({port.detail})'}."
            return error("port", "taken", problem, "Stop that program, or choose another BAKEHOUSE_PORT.")


def check_workers(inspection: Inspection) -> Row:
    if inspection.redis.problem is not None:
        problem = "Only Redis knows which workers run."
        return warning("workers", "unknown", problem, "See the row `redis`.")
    workers = inspection.redis.workers
    if not workers:
        problem = "No worker is running: runs are accepted, and wait."
        return error("workers", "none", problem, "Start workers with `bakehouse up`, or with `bakehouse worker`.")
    busy = sum(worker.status == "busy" for worker in workers)
    hosts = len({worker.host for worker in workers})
    return ok("workers", f"{count_of(len(workers), 'worker')} on {count_of(hosts, 'machine')}, {busy} busy")


def check_task_processes(inspection: Inspection) -> Row | None:
    # What is to be done about workers brings a task process too.
    if not inspection.redis.workers:
        return None
    processes = inspection.redis.task_processes
    if not processes:
        problem = "No task process is running, so previews of recipes are refused; runs are trained all the same."
        fix = "Look into the log of the workers, which start it; restart workers of an older version."
        return warning("task_processes", "none", problem, fix)
    hosts = len({process.host for process in processes})
    return ok("task_processes", f"on {count_of(hosts, 'machine')}")


def check_worker_versions(inspection: Inspection) -> Row | None:
    workers = inspection.redis.workers
    if not workers:
        return None
    found = {**all_versions(workers)}
    found["bakehouse"] = {*found.get("bakehouse", ()), VERSION}
    differing = [f"{name} {' and '.join(sorted(each))}" for name, each in found.items() if len(each) > 1]
    if differing:
        problem = "Workers with different versions may train different bits, and a run moves between them."
        fix = "Install one version everywhere, and restart the service and all workers."
        return warning("worker_versions", ", ".join(differing), problem, fix)
    return ok("worker_versions", "equal")


def check_cores(inspection: Inspection) -> Row:
    cores = available_cores()
    threads = inspection.settings.threads or 1
    own = sum(worker.host == socket.gethostname() for worker in inspection.redis.workers)
    found = f"{count_of(cores, 'core')}; {count_of(own, 'worker')} here with {count_of(threads, 'thread')} each"
    if own * threads > cores:
        problem = "The training processes have more threads than there are cores, and slow each other down."
        return warning("cores", found, problem, "Lower BAKEHOUSE_WORKERS or BAKEHOUSE_THREADS.")
    return ok("cores", found)


def check_gpu(inspection: Inspection) -> Row:
    workers = inspection.redis.workers
    with_gpu = Counter(worker.device for worker in workers if "cuda" in worker.versions)
    if with_gpu:
        return ok("gpu", ", ".join(f"{device} ({count_of(number, 'worker')})" for device, number in with_gpu.items()))
    own = [worker for worker in workers if worker.host == socket.gethostname()]
    if DRIVER.exists() and own and inspection.settings.device != "cpu":
        problem = "This machine has an NVIDIA driver, but its workers train on the CPU."
        return warning("gpu", "not used", problem, "Install a build of torch for CUDA, and restart the workers.")
    return ok("gpu", "none is used")


def check_versions(inspection: Inspection) -> Row:
    found = [f"bakehouse {VERSION}", f"python {platform.python_version()}"]
    found += [f"torch {each}" for each in sorted(all_versions(inspection.redis.workers).get("torch", ()))]
    found += [f"{inspection.redis.product} {inspection.redis.version}"] if inspection.redis.version else []
    return ok("versions", ", ".join(found))


CHECKS: tuple[Check, ...] = (
    check_port,
    check_redis,
    check_redis_version,
    check_appendonly,
    check_appendfsync,
    check_maxmemory_policy,
    check_redis_memory,
    check_home,
    check_space,
    check_store,
    check_home_is_shared,
    check_data,
    check_access,
    check_workers,
    check_task_processes,
    check_worker_versions,
    check_cores,
    check_gpu,
    check_versions,
)


def check_system(inspection: Inspection) -> System:
    """Carries out all checks."""
    rows = tuple(row for check in CHECKS if (row := check(inspection)) is not None)
    return System(status=worst(rows), version=VERSION, data=rows)


def all_versions(workers: Sequence[Worker]) -> dict[str, set[str]]:
    """Returns the versions that workers have reported, by package."""
    found: dict[str, set[str]] = {}
    for worker in workers:
        for name, each in worker.versions.items():
            found.setdefault(name, set()).add(each)
    return found


def nearest_folder(path: Path) -> Path:
    """Returns the path, or the nearest parent that exists."""
    return next(each for each in (path, *path.parents) if os.access(each, os.F_OK))


def size(number: int) -> str:
    """Formats bytes as `64 MiB` or `1.5 GiB`."""
    return f"{number / (1 << 30):.1f} GiB" if number >= 1 << 30 else f"{number / (1 << 20):.0f} MiB"
