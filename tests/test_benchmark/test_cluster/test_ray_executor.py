"""Tasks on a real Ray cluster of two nodes on this machine, which share no temporary folder."""

import json
import os
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.protocol import COMPACT
from benchmark.running.local import run_tasks
from benchmark.running.ray_connection import check_cluster
from benchmark.running.ray_executor import DEATH, run_tasks_on_ray
from benchmark.tasks import Compute, RunTask
from datasets import catalog
from datasets.prepare import prepare
from datasets.spec import PrepareOptions
from models.registry import PLUGINS_VARIABLE, plugin_digests, use_plugins

PLUGIN = "from models.methods.plain import METHOD  # noqa: F401\n"


@dataclass(frozen=True, kw_only=True)
class Errand:
    """A light task: `deed` says what becomes of its worker."""

    name: str
    data: object
    out: Path
    deed: str = "write"
    watched: Path | None = None
    compute: Compute = Compute()

    title = property(lambda self: self.name)

    def run(self):
        if self.deed == "raise":
            raise ValueError(f"{self.name} is bad\nvery bad")
        if self.deed == "exit":
            (self.watched / str(os.getpid())).touch()
            os._exit(7)
        if self.deed == "full":
            raise OSError(28, "No space left on device", self.name)
        while self.deed == "beat":
            self.watched.write_text(str(time.time()))
            time.sleep(0.05)
        if self.deed == "rest":
            time.sleep(2)
        (self.out / "notes").mkdir()
        text = json.dumps([os.environ["RAY_NODE"], np.load(self.data.directory / "rows.npy").size])
        (self.out / "notes" / f"{self.name}.json").write_text(text)


class Errands:
    """A source that says what it was asked and told."""

    def __init__(self, tasks):
        self.tasks = list(tasks)
        self.calls = []

    def take(self):
        if not self.tasks:
            return None
        self.calls.append(("take", self.tasks[0].title))
        return self.tasks.pop(0)

    def settle(self, outcome):
        self.calls.append(("settle", outcome.task.title))


@pytest.fixture
def log(tiny_log, tmp_path):
    """The small log, prepared."""
    return prepare(catalog.load(str(tiny_log)), None, tmp_path / "cache", PrepareOptions())


