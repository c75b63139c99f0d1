"""Adam row by row: equal to dense Adam in every look-up, but for the place of epsilon."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmark.training.adam import BETAS, drift, missed
from benchmark.training.native_adam import NativeAdam
from benchmark.training.row_adam import DomainAdam, RowAdam
from models.layers.kernels.build import library_path
from models.layers.kernels.library import Library
from models.layers.kernels.rows import POWERS
from models.layers.tables import RowTable

ROWS, DIM, RATE = 40, 3, 1e-2
KINDS = ["rows", "static", "domains", pytest.param("native", marks=pytest.mark.native)]
POPULARITY = (
    torch.arange(1, ROWS + 1, dtype=torch.float64) ** -1.5
)  # gaps of 0 to hundreds of steps


def fresh_table(dtype=torch.float64):
    table = RowTable(ROWS, DIM, sparse_gradient=True).to(dtype)
    with torch.no_grad():
        table.weight.normal_(generator=torch.Generator().manual_seed(0))
    return table


def optimizer_of(kind, table):
    if kind == "native":
        return NativeAdam(table, RATE, Library(library_path(), table.weight.dtype))
    if kind == "domains":
        return DomainAdam([table], RATE)
    return RowAdam(table, RATE, is_static=kind == "static")


class Dense:
    """A copy of a table under torch's Adam, every row of which moves in every step."""

    def __init__(self, table, eps=1e-8):
        self.weight = nn.Parameter(table.weight.detach().clone())
        self.adam = torch.optim.Adam([self.weight], lr=RATE, eps=eps)

    def look_up(self, ids):
        return functional.embedding(ids, self.weight)

    def step(self):
        self.adam.step()
        self.adam.zero_grad()


def pull(rows, draw):
    """Loss of looked-up rows whose gradient depends on them; its size is 0.5 to 3 times 1e-3."""
    size = 0.5 + torch.rand(rows.shape, generator=draw, dtype=torch.float64)
    sign = torch.randint(0, 2, rows.shape, generator=draw) * 2 - 1
    return 1e-3 * (size * sign * (rows + 0.5 * rows.sin())).sum()


def largest_differences(kind, num_steps, eps):
    """Over all look-ups, and of all rows at the end; with random gaps and repeated ids."""
    table, draw = fresh_table(), torch.Generator().manual_seed(1)
    ours, dense, largest = optimizer_of(kind, table), Dense(table, eps), 0.0
    for step in range(num_steps):
        ids = torch.multinomial(POPULARITY, 4, replacement=True, generator=draw)
        found, expected = table.look_up(ids), dense.look_up(ids)
        largest = max(largest, (found - expected).abs().max().item())
        for rows in (found, expected):
            pull(rows, torch.Generator().manual_seed(step)).backward()
        ours.step()
        dense.step()
        table.weight.grad = None
    ours.catch_up()
    return largest, (table.weight - dense.weight).abs().max().item()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("no_epsilon")
def test_every_look_up_equals_dense_adam(kind):
    looked_up, at_the_end = largest_differences(kind, 600, eps=1e-30)

    assert looked_up < 1e-12
    assert at_the_end < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_place_of_epsilon_makes_a_small_difference(kind):
    # sqrt(v) is about 3e-5 after a gradient of 1e-3, and torch's epsilon for it between 0 and 1e-8.
    # So a step differs by a share of 3e-4 at most, and what a row drifts, up to nine steps of RATE,
    # by 3e-5; differences of several gaps add up.
    looked_up, at_the_end = largest_differences(kind, 600, eps=1e-8)

    assert 0.0 < looked_up < 3e-5
    assert at_the_end < 3e-5


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (1, 2), (3, 3), (5, 900), (2_000, 2_040), (36_700, 40_000)]
)
def test_drift_is_the_sum_of_the_steps_without_a_gradient(start, end):
    steps = [
        math.sqrt(1.0 - BETAS[1] ** i)
        / (1.0 - BETAS[0] ** i)
        * (BETAS[0] / math.sqrt(BETAS[1])) ** (i - start)
        for i in range(start + 1, end + 1)
    ]

    assert drift(start, end) == pytest.approx(math.fsum(steps), rel=1e-12, abs=1e-14)


def test_drift_of_the_first_steps_by_hand():
    # q = 0.90045, c_2 = sqrt(0.001999) / 0.19 = 0.235316, c_3 = sqrt(0.002997) / 0.271 = 0.202010
    assert drift(1, 2) == pytest.approx(0.90045 * 0.235316, rel=1e-5)
    assert drift(1, 3) == pytest.approx(0.90045 * 0.235316 + 0.81081 * 0.202010, rel=1e-5)


