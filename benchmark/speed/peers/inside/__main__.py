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
from importlib import metadata
from typing import TYPE_CHECKING

from benchmark.speed.peers.task import PeerTask

if TYPE_CHECKING:
    from typing import TextIO

    from benchmark.speed.peers.inside.passes import PeerModel


def main() -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # peers print as they train
    name, *checkout = sys.argv[1:]
    try:
        peer = importlib.import_module(f"benchmark.speed.peers.inside.{name}")
        process = importlib.import_module("benchmark.training.process")
    except ImportError as error:
        hint = f"{sys.prefix} lacks what {name} needs: {error}; remove it, so that it is made anew"
        answers.write(json.dumps({"error": hint}) + "\n")
        return
    process.set_up_torch("cpu")  # threads and memory as our own process has them
    versions = {"version": peer.VERSION, "torch": metadata.version("torch")}
    answers.write(json.dumps(versions) + "\n")
    model: PeerModel | None = None
    for line in sys.stdin:
        if "window" not in json.loads(line):
            model = None  # before the next one is made
            model = peer.MODEL(PeerTask.from_json(line), *checkout)
            answers.write("{}\n")
        elif model is not None:
            _measure(model, line, answers)


def _measure(model: PeerModel, line: str, answers: TextIO) -> None:
    act = model.a_pass(**json.loads(line))
    start = time.process_time()
    act()
    answers.write(json.dumps({"seconds": time.process_time() - start}) + "\n")


if __name__ == "__main__":
    main()
