"""How loops over bytes and words are compiled: `kernel` for what Python calls, `inner` for what a kernel calls.

Neither holds the interpreter's lock, and neither counts references to its array arguments (Numba's `_nrt=False`, so they can
allocate nothing): counting is atomic and otherwise takes most of the time of a loop over characters (measured: 12 MB/s with
it, 60 without). Kernels are kept on disk between processes. Numba notices a change of a kernel's own file only: after editing
an `inner` function in another file, touch the kernel's.
"""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that is called from Python: once per argument types, kept on disk."""
    return numba.njit(cache=True, nogil=True, _nrt=False)(function)  # pyright: ignore[reportCallIssue]


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call, and are compiled with."""
    return numba.njit(_nrt=False)(function)  # pyright: ignore[reportCallIssue]


def _widest(typing_context: Any) -> Any:
    def mark(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own `add` knows no such attribute
        return context.get_dummy_value()

    return types.void(), mark


widest: Any = intrinsic(_widest)
"""Called in a compiled loop: use vectors of 512 bits in it where the CPU has them. LLVM takes half as wide ones by itself."""
