"""The connection to an existing Ray cluster: whether one answers, joining it, its CPUs."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark.config import ConfigError
from benchmark.store.environment import COMMIT_VARIABLE, copy_program, program_commit
from models.registry import PLUGINS_VARIABLE

SOCKET_SECONDS, ANSWER_SECONDS = 4, 15
PATIENCE_SECONDS = 120.0  # with no CPU at all
HEAD_SECONDS = 20  # a head that is restarted may come back
START = "start one with `ray start --head`, or give --ray-address HOST:PORT"
# Joining as a process of its own: against what is no Ray cluster it may take minutes, or abort.
PROBE = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')"
SETTINGS = {  # of Ray, read when it is imported
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": "1",  # apart from `max_retries`; Ray would try for ever
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # tasks see the GPUs of their node
}


def check_cluster(address: str | None) -> None:
    """Refuse an address at which no Ray cluster answers; takes 20 s at most.

    Args:
        address: HOST:PORT of the head node; None for the cluster of this machine.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers that this process can join.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("--executor ray needs the Ray extra: make ray")
    if address is not None and address != "auto":
        _check_port(address)
    command = [sys.executable, "-c", PROBE, address or "auto"]
    environment = os.environ | SETTINGS
    try:
        subprocess.run(
            command, env=environment, capture_output=True, timeout=ANSWER_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"--ray-address {address or 'auto'}: no Ray cluster answers within {ANSWER_SECONDS} s;"
            f" {START}"
        ) from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ConfigError(
            f"--ray-address {address or 'auto'}: cannot join a Ray cluster"
            f" ({''.join(reason) or f'exit code {error.returncode}'}); {START}"
        ) from None


def connect(address: str | None) -> None:
    """Join the cluster as a driver whose tasks run this program; `check_cluster` comes first."""
    os.environ.update(SETTINGS)
    import ray

    with tempfile.TemporaryDirectory() as folder:
        copy_program(Path(folder))
        ray.init(
            address or "auto",
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={
                "working_dir": folder,
                "env_vars": {
                    **SETTINGS,
                    "THP_MEM_ALLOC_ENABLE": "1",  # large pages for large tables
                    COMMIT_VARIABLE: program_commit() or "",
                    PLUGINS_VARIABLE: _copy_plugins(Path(folder)),
                },
            },
        )


def _copy_plugins(folder: Path) -> str:
    """Copy the plug-ins of this process; their variable, with paths from `folder`."""
    text = os.environ.get(PLUGINS_VARIABLE, "")
    plugins: dict[str, dict[str, str]] = json.loads(text) if text else {}
    for kind, paths in plugins.items():
        (folder / "plugins" / kind).mkdir(parents=True)
        for name, path in paths.items():
            copy = Path(shutil.copy(path, folder / "plugins" / kind))
            paths[name] = copy.relative_to(folder).as_posix()
    return json.dumps(plugins) if plugins else ""


def count_cpus() -> int:
    """The CPUs that the cluster has now; waits for one, but not for ever.

    Raises:
        ConfigError: the head node has gone, after which Ray would soon end this process, or no
            other node has come.
    """
    import ray

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        _await_head(ray.get_runtime_context().gcs_address)
        if cpus := int(ray.cluster_resources().get("CPU", 0)):
            return cpus
        if time.monotonic() > deadline:
            raise ConfigError(
                f"the Ray cluster has had no CPU for {PATIENCE_SECONDS:.0f} s; start nodes with"
                " `ray start --address HOST:PORT`, then run the same command again to go on"
            )
        time.sleep(1)


def _await_head(address: str) -> None:
    deadline = time.monotonic() + HEAD_SECONDS
    while True:
        try:
            return _knock(address)
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"the head node of the Ray cluster, {address}, has gone"
                    f" ({error.strerror or error}); start it, then run the same command again to"
                    " go on"
                ) from None
        time.sleep(1)


def _knock(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), SOCKET_SECONDS).close()


def _check_port(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigError(
            f"--ray-address {address}: not HOST:PORT; give the address that `ray start --head`"
            " prints, such as 10.0.0.1:6379"
        )
    try:
        _knock(address)
    except OSError as error:
        raise ConfigError(
            f"--ray-address {address}: does not answer ({error.strerror or error}); {START}"
        ) from None
