"""Which cell of the latency distribution an integer number of microseconds falls into, and what a cell stands for.

Theory. With b bits to an octave, values below 2^(b+1) have a cell each. Above, every octave [2^k, 2^(k+1)) is cut
into 2^b cells of equal width w = 2^s with s = k - b, so that a cell is lo = m*w .. hi = (m + 1)*w - 1 with
2^b <= m < 2^(b+1). Its index is (s << b) + m: m keeps the b bits below the leading one, and because m starts at 2^b
the first cell of an octave follows the last one of the octave before. We record with b = 5: 64 + 26 * 32 = 896 cells
cover 0 .. 2^32 - 1 microseconds (71.6 minutes).

Bound. Let R = 2^(b+1) + 1, which is 65. An integer r stands for every v of its cell with |r - v| / v <= 1/R, exactly
if r is in [(R - 1)*hi/R, (R + 1)*lo/R] (the worst v is hi from below and lo from above). The interval is
(2*w*(m - 2^b) + R - 1)/R wide. For m > 2^b and w >= 2 that is more than 1, so that it holds an integer; for m = 2^b it
is [(N - R + 1)/R, N/R] with N = (R + 1)*2^b*w, which holds the integer N // R. `representative` takes the integer
nearest to the harmonic mean 2*lo*hi/(lo + hi), where the two worst cases are equal; that it lies in the interval, and
in the cell, is checked for every cell and every b by tests/properties/metrics/test_cells.py.

Coarsening. The cell of v at b bits is given by the number of bits of v and its leading b + 1 bits. All values of one
cell at 5 bits agree in the number and in the leading 6, so for b <= 5 they share their cell at b bits: which one it is
can be told from the cell alone, and `coarsen` gives what recording at b bits would have given, with the bound 1/R.
"""

from collections.abc import Sequence

BITS = 5
CELLS = 896
MAX_MICROSECONDS = 2**32 - 1


def index(microseconds: int, bits: int = BITS) -> int:
    """The cell of a latency in 0..MAX_MICROSECONDS; the caller clamps."""
    shift = microseconds.bit_length() - bits - 1
    return microseconds if shift <= 0 else (shift << bits) + (microseconds >> shift)


def lo(cell: int, bits: int = BITS) -> int:
    """The smallest number of microseconds in the cell."""
    shift = _shift(cell, bits)
    return (cell - (shift << bits)) << shift


def hi(cell: int, bits: int = BITS) -> int:
    """The largest number of microseconds in the cell."""
    return lo(cell, bits) + (1 << _shift(cell, bits)) - 1


def representative(cell: int, bits: int = BITS) -> int:
    """Microseconds that differ from every value in the cell by at most 1/65 of it, and not at all below 64.

    With fewer bits it is 1/(2^(bits + 1) + 1), and not at all below 2^(bits + 1).
    """
    low, high = lo(cell, bits), hi(cell, bits)
    width = low + high
    return (4 * low * high + width) // (2 * width) if width else 0


def coarsen(cells: Sequence[int], bits: int) -> list[int]:
    """What recording at fewer bits to an octave, 0..BITS, would have counted: index(MAX_MICROSECONDS, bits) + 1 cells.

    `cells` may be empty, which stands for all zero.
    """
    coarse = [0] * (index(MAX_MICROSECONDS, bits) + 1)
    for cell, count in enumerate(cells):
        if count:
            coarse[index(lo(cell), bits)] += count
    return coarse


def _shift(cell: int, bits: int) -> int:
    return max(0, (cell >> bits) - 1)
