"""`python -m bench`: runs the benchmarks and prints the tables of bench/README.md.

Four are only named at the end: `bench.scale` takes half an hour and 3 GB of memory, `bench.data` as long and 10 GB of
disk, `bench.tables` needs archives of packages, and `bench.gpu` a GPU.
"""

import subprocess
import sys
from datetime import UTC, datetime

from bench import downloads, http, ingredients, latency, loop, page, startup, streams
from bench.report import machine

if __name__ == "__main__":
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}\n")
    loop.main()
    print("\n| what | figure |\n|---|---|")
    latency.main()
    startup.main()
    http.main()
    downloads.main()
    page.main()
    print()
    streams.main()
    print()
    ingredients.main()
    print(flush=True)
    # It measures forks of its process, which must not hold what the benchmarks above have left.
    subprocess.run([sys.executable, "-m", "bench.memory"], check=True)
    print("\nNot measured here: `python -m bench.scale` and `bench.data` (half an hour), `bench.tables`, `make gpu`")
