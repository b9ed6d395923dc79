"""How the loops over candles and cohorts are compiled."""

from numba import njit

# Numba counts references to every array that a loop touches, unless nothing in between can raise.
# So division by zero gives inf or NaN, and no function asks to be inlined: the counting took two
# thirds of the time.
kernel = njit(cache=True, nogil=True, error_model="numpy")
