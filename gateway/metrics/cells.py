"""Which cell of the latency distribution an integer number of microseconds falls into, and what a cell stands for.

Theory. Values below 64 have a cell each. Above, every octave [2^k, 2^(k+1)) is cut into 32 cells of equal width
w = 2^s with s = k - 5, so that a cell is lo = m*w .. hi = (m + 1)*w - 1 with 32 <= m < 64. Its index is
(s << 5) + m: m keeps the five bits below the leading one, and because m starts at 32 the first cell of an octave
follows the last one of the octave before. 64 + 26 * 32 = 896 cells cover 0 .. 2^32 - 1 microseconds (71.6 minutes).

Bound. An integer r stands for every v of its cell with |r - v| / v <= 1/65, exactly if r is in [64*hi/65, 66*lo/65]
(the worst v is hi from below and lo from above). The interval is (2*w*(m - 32) + 64) / 65 wide. For m > 32 and w >= 2
that is more than 1, so that it holds an integer; for m = 32 it is [(N - 64)/65, N/65] with N = 2112*w, which holds
the integer N // 65. `representative` takes the integer nearest to the harmonic mean 2*lo*hi/(lo + hi), where the two
worst cases are equal; that it lies in the interval, and in the cell, is checked for every cell by
tests/properties/metrics/test_cells.py.
"""

CELLS = 896
MAX_MICROSECONDS = 2**32 - 1


def index(microseconds: int) -> int:
    """The cell of a latency in 0..MAX_MICROSECONDS; the caller clamps."""
    shift = microseconds.bit_length() - 6
    return microseconds if shift <= 0 else (shift << 5) + (microseconds >> shift)


def lo(cell: int) -> int:
    """The smallest number of microseconds in the cell."""
    shift = _shift(cell)
    return (cell - (shift << 5)) << shift


def hi(cell: int) -> int:
    """The largest number of microseconds in the cell."""
    return lo(cell) + (1 << _shift(cell)) - 1


def representative(cell: int) -> int:
    """Microseconds that differ from every value in the cell by at most 1/65 of it, and not at all below 64."""
    low, high = lo(cell), hi(cell)
    width = low + high
    return (4 * low * high + width) // (2 * width) if width else 0


def _shift(cell: int) -> int:
    return max(0, (cell >> 5) - 1)