def test_constants_reach_as_far_as_bias_corrections_do():
    steps = len(missed()) - 1

    assert 1.0 - BETAS[1] ** (steps + 1) == 1.0
    assert missed()[-1].drift == pytest.approx(drift(steps, steps + 400), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_gap_in_single_precision(kind):
    table = fresh_table(torch.float32)
    ours, dense = optimizer_of(kind, table), Dense(table)

    for step in range(2_000):
        for each in (table, dense):
            each.look_up(torch.tensor([1, 2 if step == 20 else 1])).pow(2).sum().backward()
        ours.step()
        dense.step()
        table.weight.grad = None

    found = table.look_up(torch.tensor([2]))
    torch.testing.assert_close(found, dense.look_up(torch.tensor([2])), rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("no_epsilon")
def test_several_look_ups_of_a_step_add_up(kind):
    table, draw = fresh_table(), torch.Generator().manual_seed(1)
    ours, dense = optimizer_of(kind, table), Dense(table, 1e-30)

    for step in range(60):
        first, second = torch.multinomial(POPULARITY, 8, generator=draw).split(4)
        for each in (table, dense):
            one, other = each.look_up(first), each.look_up(second)
            with torch.no_grad():
                each.look_up(first)  # nobody's gradient
            (pull(one, torch.Generator().manual_seed(step)) + other.pow(2).sum()).backward()
        if step % 3:  # else the gradients wait for the next step
            ours.step()
            dense.step()
            table.weight.grad = None
    ours.catch_up()

    torch.testing.assert_close(table.weight, dense.weight, rtol=0.0, atol=1e-12)


@pytest.mark.usefixtures("no_epsilon")
def test_tables_that_a_step_looks_up_for_different_domains():
    tables = [fresh_table(), fresh_table()]
    ours, dense = DomainAdam(tables, RATE), [Dense(table, 1e-30) for table in tables]

    for ids in ([[1, 2], [2, 3]], [[4], [1]], [[5, 1], []], [[2], [4]]):
        for table, other, own in zip(tables, dense, ids, strict=True):
            for each in (table, other):
                each.look_up(torch.tensor(own, dtype=torch.int64)).pow(2).sum().backward()
        ours.step()
        for table, other in zip(tables, dense, strict=True):
            table.weight.grad = None
            other.step()
    ours.catch_up()

    for table, other in zip(tables, dense, strict=True):
        torch.testing.assert_close(table.weight, other.weight, rtol=0.0, atol=1e-12)


@pytest.mark.native
@pytest.mark.usefixtures("no_epsilon")
def test_powers_of_gaps_beyond_the_table():
    # The second moment outlives the tabulated powers; m and q have come to zero there.
    table = fresh_table()
    ours, dense = optimizer_of("native", table), Dense(table, 1e-30)
    for step in range(POWERS + 100):
        ids = torch.tensor([1, 2 if step in (20, POWERS + 60) else 1])
        for each in (table, dense):
            each.look_up(ids).pow(2).sum().backward()
        ours.step()
        dense.step()
        table.weight.grad = None

    found = table.look_up(torch.tensor([2]))

    torch.testing.assert_close(found, dense.look_up(torch.tensor([2])), rtol=0.0, atol=1e-12)


@pytest.mark.native
@pytest.mark.parametrize("l2", [None, torch.linspace(0.0, 1e-2, ROWS)])
def test_native_rows_are_those_of_torch_in_single_precision(l2):
    # Stated tolerance: 1e-6 of a value of about 1, after 300 steps of 1e-2.
    tables = [fresh_table(torch.float32), fresh_table(torch.float32)]
    library = Library(library_path(), torch.float32)
    adams = [RowAdam(tables[0], RATE, l2=l2), NativeAdam(tables[1], RATE, library, l2=l2)]
    draw = torch.Generator().manual_seed(1)
    for _ in range(300):
        ids = torch.multinomial(POPULARITY, 6, replacement=True, generator=draw)
        for table, adam in zip(tables, adams, strict=True):
            table.look_up(ids).sin().sum().backward()
            adam.step()
            adam.catch_up()
            table.weight.grad = None

    torch.testing.assert_close(tables[0].weight, tables[1].weight, rtol=0.0, atol=1e-6)


@pytest.mark.native
@pytest.mark.parametrize("row", [-1, ROWS])
def test_a_row_that_a_table_lacks_is_named_and_nothing_moves(row):
    table = fresh_table()
    NativeAdam(table, RATE, Library(library_path(), torch.float64))
    before = table.weight.detach().clone()

    with pytest.raises(
        IndexError, match=rf"look-up of row {row} in a table of 40 rows; allowed: 0 to"
    ):
        table.look_up(torch.tensor([3, row]))

    assert torch.equal(table.weight, before)


@pytest.mark.native
def test_a_fixed_row_stays_and_the_others_move():
    table = fresh_table()
    ours = NativeAdam(table, RATE, Library(library_path(), torch.float64), fixed=2)
    before = table.weight.detach().clone()

    table.look_up(torch.tensor([1, 2])).sum().backward()
    ours.step()

    assert (table.weight != before).any(dim=1).nonzero().flatten().tolist() == [1]


def trained(kind):
    """A table all rows of which but 0 and 1 have been looked up, and are late."""
    table = fresh_table()
    ours = optimizer_of(kind, table)
    for ids in (torch.arange(2, ROWS), torch.tensor([2])):
        table.weight.grad = None
        table.look_up(ids).pow(2).sum().backward()
        ours.step()
    return table, ours


@pytest.mark.parametrize("kind", KINDS)
def test_catching_up_moves_late_rows_once(kind):
    table, ours = trained(kind)
    before = table.weight.detach().clone()

    ours.catch_up()
    after = table.weight.detach().clone()
    ours.catch_up()

    has_moved = (after != before).any(dim=1).tolist()
    assert has_moved == [False] * 3 + [True] * (ROWS - 3)
    assert torch.equal(table.weight, after)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_released", [True, False])
def test_look_ups_in_eval_mode_or_after_training_move_nothing(kind, is_released):
    table, ours = trained(kind)
    before = table.weight.detach().clone()

    if is_released:
        ours.release()
    table.train(is_released).look_up(torch.arange(ROWS))

    assert torch.equal(table.weight, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda table: pickle.loads(pickle.dumps(table))])
def test_a_copy_has_no_optimiser(kind, copied):
    table, _ = trained(kind)
    before, clone = table.weight.detach().clone(), copied(table)

    clone.look_up(torch.arange(ROWS))

    assert clone.before_look_up is None
    assert clone.native is None
    assert torch.equal(clone.weight, before)
    assert torch.equal(table.weight, before)
    table.look_up(torch.arange(ROWS))  # the table itself still has one
    assert not torch.equal(table.weight, before)
