from __future__ import annotations

from benchmark.speed.prepare_speed import measure


def test_a_small_log_is_measured_in_a_process_of_its_own():
    speed, memory = measure(rows=3000)

    assert float(speed.measured.split()[0].replace(",", "")) > 0
    assert 0.01 < float(memory.measured.split()[0]) < 4
