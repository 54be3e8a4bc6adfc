"""Workers on this machine: processes that are started here, and reached by pipes.

A pipe has no address: nobody else can send a worker anything. It closes when this process ends,
however it dies, and then the worker ends too. What travels are lines of JSON.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from threading import RLock, Thread
from typing import Any, Self

import napari_utile
from napari_utile.engine.prediction.worker import BlockAnswer, BlockWork
from napari_utile.errors import EngineError
from napari_utile.io.processes import safe_environment

MAX_DEATHS = 3
"""Workers that may die at a block before it counts as failed."""
EXIT_TIMEOUT = 5
"""Seconds in which a worker whose pipe was closed must end, before it is killed."""
PROGRAM = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path.append(sys.argv[1])
from napari_utile.engine.prediction.worker import serve
serve(int(sys.argv[2]), int(sys.argv[3]))
"""


@dataclass(eq=False)
class Request:
    """Work that was handed out, and its answer to come."""

    line: str
    future: "Future[BlockAnswer]" = field(default_factory=Future)
    deaths: int = 0


@dataclass(eq=False)
class WorkerProcess:
    """A place for one process after another, and what the present one has in hand."""

    command: list[str]
    process: "subprocess.Popen[str] | None" = None
    requests: dict[int, Request] = field(default_factory=dict)


class LocalWorkers:
    """Processes that compute blocks; one that dies is replaced, and its blocks start anew.

    Parameters
    ----------
    size : int
        How many processes.
    """

    def __init__(self, size: int):
        self.size = size
        threads = max(1, (os.cpu_count() or 1) // size)
        package = Path(napari_utile.__file__).parents[1]
        command = [sys.executable, "-P", "-c", PROGRAM, str(package)]
        self._workers = [
            WorkerProcess([*command, str(number), str(threads)]) for number in range(size)
        ]
        self._tickets, self._lock, self._closed = count(), RLock(), False

    def submit(self, work: BlockWork) -> "Future[BlockAnswer]":
        """Hand out work to the worker that has least in hand.

        Parameters
        ----------
        work : BlockWork

        Returns
        -------
        Future of BlockAnswer
            It raises an `EngineError` if worker after worker died at it.
        """
        ticket = next(self._tickets)
        request = Request(json.dumps({"ticket": ticket} | asdict(work)))
        with self._lock:
            self._send(ticket, request)
        return request.future

    def cancel(self, futures: list["Future[BlockAnswer]"]) -> None:
        """Forget work that was handed out; what a worker has in hand it still does."""
        with self._lock:
            for worker in self._workers:
                for request in worker.requests.values():
                    if request.future in futures:
                        request.deaths = MAX_DEATHS  # it is not handed out again

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
        with self._lock:
            self._closed = True
        running = [worker.process for worker in self._workers if worker.process]
        for process in running:
            with suppress(OSError):
                assert process.stdin is not None
                process.stdin.close()
        for process in running:
            try:
                process.wait(EXIT_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _send(self, ticket: int, request: Request) -> None:
        worker = min(self._workers, key=lambda worker: len(worker.requests))
        if worker.process is None:
            self._start(worker)
        assert worker.process is not None
        assert worker.process.stdin is not None
        worker.requests[ticket] = request
        with suppress(OSError):  # it has just died, and `_listen` sends the request again
            print(request.line, file=worker.process.stdin, flush=True)

    def _start(self, worker: WorkerProcess) -> None:
        worker.process = subprocess.Popen(
            worker.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=safe_environment(),
            start_new_session=True,  # a signal to stop is for the process that hands out
        )
        Thread(target=self._listen, args=(worker,), daemon=True).start()

    def _listen(self, worker: WorkerProcess) -> None:
        """Pass on what a worker answers; if it dies, send again what it had in hand."""
        process: Any = worker.process
        with suppress(ValueError):  # its last line was cut off
            for line in process.stdout:
                answer = json.loads(line)
                with self._lock:
                    request = worker.requests.pop(answer.pop("ticket"))
                warnings = tuple(answer.pop("warnings"))
                request.future.set_result(BlockAnswer(warnings, **answer))
        status = process.wait()
        with self._lock:
            if self._closed:
                return
            worker.process, lost, worker.requests = None, worker.requests, {}
            for ticket, request in lost.items():
                request.deaths += 1
                if request.deaths < MAX_DEATHS:
                    self._send(ticket, request)
                else:
                    request.future.set_exception(EngineError(_death(status)))


def _death(status: int) -> str:
    """Return a sentence on how workers died."""
    how = f"were killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return f"{MAX_DEATHS} workers {how} at this block; the machine may be short of memory."
