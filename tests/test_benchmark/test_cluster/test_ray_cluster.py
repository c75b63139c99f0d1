"""Addresses at which no Ray cluster can be joined: one line each, and soon."""

import importlib.util
import socket

import pytest

from benchmark.config import ConfigError
from benchmark.running import ray_connection
from benchmark.running.ray_connection import check_cluster

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray: make ray")


def test_without_ray_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match="--executor ray needs the Ray extra: make ray"):
        check_cluster(None)


@needs_ray
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "not HOST:PORT"),
        ("ray://127.0.0.1:10001", "not HOST:PORT"),
        ("127.0.0.1:0", "not HOST:PORT"),
        ("127.0.0.1:1", "does not answer .*Connection refused"),
    ],
)
def test_address_that_cannot_be_one_or_does_not_answer_is_one_line(address, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        check_cluster(address)

    assert address in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_ray
def test_address_of_something_else_than_ray_is_one_line(monkeypatch):
    monkeypatch.setattr(ray_connection, "ANSWER_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"

        with pytest.raises(ConfigError, match="no Ray cluster answers within 2 s") as caught:
            check_cluster(address)

    assert "\n" not in str(caught.value)


def test_head_that_has_gone_is_one_line(monkeypatch):
    monkeypatch.setattr(ray_connection, "HEAD_SECONDS", 0)

    with pytest.raises(ConfigError, match=r"the head node of the Ray cluster, .*, has gone"):
        ray_connection._await_head("127.0.0.1:1")


@needs_ray
def test_no_cluster_on_this_machine_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))

    with pytest.raises(ConfigError, match=r"--ray-address auto: .*ray start --head") as caught:
        check_cluster(None)

    assert "\n" not in str(caught.value)
