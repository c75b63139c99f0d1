"""`python -m benchmark.speed.peers [--env DIR] [--fuxictr DIR]`: other packages beside ours.

It installs FuxiCTR, torch-rechub and DeepCTR-Torch into an environment of their own, which needs
the network, trains each model that one of them and we both have, and prints a table.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.speed.peers.environment import PeerError, install
from benchmark.speed.peers.peer_process import peer_process
from benchmark.store.environment import ROOT, program_version
from datasets.command_line import OK, Parser, exit_code

if TYPE_CHECKING:
    import argparse

DCNV2 = ("DCNv2", "DCNv2 mixture")
APG = ("DCNv2 +APG by h", "DCNv2 +APG by e_d")


@dataclass(frozen=True, slots=True)
class Peer:
    """A package: its title, its module in `inside`, and the models that it and we both have."""

    title: str
    module: str
    models: tuple[str, ...]


FUXICTR = Peer("FuxiCTR", "of_fuxictr", ("DNN", *DCNV2, *APG))
PEERS = (
    Peer("torch-rechub", "of_rechub", ("DNN", *DCNV2)),
    Peer("DeepCTR-Torch", "of_deepctr", ("DNN", *DCNV2)),
)


def main() -> int:
    """Install the peers and print the table; returns the exit code."""
    parser = Parser(prog="python -m benchmark.speed.peers", description=__doc__)
    parser.add_argument(
        "--env",
        type=Path,
        default=ROOT / "benchmark" / "runs" / "peers",
        help="environment of the peers, made if it is absent; default benchmark/runs/peers",
    )
    parser.add_argument(
        "--fuxictr",
        type=Path,
        help="a checkout of FuxiCTR, whose package lacks its models; without one it is left out",
    )
    return exit_code(parser.prog, partial(_print_table, parser.parse_args()), PeerError)


def _print_table(options: argparse.Namespace) -> int:
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the workers of the grid have it
    if options.fuxictr and not (options.fuxictr / "model_zoo" / "DCNv2").is_dir():
        raise PeerError(f"{options.fuxictr} is no checkout of FuxiCTR: it has no model_zoo/DCNv2")
    install(options.env)
    print(program_version(), flush=True)
    if options.fuxictr:
        _print_peer(options.env, FUXICTR, [str(options.fuxictr.absolute())])
    else:
        print("FuxiCTR is left out: --fuxictr names no checkout of it")
    for peer in PEERS:
        _print_peer(options.env, peer, [])
    return OK


def _print_peer(folder: Path, peer: Peer, arguments: list[str]) -> None:
    with peer_process(folder, peer.module, arguments) as process:
        theirs, own = process.versions["torch"], metadata.version("torch")
        if theirs.split("+")[0] != own.split("+")[0]:  # the build is the user's choice
            raise PeerError(f"{folder} has torch {theirs}, not {own} as here; remove the folder")
        from benchmark.speed.peers import comparison, table  # torch, after all that is quick
        from benchmark.training.process import set_up_torch
        from models.layers.kernels import library

        set_up_torch()
        print(f"\n{peer.title} {process.versions['version']} on torch {theirs}", end="")
        print(f", ours on {own}, kernels: {library.used()}\n")
        print(table.head(), flush=True)
        for compared in comparison.compare(process, peer.title, peer.models):
            print(compared.row(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
