"""The FFT of the TensorFlow Lite Micro frontend: kiss_fft in 16-bit fixed point, to the bit.

A real FFT of N points is computed as a complex one of N/2: even samples are the real parts, odd
samples the imaginary parts, and the result is separated. The complex FFT decimates in time by 4,
and by 2 in its first stage if N/2 is not a power of 4. Each stage divides its input by its radix,
so the spectrum is divided by N. Sums wrap around at 16 bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Complex = tuple[Int32, Int32]
"""Real and imaginary parts: 16-bit numbers in int32 arrays."""

_HALF, _QUARTER = 32767 // 2, 32767 // 4


def radices(points: int) -> list[int]:
    """Return the radix of each stage of a complex FFT of 2^n points, the last stage first."""
    twos = points.bit_length() - 1
    return [4] * (twos // 2) + [2] * (twos % 2)


def input_order(points: int) -> NDArray[np.int64]:
    """Return which input value comes first, second... in a complex FFT, int64 (points,)."""
    order = np.zeros(1, np.int64)
    for radix in reversed(radices(points)):
        order = (np.arange(radix)[:, None] + radix * order).ravel()
    return order


def unit_circle(phases: NDArray[np.float64]) -> Complex:
    """Return e^(i phase), Q15, at most 32767 in magnitude."""
    parts = (np.floor(0.5 + 32767 * part(phases)) for part in (np.cos, np.sin))
    real, imaginary = (part.astype(np.int32) for part in parts)
    return real, imaginary


def turns(points: int) -> Complex:
    """Return the factors of a complex FFT: e^(-2 pi i n / points)."""
    return unit_circle(-2 * np.pi * np.arange(points) / points)


def parting_turns(points: int) -> Complex:
    """Return the factors that separate N/2 = `points` values, for bins 1 to points / 2."""
    return unit_circle(-np.pi * (np.arange(1, points // 2 + 1) / points + 0.5))


class RealFft:
    """The FFT of one size."""

    def __init__(self, size: int) -> None:
        """Precompute the tables of an FFT of `size` points, a power of two, 8 or more."""
        self._points = size // 2
        self._order = input_order(self._points)
        self._turns = turns(self._points)
        self._parting = parting_turns(self._points)

    def powers(self, samples: NDArray[np.int16]) -> NDArray[np.int64]:
        """Return the power of bins 1 to size/2 - 1, divided by size^2.

        Args:
            samples: int16 (frames, size).

        Returns:
            int64 (frames, size / 2); 0 for bin 0, which no filter uses.
        """
        wide = samples.astype(np.int32)
        real, imaginary = self._transform((wide[:, ::2], wide[:, 1::2]))
        half, count = self._points // 2, self._points
        near = slice(1, half + 1)
        # Bins count - 1 down to half.
        far = slice(count - 1, half - 1, -1)
        a = _scaled((real[:, near], imaginary[:, near]), _HALF)
        b = _scaled((real[:, far], _wrapped(-imaginary[:, far])), _HALF)
        even = _sum(a, b)
        odd = _product(_difference(a, b), self._parting)
        spectrum = np.zeros((2, len(wide), count), np.int64)
        spectrum[0, :, near], spectrum[1, :, near] = (
            (even[0] + odd[0]) >> 1,
            (even[1] + odd[1]) >> 1,
        )
        # This overwrites the middle bin, which is in both halves, as the original does.
        spectrum[0, :, far], spectrum[1, :, far] = (even[0] - odd[0]) >> 1, (odd[1] - even[1]) >> 1
        squares: NDArray[np.int64] = spectrum * spectrum
        return squares[0] + squares[1]

    def _transform(self, x: Complex) -> Complex:
        """Return the complex FFT of values (frames, points)."""
        frames, count = x[0].shape
        real, imaginary = x[0][:, self._order], x[1][:, self._order]
        size = 1
        for radix in reversed(radices(count)):
            apart = (frames, count // (radix * size), radix, size)
            step = count // (radix * size)
            divided = _scaled(
                (real.reshape(apart), imaginary.reshape(apart)),
                _HALF if radix == 2 else _QUARTER,
            )
            parts: list[Complex] = [(divided[0][:, :, 0], divided[1][:, :, 0])]
            for digit in range(1, radix):
                index = step * digit * np.arange(size)
                factors = (self._turns[0][index], self._turns[1][index])
                parts.append(_product((divided[0][:, :, digit], divided[1][:, :, digit]), factors))
            outputs = _of_two(*parts) if radix == 2 else _of_four(*parts)
            real, imaginary = (
                np.stack(part, axis=2).reshape(frames, count) for part in zip(*outputs, strict=True)
            )
            size *= radix
        return real, imaginary


def _of_two(a: Complex, b: Complex) -> list[Complex]:
    """Return the FFT of two values."""
    return [_sum(a, b), _difference(a, b)]


def _of_four(a: Complex, b: Complex, c: Complex, d: Complex) -> list[Complex]:
    """Return the FFT of four values."""
    even, odd = _sum(a, c), _sum(b, d)
    difference = _difference(a, c)
    real, imaginary = _difference(b, d)
    turned = (imaginary, -real)  # the difference times -i
    return [
        _sum(even, odd),
        _sum(difference, turned),
        _difference(even, odd),
        _difference(difference, turned),
    ]


def _wrapped(values: Int32) -> Int32:
    return values.astype(np.int16).astype(np.int32)


def _rounded(products: Int32) -> Int32:
    """Return products of two Q15 numbers as Q15."""
    return _wrapped((products + (1 << 14)) >> 15)


def _scaled(x: Complex, factor: int) -> Complex:
    return _rounded(x[0] * np.int32(factor)), _rounded(x[1] * np.int32(factor))


def _sum(a: Complex, b: Complex) -> Complex:
    return _wrapped(a[0] + b[0]), _wrapped(a[1] + b[1])


def _difference(a: Complex, b: Complex) -> Complex:
    return _wrapped(a[0] - b[0]), _wrapped(a[1] - b[1])


def _product(a: Complex, b: Complex) -> Complex:
    real, imaginary = a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]
    return _rounded(real), _rounded(imaginary)
