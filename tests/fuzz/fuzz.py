"""Open thousands of damaged files as a user would; keep what ends in no plain sentence.

    python tests/fuzz/fuzz.py tiff coco --inputs 10000 --seed 0 --found /tmp/found
    python tests/fuzz/fuzz.py tiff --replay /tmp/found/tiff/0a1b2c3d.bin
    python tests/fuzz/fuzz.py tiff --minimize /tmp/found/tiff/0a1b2c3d.bin

A target is a module `target_NAME.py` beside this file with

    KIND = "bytes"              # or "json", or "text": how `mutations.py` changes the seeds
    def seeds() -> list[bytes]  # small valid inputs, made by code
    def check(data: bytes, folder: Path) -> None  # write `data` into the empty folder, use it
    def mutate(data, chance, seeds) -> bytes      # optional: own changes, drawn from a Random

Success and `UserError` are as it should be. A find is another exception, a death of the
process, more than 20 seconds or 2 GB for one input, a file written outside `folder`, a command
that was started, a connection, an object unpickled, or a sentence without end or with words of
Python. `check` runs in a process of its own, which is replaced when it dies. Finds are
sorted by exception and place; the shortest input of each is kept, with its traceback. What was
mended goes, minimized, into `corpus/NAME/`, where `test_corpus.py` replays it; the files there
are seeds, too.
"""

import argparse
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT)]

SECONDS, GIGABYTES = 20.0, 2.0
"""Limits of one input."""

BATCH = 1000
"""Inputs after which the process is replaced, so that a leak shows in its memory alone."""


@dataclass
class Find:
    """An input that ended in no plain sentence."""

    signature: str
    details: str


@dataclass
class Statistics:
    """What happened to the inputs of one target."""

    target: str
    seed: int
    inputs: int = 0
    fine: int = 0
    refused: int = 0
    finds: dict[str, dict[str, Any]] = field(default_factory=dict)
    sentences: dict[str, int] = field(default_factory=dict)
    slowest_s: float = 0.0
    slowest_input: int = 0
    peak_mb: float = 0.0
    seconds: float = 0.0

    def add(self, number: int, answer: dict[str, Any]) -> None:
        """Count one answer of the process."""
        self.inputs += 1
        self.fine += answer["outcome"] == "fine"
        self.refused += answer["outcome"] == "refused"
        if answer["outcome"] == "refused":
            # Names and numbers apart, it is the same sentence.
            kind = re.sub(r"'[^']*'|\"[^\"]*\"|\S*/\S*|\d[\d.,]*", "_", answer["text"])[:160]
            self.sentences[kind] = self.sentences.get(kind, 0) + 1
        if answer["seconds"] > self.slowest_s:
            self.slowest_s, self.slowest_input = round(answer["seconds"], 2), number
        self.peak_mb = max(self.peak_mb, round(answer["peak_mb"], 1))

    def summary(self) -> dict[str, Any]:
        """Return the figures, with the ten commonest sentences."""
        common = sorted(self.sentences.items(), key=lambda item: -item[1])
        rate = round(self.inputs / max(self.seconds, 1e-9), 1)
        kinds = {"inputs_per_s": rate, "kinds_of_sentences": len(common)}
        return vars(self) | kinds | {"sentences": dict(common[:10])}


def main() -> int:
    """Run the targets one after the other; return 1 if something was found."""
    options = _options()
    if options.inside:
        from tests.fuzz.inside import serve

        serve(options.names[0], Path(options.inside))
        return 0
    found = 0
    for name in options.names:
        with Fuzzer(name, options) as fuzzer:
            if options.replay:
                find = fuzzer.try_file(options.replay)
                print(find.details if find else "fine")
                found += find is not None
            elif options.minimize:
                minimize(fuzzer, options.minimize)
            else:
                found += len(run(fuzzer, options).finds)
    return int(found > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = sorted(path.stem.removeprefix("target_") for path in HERE.glob("target_*.py"))
    parser.add_argument("names", nargs="*", default=every, help="targets (default: all)")
    parser.add_argument("--inputs", type=int, default=1000, help="inputs per target")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--found", type=Path, help="folder for finds and statistics")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="limit of one input")
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES, help="limit of one input")
    parser.add_argument("--replay", type=Path, help="check this file alone")
    parser.add_argument("--minimize", type=Path, help="make this file as short as it can be")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    return parser.parse_args()


