"""The command line of `run_all.py`: its flags, and the plug-ins that they may name."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from benchmark.command_line.listing import LISTS
from benchmark.planning.studies import STUDIES
from benchmark.protocol import DEFAULT_PRESET, PRESETS
from benchmark.store.environment import ROOT
from benchmark.tasks import Compiles, EpochOrder
from datasets.command_line import Parser, at_least
from models.registry import GROUPS, PluginError, available, plugins, use_plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.config import Json

SELECTING = (  # the flags that say what is run, studies apart
    *("preset", "data", "world_rows", "backbones", "methods", "plugin"),
    *("trials", "tuned", "seeds", "embedding_optimizer", "device", "kernels"),
    *("compile", "row_order", "focus"),
)
EXAMPLES = """\
examples:
  python run_all.py                    the quick comparison on the embedded data, then the report
  python run_all.py --preset smoke --data kuairand --download
  python run_all.py --data my_log.csv  writes my_log.toml beside it, which says what to check
  python run_all.py --data my_log.toml --methods plain adasparse --seeds 5
  python run_all.py --only controls    one study alone; --list studies says what each asks
  python run_all.py --report-only      the report again, from the run folders

exit codes: 0 ok, also if a log was only described; 1 some cells or parts of the report failed, it
is written without them; 2 usage or bad input; 130 interrupted, run again to go on
"""


class Words(argparse.Action):
    """An argument of several words, with blanks or commas between; a file's name is one word."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        *,
        metavar: str,
        help: str,
        default: Sequence[str] = (),
        allowed: Sequence[str] = (),
    ) -> None:
        super().__init__(
            option_strings, dest, nargs="+", default=[*default], metavar=metavar, help=help
        )
        self.allowed = allowed

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Keep each word once."""
        parts = [[value] if Path(value).exists() else value.split(",") for value in values or ()]
        words = [*dict.fromkeys(word for part in parts for word in part if word)]
        words = words or [*(values or ())]
        for word in words:
            if self.allowed and word not in self.allowed:
                options = ", ".join(self.allowed)
                raise argparse.ArgumentError(
                    self, f"invalid choice: {word!r} (choose from {options})"
                )
        setattr(namespace, self.dest, words)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The parsed arguments; plug-ins are made known on the way."""
    load_plugins(arguments)
    parser = make_parser()
    args = parser.parse_args(arguments)
    if args.tuned and args.trials is not None:
        parser.error("--tuned and --trials do not go together: given values are not searched for")
    if args.ray_address and args.executor != "ray":
        parser.error("--ray-address needs --executor ray")
    if args.download and (args.data_dir or args.dry_run):
        parser.error("--download fetches into the default folder, without --data-dir and --dry-run")
    if args.verbose and not args.dry_run:
        parser.error("--verbose goes with --dry-run")
    if args.tracking_uri and args.no_mlflow:
        parser.error("--tracking-uri and --no-mlflow do not go together")
    args.default_jobs = 1 if args.device == "cuda" else usable_cores()
    args.given = sys.argv[1:] if arguments is None else [*arguments]
    args.methods = args.methods or (
        ["all"] if "zoo" in args.only else ["paper", *plugins()["methods"]]
    )
    args.data = args.data or list(PRESETS[args.preset].data)
    return args


def call_of(args: argparse.Namespace) -> dict[str, Json]:
    """The flags that say what is run, with their values, for the plan; absent ones are left out."""
    values = {f"--{name.replace('_', '-')}": getattr(args, name) for name in SELECTING}
    given = {flag: value for flag, value in values.items() if value not in (None, [])}
    call: dict[str, Json] = json.loads(json.dumps(given, default=str))
    return call


def load_plugins(arguments: Sequence[str] | None) -> None:
    """Make the files of --plugin known, so that the other flags can name them."""
    parser = Parser(prog="run_all.py", add_help=False)
    _add_plugin(parser)
    try:
        use_plugins(parser.parse_known_args(arguments)[0].plugin)
    except PluginError as error:
        parser.error(f"--plugin {error}")


def _add_plugin(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--plugin",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.py",
        help="a method or backbone of your own, named by its file; may be given several times"
        " (`python -m models.check FILE.py` checks it)",
    )


