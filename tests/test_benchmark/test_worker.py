"""The process that does the tasks of a grid."""

import pickle
import subprocess
import sys
from pathlib import Path

from benchmark.planning.cells import configure
from benchmark.planning.studies import Change
from benchmark.store.records import RunStore
from benchmark.tasks import RunTask

ROOT = Path(__file__).resolve().parents[2]


def test_worker_imports_nothing_slow_but_torch(log, select, tmp_path):
    config = configure(select(), "tiny", log, "dnn", Change(method="plain"))
    task = RunTask(config=config, data=log, out=tmp_path / "out")
    (tmp_path / "task").write_bytes(pickle.dumps(task))
    program = (
        "import pathlib, pickle, sys\n"
        "from benchmark.running import local, network_run\n"
        f"task = pickle.loads(pathlib.Path({str(tmp_path / 'task')!r}).read_bytes())\n"
        "before = len(sys.modules)\n"
        "local.work(task)\n"
        "slow = {'matplotlib', 'mlflow', 'optuna', 'pandas', 'scipy', 'sklearn', 'torch._dynamo'}\n"
        "print(len(sys.modules) - before, *slow & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    imported, *slow = done.stdout.split()
    assert int(imported) < 50  # the compiler of torch has 800
    assert slow == []
    assert RunStore(tmp_path / "out").state(config) == "done"