def run(fuzzer: "Fuzzer", options: argparse.Namespace) -> Statistics:
    """Check `options.inputs` mutated inputs, and report what was found."""
    statistics = Statistics(fuzzer.name, options.seed)
    place = options.found / fuzzer.name if options.found else None
    started = said = time.monotonic()
    for number in range(options.first, options.first + options.inputs):
        answer = fuzzer.ask({"number": number, "seed": options.seed})
        statistics.add(number, answer)
        if answer["outcome"] == "find":
            _keep(statistics, number, answer, fuzzer.input, place)
        if time.monotonic() - said > 60:
            said = time.monotonic()
            print(f"{fuzzer.name} {number}: {len(statistics.finds)} finds", file=sys.stderr)
    statistics.seconds = round(time.monotonic() - started, 1)
    text = json.dumps(statistics.summary(), indent=1)
    print(text, flush=True)
    if place:
        place.mkdir(parents=True, exist_ok=True)
        (place / f"statistics_{options.seed}.json").write_text(text, encoding="utf-8")
    return statistics


def _keep(
    statistics: Statistics, number: int, answer: dict[str, Any], data: bytes, place: Path | None
) -> None:
    """Count a find, and keep its input if it is the shortest of its kind."""
    signature = answer["text"]
    first = {"count": 0, "size": len(data) + 1, "input": number, "file": ""}
    find = statistics.finds.setdefault(signature, first)
    find["count"] += 1
    if find["count"] == 1:
        print(f"{statistics.target} {number}: {signature}", file=sys.stderr, flush=True)
    if len(data) >= find["size"]:
        return
    find |= {"size": len(data), "input": number}
    if place:
        place.mkdir(parents=True, exist_ok=True)
        file = place / f"{hashlib.sha256(signature.encode()).hexdigest()[:8]}.bin"
        file.write_bytes(data)
        details = f"{signature}\n\n{answer['details']}"
        file.with_suffix(".txt").write_text(details, "utf-8", errors="backslashreplace")
        find["file"] = str(file)


