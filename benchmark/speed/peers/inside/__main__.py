"""`python -m benchmark.speed.peers.inside MODULE [CHECKOUT]`: answer requests, a line of JSON each.

The first line says the versions, or what cannot be imported. A task makes its model, in place of
the one before; {"window": ..., "index": ...} makes a pass and answers its seconds of CPU time.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING

from benchmark.speed.peers.task import PeerTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

    from benchmark.speed.peers.inside.passes import PeerModel


def main() -> None:
    """Import the peer, then serve until the input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # peers print as they train
    name, *checkout = sys.argv[1:]
    try:
        peer = importlib.import_module(f"benchmark.speed.peers.inside.{name}")
        import torch

        from benchmark.training.process import keep_freed_memory
    except ImportError as error:
        hint = f"{sys.prefix} lacks what {name} needs: {error}; remove it, so that it is made anew"
        answers.write(json.dumps({"error": hint}) + "\n")
        return
    torch.set_num_threads(1)  # threads and memory as our own process has them
    keep_freed_memory()
    versions = {"version": peer.VERSION, "torch": torch.__version__}
    answers.write(json.dumps(versions) + "\n")
    serve(lambda task: peer.MODEL(task, *checkout), sys.stdin, answers)


def serve(make: Callable[[PeerTask], PeerModel], requests: Iterable[str], answers: TextIO) -> None:
    """Answer each request by a line."""
    model: PeerModel | None = None
    for line in requests:
        if "window" not in json.loads(line):
            model = None  # before the next one is made
            model = make(PeerTask.from_json(line))
            answers.write("{}\n")
        elif model is not None:
            act = model.a_pass(**json.loads(line))
            start = time.process_time()
            act()
            answers.write(json.dumps({"seconds": time.process_time() - start}) + "\n")


if __name__ == "__main__":
    main()