def beside(folder):
    """Environment of a node whose temporary folder is its own."""
    return {"TMPDIR": str(folder), "RAY_NODE": folder.name}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A head of one CPU with its own temporary folder, and a function that adds such nodes."""
    pytest.importorskip("ray", reason="no Ray: make ray")
    from ray import cloudpickle
    from ray._common.utils import get_default_ray_temp_dir
    from ray.cluster_utils import Cluster

    # There it leaves the address of a test's cluster, and fails where no node has made the folder.
    Path(get_default_ray_temp_dir()).mkdir(parents=True, exist_ok=True)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    sizes = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster()

    def add(name, **more):
        folder = tmp_path_factory.mktemp(name)
        return cluster.add_node(**sizes, **more, temp_dir=session, env_vars=beside(folder))

    cluster.add = add
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as session:  # paths of sockets
        add("head"), add("second")
        yield cluster
        cluster.shutdown()
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def on_ray(cluster, tasks, num_workers=None):
    source = Errands(tasks)
    with closing(run_tasks_on_ray(source, cluster.address, num_workers, Errand.run)) as outcomes:
        return {outcome.task.title: outcome for outcome in outcomes}, source


def errands(log, out, *names, **changes):
    return [Errand(name=name, data=log, out=out, **changes) for name in names]


def notes(out):
    return {path.stem: json.loads(path.read_text()) for path in (out / "notes").glob("*.json")}


@pytest.mark.slow
def test_tasks_run_on_both_nodes_and_leave_their_files_with_the_driver(cluster, log, tmp_path):
    names = [f"errand {number}" for number in range(4)]

    outcomes, source = on_ray(cluster, errands(log, tmp_path, *names, deed="rest"))

    assert {outcome.error for outcome in outcomes.values()} == {""}
    assert sorted(notes(tmp_path)) == names
    assert {node.rstrip("0") for node, _ in notes(tmp_path).values()} == {"head", "second"}
    assert [call[0] for call in source.calls[:3]] == ["take", "take", "settle"]


@pytest.mark.slow
def test_tasks_are_taken_one_by_one_where_one_worker_is_allowed(cluster, log, tmp_path):
    _, source = on_ray(cluster, errands(log, tmp_path, "a", "b", "c"), num_workers=1)

    assert source.calls == [(what, name) for name in "abc" for what in ("take", "settle")]


@pytest.mark.slow
def test_log_travels_to_nodes_that_do_not_see_it(cluster, log, tmp_path, monkeypatch):
    monkeypatch.chdir(log.directory.parent)
    hidden = replace(log, directory=Path(log.directory.name))  # workers are in other folders

    outcomes, _ = on_ray(cluster, errands(hidden, tmp_path, "a", "b", "c", deed="rest"))

    assert {outcome.error for outcome in outcomes.values()} == {""}
    assert {size for _, size in notes(tmp_path).values()} == {log.rows().size}


@pytest.mark.slow
def test_deadly_and_raising_tasks_fail_alone(cluster, log, tmp_path):
    (tried := tmp_path / "tried").mkdir()
    bad = {
        deed: errands(log, tmp_path, deed, deed=deed, watched=tried)
        for deed in ("exit", "raise", "full")
    }
    tasks = [*bad["exit"], *bad["raise"], *bad["full"], *errands(log, tmp_path, "a", "b")]

    outcomes, _ = on_ray(cluster, tasks)

    assert outcomes["exit"].error == f"{DEATH} (WorkerCrashedError)"
    assert len(list(tried.iterdir())) == 2
    assert outcomes["raise"].error.startswith("ValueError: raise is bad very bad, at test_ray_")
    assert "Traceback" in outcomes["raise"].detail
    assert "OSError: [Errno 28] No space left on device: 'full'" in outcomes["full"].error
    assert outcomes["full"].error.startswith("on the node ")
    assert (outcomes["a"].error, outcomes["b"].error) == ("", "")
    assert sorted(notes(tmp_path)) == ["a", "b"]


@pytest.mark.slow
def test_loss_of_a_node_costs_no_task(cluster, log, tmp_path):
    third = cluster.add("third")
    names = [f"errand {number}" for number in range(9)]
    source = Errands(errands(log, tmp_path, *names, deed="rest"))

    with closing(run_tasks_on_ray(source, cluster.address, None, Errand.run)) as outcomes:
        ends = [next(outcomes)]
        assert len([call for call in source.calls if call[0] == "take"]) == 3
        cluster.remove_node(third, allow_graceful=False)
        ends += outcomes

    assert [outcome.error for outcome in ends] == [""] * 9
    assert sorted(notes(tmp_path)) == names


@pytest.mark.slow
def test_node_that_joins_is_used(cluster, log, tmp_path):
    source = Errands(errands(log, tmp_path, *map(str, range(9)), deed="rest"))

    with closing(run_tasks_on_ray(source, cluster.address, None, Errand.run)) as outcomes:
        ends = [next(outcomes)]
        late = cluster.add("late")
        ends += outcomes
    cluster.remove_node(late)

    assert len(ends) == 9
    assert any(node.startswith("late") for node, _ in notes(tmp_path).values())


@pytest.mark.slow
def test_tasks_of_a_gpu_go_to_nodes_that_have_one(cluster, log, tmp_path):
    node = cluster.add("gpu", num_gpus=1)  # in name only

    outcomes, _ = on_ray(cluster, errands(log, tmp_path, *"abc", compute=Compute("cuda")))
    cluster.remove_node(node)

    assert {outcome.error for outcome in outcomes.values()} == {""}
    assert {node.rstrip("0") for node, _ in notes(tmp_path).values()} == {"gpu"}


@pytest.mark.slow
def test_closing_ends_the_tasks_and_leaves_the_cluster(cluster, log, tmp_path):
    beat = tmp_path / "beat"
    tasks = [
        *errands(log, tmp_path, "endless", deed="beat", watched=beat),
        *errands(log, tmp_path, "short"),
    ]
    outcomes = run_tasks_on_ray(Errands(tasks), cluster.address, None, Errand.run)
    assert next(outcomes).task.title == "short"
    wait_for(beat.exists)

    outcomes.close()

    last = wait_for(lambda: beat.read_text() if time.time() - float(beat.read_text()) > 1 else "")
    time.sleep(0.5)
    assert beat.read_text() == last
    check_cluster(cluster.address)


@pytest.mark.slow
def test_disk_of_the_driver_stops_the_grid(cluster, log, tmp_path):
    (tmp_path / "out").write_text("not a folder")
    tasks = errands(log, tmp_path / "out", "a", "b")

    with pytest.raises(NotADirectoryError):
        on_ray(cluster, tasks)


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError):
            if value := condition():
                return value
        time.sleep(0.05)
    raise TimeoutError


def cells(make_config, log, out):
    """Two real runs, one with a plug-in."""
    config = make_config(
        dataset="tiny",
        data_fingerprint=log.fingerprint,
        features=tuple(feature.name for feature in log.spec.features),
        partition=("place",),
        task="place",
        protocol=replace(COMPACT, max_epochs=1),
        method="mine",
        method_config={},
        plugins=plugin_digests("dnn", "mine"),
    )
    other = replace(config, backbone="dcnv2", method="adasparse", plugins={})
    return [RunTask(config=one, data=log, out=out) for one in (config, other)]


def records(out):
    """Records by run id without what may differ, and the digests of all other files."""
    found = {path.parent.name: json.loads(path.read_text()) for path in out.rglob("record.json")}
    for record in found.values():
        del record["timing"], record["environment"]
    return found


@pytest.mark.slow
def test_real_runs_are_the_same_on_ray_as_in_a_pool(
    cluster, make_config, log, tmp_path, monkeypatch
):
    monkeypatch.setenv(PLUGINS_VARIABLE, "")
    (tmp_path / "mine.py").write_text(PLUGIN)
    use_plugins([tmp_path / "mine.py"])
    monkeypatch.chdir(log.directory.parent)
    hidden = replace(log, directory=Path(log.directory.name))

    here = Errands(cells(make_config, log, tmp_path / "pool"))
    there = Errands(cells(make_config, hidden, tmp_path / "ray"))

    pool = list(run_tasks(here, 2))
    ray = list(run_tasks_on_ray(there, cluster.address, None))

    assert [outcome.error for outcome in pool + ray] == [""] * 4
    assert len(records(tmp_path / "ray")) == 2
    assert records(tmp_path / "ray") == records(tmp_path / "pool")
