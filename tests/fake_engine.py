"""An engine that plays a script: it prints events and obeys `stop`, without torch.

The first argument is the path of the script: JSON, a list of lines. A string is printed as
it is, an event is printed as JSON, and {"do": ...} is one of `sleep`, `wait` (for `stop`, or
what is named), `deaf` (sleeps for ever, whatever is said), `fill` (writes into the OME-Zarr of
--out, or into `name` in it), `finish` (marks that complete), `copy` (a folder into --out) and
`exit`. What it was started with is kept in `arguments.json` beside the script.

With --job FOLDER it holds the lock of the folder, heeds the file `stop` there, and goes on
without its window if there is the file `keep`.
"""

import json
import os
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

script = Path(sys.argv[1])
arguments = sys.argv[2:]
script.with_name("arguments.json").write_text(json.dumps(arguments))

heard = []
job = Path(arguments[arguments.index("--job") + 1]) if "--job" in arguments else None
held = ExitStack()
if job:
    from filelock import FileLock

    held.enter_context(FileLock(job / "running"))


def listen():
    while read := os.read(0, 1000):
        heard.extend(read.decode().split())
    heard.append("the end")


def wait(word):
    while word not in heard:
        if job and (job / "stop").exists():
            break
        if "the end" in heard and not (job and (job / "keep").exists()):
            break
        time.sleep(0.02)


def out(name=""):
    return str(Path(arguments[arguments.index("--out") + 1], name))


def fill(command):
    """Make the output of the shape of the image, and write numbers into one corner of it.

    Of classes and instances `value` is an id, and the probabilities beside it are 0.8.
    """
    from napari_utile.files.images import open_image
    from napari_utile.files.ome_zarr import create, create_labels

    path, kind = out(command.get("name", "")), command["kind"]
    image = open_image(command.get("image", arguments[2]))
    shape = (*command["channels"], *image.shape)
    dtype, is_decided = command["dtype"], kind != "probabilities"
    if not Path(path).exists():
        chunks = (1,) * (len(shape) - 2) + (16, 16)
        create(path, shape, "uint8" if is_decided else dtype, chunks, image, kind=kind)
        if is_decided:
            create_labels(path, kind, image.shape, dtype, chunks[-len(image.shape) :], image)
    if is_decided:
        corner(path, 204)
    corner(f"{path}/labels/{kind}" if is_decided else path, command["value"])


def corner(path, value):
    import zarr

    zarr.open_array(f"{path}/0", mode="r+")[..., :16, :16] = value


def finish(command):
    from napari_utile.files.ome_zarr import mark_complete

    mark_complete(out(command.get("name", "")))


Thread(target=listen, daemon=True).start()
for line in json.loads(script.read_text()):
    match line:
        case str():
            print(line, flush=True)
        case {"do": "sleep", "seconds": seconds}:
            time.sleep(seconds)
        case {"do": "wait"}:
            wait(line.get("for", "stop"))
        case {"do": "deaf"}:
            while True:
                time.sleep(1)
        case {"do": "fill"}:
            fill(line)
        case {"do": "finish"}:
            finish(line)
        case {"do": "copy", "folder": folder}:
            shutil.copytree(folder, out(), dirs_exist_ok=True)
        case {"do": "exit", "status": status, "message": message}:
            print(message, file=sys.stderr, flush=True)
            sys.exit(status)
        case _:
            words = json.dumps(line, separators=(",", ":"))
            print(words.replace("OUT", out()), flush=True)
