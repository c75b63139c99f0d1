"""A permutation of any length that is computed place by place, in place of a table of all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

ROUNDS = 16


class KeyedPermutation:
    """A pseudo-random permutation of 0 to n - 1 by a Feistel network, in O(sqrt n) memory.

    Equation: a number is l b + r, with l in Z_a, r in Z_b, a = ceil(sqrt n) and b = n / a, rounded
        up to an even number. Two rounds take l to l + F(r) mod a, then r to r + G(l) mod b. F and G
        are tables of independent uniform numbers, new ones for every two rounds. A result of n or
        more is mapped again until it is below n; fewer than 2 a numbers are that large.
    Shapes: F is (b,), G is (a,), int64; 5 MB in all at n = 1.5e9.
    Guarantees: a bijection for every n and every key. The tables come from the generator alone, so
        that equal generators give equal permutations, and a generator's next one is independent.
        With enough rounds a look at up to a^(1 - epsilon) places cannot tell it from a uniform
        permutation (Hoang and Rogaway). The number of rounds is by evidence, of 20,000 keys each:
        pairs of rows at two places are biased at 4 rounds and not seen to be at 6; whole orders of
        3 to 7 rows are biased at 12 and not seen to be at 16, nor at 24.
    No guarantee: that every order can occur. The tables hold about 16 a log2(a) random bits, an
        order of n rows has n log2(n). A look at all places may tell it from a uniform permutation.
        It keeps no secret.
    Deviation: b is even, which costs a few more numbers beyond n: were a and b odd, no odd
        permutation of a b numbers could occur.
    Paper: Black, Rogaway: Ciphers with arbitrary finite domains, CT-RSA 2002 (two moduli, walking
        on). Luby, Rackoff: How to construct pseudorandom permutations from pseudorandom functions,
        SIAM J. Comput. 17, 1988. Hoang, Rogaway: On generalized Feistel networks, CRYPTO 2010.
        Mitchell, Stokes, Frank, Holmes: Bandwidth-optimal random shuffling for GPUs, ACM TOPC 2022,
        arXiv 2106.06161 (shuffles so, and tests its rounds in this way).
    """

    def __init__(self, n: int, generator: torch.Generator, rounds: int = ROUNDS) -> None:
        """Draw the tables for n >= 1 numbers; `rounds` is even."""
        self.n = n
        self.n_left = math.isqrt(n - 1) + 1  # a
        self.n_right = 2 * -(-n // (2 * self.n_left))  # b
        self.tables = [
            (
                torch.randint(self.n_left, (self.n_right,), generator=generator),  # F
                torch.randint(self.n_right, (self.n_left,), generator=generator),  # G
            )
            for _ in range(rounds // 2)
        ]

    def __call__(self, places: Tensor) -> Tensor:
        """The numbers (B,) at these places (B,), int64."""
        numbers = self._map(places)
        beyond = (numbers >= self.n).nonzero().squeeze(1)
        while len(beyond):
            numbers[beyond] = self._map(numbers[beyond])
            beyond = beyond[numbers[beyond] >= self.n]
        return numbers

    def _map(self, numbers: Tensor) -> Tensor:
        """All rounds, on numbers (B,) below a b."""
        left, right = numbers // self.n_right, numbers % self.n_right
        for of_right, of_left in self.tables:
            left.add_(of_right[right]).remainder_(self.n_left)
            right.add_(of_left[left]).remainder_(self.n_right)
        return left.mul_(self.n_right).add_(right)
