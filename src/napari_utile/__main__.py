"""`python -m napari_utile` is the command `utile`."""

import os
import sys
from contextlib import suppress

# `python -m` looks for modules in the working folder first: what lies there may have come with
# somebody's data.
if __name__ == "__main__" and not sys.flags.safe_path:
    with suppress(FileNotFoundError):  # the folder was removed
        if sys.path[:1] in ([""], [os.getcwd()]):
            del sys.path[0]

from napari_utile.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
