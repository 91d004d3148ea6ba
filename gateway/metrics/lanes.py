"""A distribution as one integer, so that adding workers or subtracting the past is one operation instead of 896.

Theory. A distribution is the integer d = sum of n[c] * 2^(64 * lane(c)) over the cells c, 0 <= n[c] < 2^64: the count
of each cell has a lane of 64 bits. It is unique, and 0 is the empty one. Lanes above the highest one in use cost
nothing; so the lanes begin with the cell of a millisecond, lane(c) = (c - 192) mod 896, and what is faster, which no
answer of a provider is, comes last. All that follows holds for any order of the lanes.

Reading. On a little-endian machine (no other is supported) int.from_bytes makes the lanes of consecutive cells from
the bytes of these cells in memory.

Adding. Lane c of a + b is a[c] + b[c], as long as that is below 2^64. It is: nobody serves 2^64 requests. So `sum`
merges distributions, in any order and grouping.

Subtracting. The past may have been cut to 32 bits, and differences are taken modulo 2^32. Let every lane of `edge` be
below 2^63, and let g[c] be now[c] with bit 63 set. Then g[c] - edge[c] is above 0: no lane borrows from the next one,
so that one subtraction of integers is 896 subtractions of lanes. Each differs from now[c] - edge[c] by 0 or by 2^63,
which is 0 modulo 2^32, and a mask leaves the low 32 bits.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from gateway.metrics.cells import CELLS, index

Distribution = int
"""How many requests fell into each cell, as above."""

_LANE: Final = 64
_OCTETS: Final = 8
_LOW_HALF: Final = 2**32 - 1
_FAST: Final = index(1024)
"""How many cells are for less than a millisecond."""
_SLOW: Final = CELLS - _FAST
_FAST_OCTETS: Final = _FAST * _OCTETS
_NONE_FAST: Final = bytes(_FAST_OCTETS)


def from_cells(octets: bytes, length: int | None = None) -> Distribution:
    """The distribution whose counts are cells of 8 bytes, as they lie in memory; those that follow are 0.

    From the byte `length` on, by default the end, all are known to be 0.
    """
    slow = int.from_bytes(octets[_FAST_OCTETS:length], "little")
    if octets.startswith(_NONE_FAST):
        return slow
    return slow | int.from_bytes(octets[:_FAST_OCTETS], "little") << _SLOW * _LANE


def from_halves(halves: "memoryview[int]") -> Distribution:
    """The distribution whose counts are unsigned integers of 4 bytes; those that follow are 0."""
    octets = bytearray(len(halves) * _OCTETS)
    memoryview(octets).cast("I")[::2] = halves
    return from_cells(bytes(octets))


def to_halves(distribution: Distribution) -> "memoryview[int]":
    """The counts of all cells, modulo 2^32, as unsigned integers of 4 bytes."""
    octets = distribution.to_bytes(CELLS * _OCTETS, "little")
    return memoryview(octets[_SLOW * _OCTETS :] + octets[: _SLOW * _OCTETS]).cast("I")[::2]


def counts(distribution: Distribution) -> tuple[int, Sequence[int]]:
    """A cell, and the counts of the cells from there on; all others are 0."""
    lanes = _lanes(distribution)
    octets = distribution.to_bytes(lanes * _OCTETS, "little")
    if lanes <= _SLOW:
        return _FAST, memoryview(octets).cast("Q")
    fast = octets[_SLOW * _OCTETS :].ljust(_FAST_OCTETS, b"\0")
    return 0, memoryview(fast + octets[: _SLOW * _OCTETS]).cast("Q")


def merge(distributions: Iterable[Distribution]) -> Distribution:
    """All together."""
    return sum(distributions)


def since(now: Distribution, edge: Distribution) -> Distribution:
    """What has been added since `edge`, modulo 2^32 in each cell; the counts of `edge` are below 2^63."""
    guard, mask = _guard_and_mask(max(_lanes(now), _lanes(edge)))
    return ((now | guard) - edge) & mask


def describe(distribution: Distribution) -> str:
    """The counts that are not 0, by cell, for reprs: Python refuses to write integers of that size as decimals."""
    first, cells = counts(distribution)
    return str({cell: count for cell, count in enumerate(cells, first) if count})


def _lanes(distribution: Distribution) -> int:
    return -(-distribution.bit_length() // _LANE)


@lru_cache(maxsize=CELLS + 1)
def _guard_and_mask(lanes: int) -> tuple[int, int]:
    """Bit 63, and the low 32 bits, of so many lanes."""
    ones = ((1 << lanes * _LANE) - 1) // ((1 << _LANE) - 1)
    return ones << _LANE - 1, ones * _LOW_HALF
