"""A peer's process, which makes passes in its own environment when it is asked to."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from benchmark.speed.peers.environment import PeerError, python_of
from benchmark.store.environment import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmark.speed.peers.task import PeerTask, Window


class PeerProcess:
    """A peer that is kept alive between passes and waits while others are measured."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        """Take a process, and the file that its errors go to."""
        self.process, self.errors = process, errors
        self.versions: dict[str, str] = self._answer()

    def build(self, task: PeerTask) -> None:
        """Make a model in place of the one before."""
        self._ask(task.to_json())

    def seconds(self, window: Window, index: int) -> float:
        """CPU time of a pass."""
        answer = self._ask(json.dumps({"window": window, "index": index}))
        return float(answer["seconds"])

    def _ask(self, line: str) -> dict[str, Any]:
        questions = cast("IO[str]", self.process.stdin)
        questions.write(line + "\n")
        questions.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = cast("IO[str]", self.process.stdout).readline()
        if not line:
            self.errors.seek(0)
            *_, last = ["no message", *self.errors.read().splitlines()]
            raise PeerError(f"the peer's process ended with code {self.process.wait()}: {last}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer


@contextmanager
def peer_process(folder: Path, module: str, arguments: Sequence[str] = ()) -> Iterator[PeerProcess]:
    """A process in the environment `folder` that has imported this module of `inside`.

    Raises:
        PeerError: the peer cannot be imported, or its process ends early.
    """
    command = [python_of(folder), "-m", f"{__package__}.inside", module, *arguments]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=errors, text=True
        ) as process,
    ):
        try:
            yield PeerProcess(process, errors)
        finally:
            process.kill()
