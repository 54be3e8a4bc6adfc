"""An engine that plays a script: it prints events and obeys `stop`, without torch.

The first argument is the path of the script: JSON, a list of lines. A string is printed as
it is, an event is printed as JSON, and {"do": ...} is one of `sleep`, `wait` (for `stop`, or
what is named), `deaf` (sleeps for ever, whatever is said), `fill` (writes into the OME-Zarr of
--out), `copy` (a folder into --out) and `exit`. What it was started with is kept in
`arguments.json` beside the script.
"""

import json
import shutil
import sys
import time
from pathlib import Path

script = Path(sys.argv[1])
arguments = sys.argv[2:]
script.with_name("arguments.json").write_text(json.dumps(arguments))


def out():
    return arguments[arguments.index("--out") + 1]


def fill(command):
    """Make the output of the shape of the image, and write one number into it."""
    import zarr

    from napari_utile.files.images import open_image
    from napari_utile.files.ome_zarr import create

    image = open_image(arguments[2])
    shape = (*command["channels"], *image.shape)
    if not Path(out()).exists():
        chunks = (1,) * (len(shape) - 2) + (16, 16)
        create(out(), shape, command["dtype"], chunks, image, kind=command["kind"])
    zarr.open_array(f"{out()}/0", mode="r+")[..., :16, :16] = command["value"]


for line in json.loads(script.read_text()):
    match line:
        case str():
            print(line, flush=True)
        case {"do": "sleep", "seconds": seconds}:
            time.sleep(seconds)
        case {"do": "wait"}:
            for heard in sys.stdin:
                if heard == line.get("for", "stop") + "\n":
                    break
        case {"do": "deaf"}:
            while True:
                time.sleep(1)
        case {"do": "fill"}:
            fill(line)
        case {"do": "copy", "folder": folder}:
            shutil.copytree(folder, out(), dirs_exist_ok=True)
        case {"do": "exit", "status": status, "message": message}:
            print(message, file=sys.stderr, flush=True)
            sys.exit(status)
        case _:
            print(json.dumps(line).replace("OUT", out()), flush=True)
