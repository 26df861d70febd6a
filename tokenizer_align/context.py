"""Context: all that a kernel works on, as one argument.

Place in the walk: between `Configurations`, which owns the arrays, and the kernels. Each array that numba is passed
costs 0.1 us a call; a context is one int64 array of addresses and numbers. A kernel takes the arrays out of it:

    heap = words(c, HEAP)            # int32 (n,)
    states = table(c, STATES, 5)     # int32 (n, 5)

Whoever makes a context keeps its arrays alive for as long as it is used. Without JIT a context is a list that holds the
arrays themselves, and the same kernels run as plain Python.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from grammars.tables import Tables
from tokenizer_align.jit import kernel

__all__ = ["Context", "new_context", "octets", "put", "put_parts", "put_tables", "table", "words"]

Context: TypeAlias = Any
"""int64 (slots,): of an array the address and, in the next slot, the number of its elements; or a number."""

Int32 = NDArray[np.int32]
_numba: Any = import_module("numba")
_PLAIN = bool(_numba.config.DISABLE_JIT)


def new_context(slots: int) -> Context:
    """A context of that many slots, all 0."""
    return [0] * slots if _PLAIN else np.zeros(slots, np.int64)


def put(context: Context, slot: int, array: NDArray[Any]) -> None:
    """Puts a C-contiguous array into a slot and the one after it."""
    if _PLAIN:
        context[slot] = array
    elif array.dtype == np.int32:
        _put_words(context, slot, array.reshape(-1))
    else:
        context[slot], context[slot + 1] = array.ctypes.data, array.size


@kernel
def _put_words(context: Context, slot: int, array: Int32) -> None:
    """Puts an address without the objects that numpy makes to tell it: five times as fast."""
    context[slot] = array.ctypes.data
    context[slot + 1] = array.size


def put_parts(context: Context, array: Int32, parts: NDArray[np.int64]) -> None:
    """Puts consecutive parts of an array, given by slot and size, int64 (n, 2)."""
    if not _PLAIN:
        _put_parts(context, array, parts)
        return
    begin = 0
    for slot, size in parts.tolist():
        context[slot] = array[begin : begin + size]
        begin += size


@kernel
def _put_parts(context: Context, array: Int32, parts: NDArray[np.int64]) -> None:
    address = np.int64(array.ctypes.data)
    for i in range(len(parts)):
        context[parts[i, 0]] = address
        context[parts[i, 0] + 1] = parts[i, 1]
        address += 4 * parts[i, 1]


def put_tables(context: Context, slot: int, tables: Tables) -> None:
    """Puts the arrays of an automaton into consecutive slots."""
    if not _PLAIN:
        _put_tables(context, slot, *tables)
        return
    for i, array in enumerate(tables):
        context[slot + 2 * i] = array


@kernel
def _put_tables(
    context: Context, slot: int, rules: Int32, states: Int32, edges: Int32, calls: Int32, lengths: Int32
) -> None:
    """All at once: to be called takes a kernel longer than this."""
    context[slot], context[slot + 1] = rules.ctypes.data, rules.size
    context[slot + 2], context[slot + 3] = states.ctypes.data, states.size
    context[slot + 4], context[slot + 5] = edges.ctypes.data, edges.size
    context[slot + 6], context[slot + 7] = calls.ctypes.data, calls.size
    context[slot + 8], context[slot + 9] = lengths.ctypes.data, lengths.size


if TYPE_CHECKING or _PLAIN:

    def words(c: Context, slot: int) -> Int32:
        """The int32 array of a slot, flat."""
        array: Int32 = c[slot]
        return array.reshape(-1)

    def table(c: Context, slot: int, columns: int) -> Int32:
        """The int32 array of a slot, with that many columns."""
        array: Int32 = c[slot]
        return array.reshape(-1, columns)

    def octets(c: Context, slot: int) -> NDArray[np.uint8]:
        """The uint8 array of a slot, flat."""
        array: NDArray[np.uint8] = c[slot]
        return array

else:
    # Intrinsics rather than functions: numba compiles a function anew for each constant that it is called with.
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array, populate_array

    def _view(context, builder, c_type, c, slot, array_type, columns):
        """The array whose address is in a slot of the context array c, of that many columns (None: flat)."""
        first = builder.gep(make_array(c_type)(context, builder, c).data, [slot])
        size = builder.load(builder.gep(first, [context.get_constant(types.intp, 1)]))
        width = context.get_abi_sizeof(context.get_data_type(array_type.dtype))
        item = context.get_constant(types.intp, width)
        array = make_array(array_type)(context, builder)
        shape, strides = [size], [item]
        if columns is not None:
            shape, strides = [builder.udiv(size, columns), columns], [builder.mul(columns, item), item]
        populate_array(
            array,
            data=builder.inttoptr(builder.load(first), array.data.type),
            shape=cgutils.pack_array(builder, shape),
            strides=cgutils.pack_array(builder, strides),
            itemsize=item,
            meminfo=None,
        )
        return array._getvalue()

    @intrinsic
    def words(typing_context, c, slot):
        def generate(context, builder, signature, arguments):
            return _view(context, builder, signature.args[0], *arguments, signature.return_type, None)

        return types.Array(types.int32, 1, "C")(c, types.intp), generate

    @intrinsic
    def table(typing_context, c, slot, columns):
        def generate(context, builder, signature, arguments):
            return _view(context, builder, signature.args[0], *arguments[:2], signature.return_type, arguments[2])

        return types.Array(types.int32, 2, "C")(c, types.intp, types.intp), generate

    @intrinsic
    def octets(typing_context, c, slot):
        def generate(context, builder, signature, arguments):
            return _view(context, builder, signature.args[0], *arguments, signature.return_type, None)

        return types.Array(types.uint8, 1, "C")(c, types.intp), generate
