"""`python -m service`: serves HTTP until a signal ends the process."""

import gc
import sys

if __name__ == "__main__":
    # Hardly anything that an import makes is garbage, and looking for it takes a tenth of the start. The server turns
    # the collector on.
    gc.disable()
    # FastAPI would import it, which takes 20 ms, to find out that none of our models is one of pydantic 1.
    sys.modules["pydantic.v1"] = None  # type: ignore[assignment]
    from service.server import main

    sys.exit(main())
