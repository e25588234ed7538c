"""`python -m bench`: runs every benchmark and prints the tables of bench/README.md."""

from datetime import UTC, datetime

from bench import downloads, http, ingredients, latency, loop, startup, streams
from bench.report import machine

if __name__ == "__main__":
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}\n")
    loop.main()
    print("\n| what | figure |\n|---|---|")
    latency.main()
    startup.main()
    http.main()
    downloads.main()
    print()
    streams.main()
    print()
    ingredients.main()