def make_parser() -> Parser:
    """The command line."""
    parser = Parser(
        prog="run_all.py",
        description="Multi-domain CTR models: all methods on all backbones, one protocol.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_selection(parser)
    _add_execution(parser)
    _add_alternatives(parser)
    return parser


def _add_selection(parser: Parser) -> None:
    group = parser.add_argument_group("what to run", "several names have blanks or commas between")
    presets = "; ".join(f"{preset.name}: {preset.summary}" for preset in PRESETS.values())
    group.add_argument(
        "--preset",
        choices=sorted(PRESETS),
        default=DEFAULT_PRESET,
        help=f"{presets} (default {DEFAULT_PRESET})",
    )
    group.add_argument(
        "--data",
        action=Words,
        metavar="NAME[/COLUMN+...]|SPEC.toml|FILE",
        help="catalog names, perhaps with a domain partition; or a description of your own log; or"
        " a file or folder of a log: its description is written beside it, to be checked, and"
        " nothing is run (default: the preset's generated logs)",
    )
    group.add_argument(
        "--data-dir", type=Path, help="folder of the raw files (default datasets/data/raw/NAME)"
    )
    group.add_argument(
        "--download",
        action="store_true",
        help="first fetch raw files that are not there, where they may be fetched (--list datasets"
        " says which), and check them",
    )
    group.add_argument(
        "--world-rows",
        type=at_least(1),
        metavar="N",
        help="rows of a generated log (default: the preset's)",
    )
    backbones = sorted(available("backbones"), key=lambda name: name != "dnn")
    group.add_argument(
        "--backbones",
        action=Words,
        allowed=backbones,
        default=backbones,
        metavar="BACKBONE",
        help=f"{', '.join(backbones)} (default: all; the first is ablated)",
    )
    methods = available("methods")
    group.add_argument(
        "--methods",
        action=Words,
        allowed=[*methods, *GROUPS],
        metavar="METHOD",
        help=f"{', '.join(methods)}; or paper, those of the AdaSparse paper's Table 1, or all of"
        " them (default: paper, and those of --plugin; all with --only zoo)",
    )
    _add_plugin(group)
    _add_budget(group)


def _add_budget(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--trials",
        type=at_least(0),
        metavar="N",
        help="trials of every search; 0 takes the papers' values (default: the preset's)",
    )
    group.add_argument(
        "--tuned",
        type=Path,
        metavar="DIR",
        help="take tuned values from the best.json files below a folder, those of this call's"
        " protocol first, and search for none",
    )
    group.add_argument(
        "--seeds", type=at_least(1), metavar="N", help="number of seeds (default: the preset's)"
    )
    group.add_argument(
        "--only",
        action=Words,
        default=[],
        metavar="STUDY",
        help=f"studies ({', '.join(STUDIES)}), or tables and figures of the report (--list names"
        " them) (default: all but zoo, and mechanisms only with one of its worlds in --data)",
    )
    group.add_argument(
        "--embedding-optimizer",
        choices=("sparse", "dense"),
        default="sparse",
        help="Adam on the embedding rows of a batch, or on the whole table (default sparse)",
    )
    group.add_argument(
        "--focus",
        metavar="METHOD|BACKBONE+METHOD",
        help="a model that a table for a paper compares with each other of Table 1, also with"
        " --report-only (default: the best on dev)",
    )


def _add_execution(parser: Parser) -> None:
    group = parser.add_argument_group("how to run")
    group.add_argument(
        "--jobs",
        type=at_least(1),
        metavar="N",
        help=f"processes (default {usable_cores()}, or 1 with --device cuda; on a cluster all of"
        " its CPUs)",
    )
    group.add_argument(
        "--executor",
        choices=("local", "ray"),
        default="local",
        help="processes of this machine, or a Ray cluster (make ray); default local",
    )
    group.add_argument(
        "--ray-address", metavar="HOST:PORT", help="of the cluster (default: this machine's)"
    )
    group.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    group.add_argument(
        "--kernels",
        choices=("torch", "native"),
        help="what moves the rows of tables on a CPU (default: native, where make setup could"
        " build them)",
    )
    group.add_argument(
        "--compile",
        choices=get_args(Compiles),
        default="auto",
        help="compile training steps on a CPU: of long trainings, never, or always, wherever it"
        " can be done (default auto; docs/speed.md)",
    )
    group.add_argument(
        "--row-order",
        choices=get_args(EpochOrder),
        help="random order of the train rows in an epoch (default: exact, keyed beyond 33 million,"
        " blocks where they take more than half of the machine's memory)",
    )
    group.add_argument(
        "--out", type=Path, default=ROOT / "benchmark" / "runs", help="default benchmark/runs"
    )
    group.add_argument("--retry-failed", action="store_true", help="run failed cells again")
    group.add_argument(
        "--fresh", action="store_true", help="run all cells of this call again, finished ones too"
    )


def _add_alternatives(parser: Parser) -> None:
    group = parser.add_argument_group("MLflow")
    group.add_argument("--no-mlflow", action="store_true", help="do not copy the runs to MLflow")
    group.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="of an MLflow server that gets the runs (default: mlflow.db in --out)",
    )
    others = parser.add_argument_group("instead of running")
    others.add_argument(
        "-v", "--verbose", action="store_true", help="with --dry-run: every cell too"
    )
    instead = others.add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run",
        action="store_true",
        help="print the budgets and the studies, with a time estimate",
    )
    instead.add_argument(
        "--status", action="store_true", help="count the cells of the last call in --out by state"
    )
    instead.add_argument(
        "--report-only", action="store_true", help="write the report of the last call in --out"
    )
    instead.add_argument(
        "--new-method",
        metavar="NAME",
        help="write NAME.py here, a method that works, to begin from; it is never overwritten",
    )
    instead.add_argument(
        "--list",
        nargs="?",
        const=(),
        choices=LISTS,
        dest="listing",
        help="what there is to choose from; alone it names its lists",
    )
    instead.add_argument(
        "--sys-info", action="store_true", help="versions and machine, for a bug report"
    )
    instead.add_argument("--version", action="store_true", help="name, version and commit")


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