class Fuzzer:
    """A process that checks inputs of one target, watched, and replaced when it dies."""

    def __init__(self, name: str, options: argparse.Namespace):
        self.name = name
        self.seconds, self.megabytes = options.seconds, options.gigabytes * 1024
        self._scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self._process: subprocess.Popen[str] | None = None
        self._asked = 0

    def __enter__(self) -> "Fuzzer":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def input(self) -> bytes:
        """The input that was checked last, also if the process died of it."""
        return (self._scratch / "input").read_bytes()

    def try_file(self, path: Path) -> Find | None:
        """Check one file."""
        answer = self.ask({"file": str(path.resolve())})
        return Find(answer["text"], answer["details"]) if answer["outcome"] == "find" else None

    def try_bytes(self, data: bytes) -> str | None:
        """Check one input; return the signature of its find."""
        candidate = self._scratch / "candidate"
        candidate.write_bytes(data)
        find = self.try_file(candidate)
        return find.signature if find else None

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Have one input checked, within the limits."""
        if self._process is None or self._asked >= BATCH:
            self._end()
            self._start()
        assert self._process is not None and self._process.stdin is not None
        self._asked += 1
        started, peak = time.monotonic(), 0.0
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except OSError:
            return self._death(0.0, peak)
        while True:
            try:
                line = self._lines.get(timeout=0.05)
            except queue.Empty:
                peak = max(peak, self._memory())
                seconds = time.monotonic() - started
                if peak > self.megabytes:
                    return self._death(seconds, peak, f"more than {self.megabytes:.0f} MB")
                if seconds > self.seconds:
                    return self._death(seconds, peak, f"more than {self.seconds:.0f} s")
                continue
            if line is None:
                return self._death(time.monotonic() - started, peak)
            answer: dict[str, Any] = json.loads(line)
            answer["peak_mb"] = max(answer["peak_mb"], peak)
            if answer["peak_mb"] > self.megabytes:
                answer |= {"outcome": "find", "text": f"more than {self.megabytes:.0f} MB"}
            return answer

    def _start(self) -> None:
        command = [sys.executable, str(HERE / "fuzz.py"), self.name]
        with open(self._scratch / "stderr", "wb") as stderr:
            self._process = subprocess.Popen(
                [*command, "--inside", str(self._scratch)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                encoding="utf-8",
            )
        self._asked = 0
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(
            target=_read_lines, args=(self._process.stdout, self._lines), daemon=True
        ).start()
        if self._lines.get(timeout=300) is None:  # "ready", after its imports
            self._process.wait()
            raise SystemExit(self._stderr())

    def _memory(self) -> float:
        """Memory of the process and its children in MB."""
        try:
            assert self._process is not None
            process = psutil.Process(self._process.pid)
            family = [process, *process.children(recursive=True)]
            return sum(one.memory_info().rss for one in family) / 2**20
        except psutil.Error:
            return 0.0

    def _death(self, seconds: float, peak: float, reason: str = "") -> dict[str, Any]:
        """Return the find of a process that died, or end one that is over a limit."""
        assert self._process is not None
        if reason and hasattr(signal, "SIGUSR1"):
            self._process.send_signal(signal.SIGUSR1)  # it writes its stack
            time.sleep(0.5)
        if not reason:
            status = self._process.wait()
            reason = f"died of signal {-status}" if status < 0 else f"exit status {status}"
        self._end()
        stack = self._stderr()
        text = f"{reason} at {place_in_stack(stack)}"
        answer = {"outcome": "find", "text": text, "details": stack, "seconds": seconds}
        return answer | {"peak_mb": peak}

    def _stderr(self) -> str:
        return (self._scratch / "stderr").read_text("utf-8", errors="replace")[-20000:]

    def _end(self) -> None:
        if self._process is None:
            return
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            for one in [*process.children(recursive=True), process]:
                one.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._process = None


def _read_lines(stream: Any, lines: "queue.Queue[str | None]") -> None:
    with suppress(ValueError):  # closed meanwhile
        for line in stream:
            lines.put(line)
    lines.put(None)


def place_in_stack(stack: str) -> str:
    """Return file and function of the innermost frame of this package in a dumped stack."""
    # faulthandler: the newest call first; a main thread after "Current thread" or "Thread".
    frames = re.findall(r'File "([^"]*)", line \d+ in (\S+)', stack)
    for path, function in frames:
        if "napari_utile" in path:
            return f"{path.split('napari_utile' + os.sep)[-1]} {function}"
    return f"{Path(frames[0][0]).name} {frames[0][1]}" if frames else "?"


def minimize(fuzzer: Fuzzer, path: Path) -> None:
    """Shorten the input in `path` while it ends in the same find, and write it there."""
    data = path.read_bytes()
    signature = fuzzer.try_bytes(data)
    if signature is None:
        print("fine: nothing to minimize")
        return

    def same(candidate: bytes) -> bool:
        return fuzzer.try_bytes(candidate) == signature

    before = len(data)
    with suppress(ValueError, RecursionError):
        data = _shorten_json(data, same)
    data = _shorten_bytes(data, same)
    path.write_bytes(data)
    print(f"{signature}: {before} -> {len(data)} bytes")


def _shorten_bytes(data: bytes, same: Any) -> bytes:
    """Leave out halves, quarters, ... ; then set bytes that do not matter to zero."""
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if same(shorter):
                data = shorter
            else:
                at += size
        size //= 2
        if len(data) > 4096 and size < 16:
            break
    return data


def _shorten_json(data: bytes, same: Any) -> bytes:
    """Leave out keys and elements that do not matter."""
    from tests.fuzz.mutations import places

    document = json.loads(data)
    shorter = True
    while shorter:
        shorter = False
        for _, inside, key in sorted(places(document), key=lambda place: place[0]):
            value = inside[key] if isinstance(inside, dict) or key < len(inside) else None
            if value is None or (isinstance(inside, dict) and key not in inside):
                continue
            del inside[key]
            text = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
            if same(text):
                data, shorter = text, True
                break
            if isinstance(inside, dict):
                inside[key] = value
            else:
                inside.insert(key, value)
    return data


if __name__ == "__main__":
    sys.exit(main())
