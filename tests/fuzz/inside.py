"""The process that checks inputs: it answers each with one line of JSON, and may die of any."""

import faulthandler
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.fuzz.mutations import mutate

CORPUS = Path(__file__).resolve().parent / "corpus"

FORBIDDEN = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.startfile",
    "subprocess.Popen",
    "socket.connect",
    "socket.bind",
    "pickle.find_class",
}
"""What no input may cause, by the names of Python's audit events."""

CHANGES = {
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
}
"""Events whose first argument is a path that is changed."""


def serve(name: str, scratch: Path) -> None:
    """Answer each line of standard input, a number of an input or a file, until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the program prints is no answer
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    target = target_named(name)
    seeds = all_seeds(target)
    working_folder = scratch / "cwd"
    working_folder.mkdir(exist_ok=True)
    os.chdir(working_folder)
    watch = Watch(scratch)
    for data in seeds[:3]:  # load and compile what an input needs, before memory is counted
        judge(target.check, data, scratch, watch)
    print("ready", file=answers, flush=True)

    for line in sys.stdin:
        question = json.loads(line)
        if "file" in question:
            data = Path(question["file"]).read_bytes()
        else:
            data = input_number(target, seeds, question["number"], question["seed"])
        (scratch / "input").write_bytes(data)
        forget_peak()
        started = time.monotonic()
        answer = judge(target.check, data, scratch, watch)
        answer |= {"seconds": time.monotonic() - started, "peak_mb": peak_mb()}
        print(json.dumps(answer), file=answers, flush=True)


def target_named(name: str) -> ModuleType:
    """Return the module of a target, which may be anywhere if the name has dots."""
    return import_module(name if "." in name else f"tests.fuzz.target_{name}")


def all_seeds(target: ModuleType) -> list[bytes]:
    """Return the seeds of a target and the inputs of its corpus."""
    corpus = CORPUS / target.__name__.rpartition("target_")[2]
    found = sorted(corpus.glob("*")) if corpus.is_dir() else []
    return [*target.seeds(), *(path.read_bytes() for path in found)]


def input_number(target: ModuleType, seeds: list[bytes], number: int, seed: int) -> bytes:
    """Return a mutated input, the same for the same number and seed."""
    if seed == 0 and number < len(seeds):
        return seeds[number]  # as they are, first
    chance = random.Random(f"{seed} {number}")
    data = chance.choice(seeds)
    own: Callable[..., bytes] | None = getattr(target, "mutate", None)
    if own is not None and chance.random() < 0.8:
        return own(data, chance, seeds)
    return mutate(data, target.KIND, chance, seeds)


class Watch:
    """Notes what an input must not cause: processes, connections, files elsewhere."""

    def __init__(self, scratch: Path):
        self.seen: list[tuple[str, str]] = []
        self.on = False
        caches = [os.environ.get("NUMBA_CACHE_DIR", ""), os.devnull, "/dev/shm", "/proc"]
        self._open = tuple(os.path.realpath(path) for path in [str(scratch), *caches] if path)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in FORBIDDEN:
            self._note(event, arguments[:2])
        elif event in CHANGES or (event == "open" and _writes(arguments)):
            path = arguments[0]
            if isinstance(path, str | bytes) and not self._is_inside(os.fsdecode(path)):
                self._note(event, path)

    def _is_inside(self, path: str) -> bool:
        return "__pycache__" in path or os.path.realpath(path).startswith(self._open)

    def _note(self, event: str, what: object) -> None:
        self.on = False
        stack = traceback.StackSummary.from_list(traceback.extract_stack()[:-2])
        details = f"{what!r:.1000}\n" + "".join(traceback.format_list(stack[-20:]))
        self.seen.append((f"{event} at {_place(stack)}", details))
        self.on = True


def _writes(arguments: tuple[Any, ...]) -> bool:
    """Whether arguments of the event `open` (path, mode, flags) are those of writing."""
    return bool(int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def judge(
    check: Callable[[bytes, Path], None], data: bytes, scratch: Path, watch: Watch
) -> dict[str, Any]:
    """Return the outcome of one input: `fine`, `refused` with its sentence, or `find`."""
    from napari_utile.errors import UserError

    folder = Path(tempfile.mkdtemp(dir=scratch))
    answer = {"outcome": "fine", "text": "", "details": ""}
    watch.seen.clear()
    watch.on = True
    try:
        check(data, folder)
    except UserError as error:
        sentence = str(error)
        answer |= {"outcome": "refused", "text": sentence}
        if fault := fault_of(sentence):
            text = f"{fault} at {place_of(error)}"
            answer |= {"outcome": "find", "text": text, "details": repr(sentence)}
    except BaseException as error:
        text = f"{type(error).__module__}.{type(error).__qualname__} at {place_of(error)}"
        details = "".join(traceback.format_exception(error))[-20000:]
        answer = {"outcome": "find", "text": text, "details": details}
    watch.on = False
    if watch.seen:
        text, details = watch.seen[0]
        answer = {"outcome": "find", "text": text, "details": details}
    if left := os.listdir():
        answer = {"outcome": "find", "text": "left files behind", "details": repr(left)}
        for name in left:
            os.remove(name) if os.path.isfile(name) else shutil.rmtree(name)
    shutil.rmtree(folder, ignore_errors=True)
    return answer


def fault_of(sentence: str) -> str:
    """Return what is wrong with a sentence for the user, or an empty text."""
    if not sentence.strip():
        return "empty sentence"
    if len(sentence) > 1500:
        return "endless sentence"
    words = ("Traceback", "NoneType", "has no attribute", "not subscriptable", "<class '")
    jargon = [word for word in words if word in sentence]
    return f"sentence with {jargon[0]!r}" if jargon else ""


def place_of(error: BaseException) -> str:
    """Return the module and function of this package in which an exception arose."""
    return _place(traceback.extract_tb(error.__traceback__))


def _place(frames: traceback.StackSummary) -> str:
    own = [frame for frame in frames if f"napari_utile{os.sep}" in frame.filename]
    if not own:
        return f"{Path(frames[-1].filename).name} {frames[-1].name}" if frames else "?"
    return f"{own[-1].filename.split('napari_utile' + os.sep)[-1]} {own[-1].name}"


def forget_peak() -> None:
    """Start to measure the highest memory afresh, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mb() -> float:
    """Return the highest memory of this process since `forget_peak`, 0 if it is unknown."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
