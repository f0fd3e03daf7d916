"""How compiled code reaches the kernels of a family: by their addresses, which are data.

The engine knows no family. A cell's code picks two addresses from tables that are filled when a model is bound, so the
kernels of a family are compiled, or loaded from the cache, when a model first has such a response; and the engine is
compiled once, however many families there are.
"""

from __future__ import annotations

import numba
from numba.core import types, typing

from semgllamm.responses.jit import inner

__all__ = ["TERMS", "VALUE", "address", "caller", "native_address", "terms", "value"]

VALUE, TERMS = 2, 13  # how many numbers each kernel returns
KERNEL = (types.float64,) * 5

if numba.config.DISABLE_JIT:
    _by_address: dict[int, object] = {}

    def address(function) -> int:
        """A number by which `value` or `terms` reaches a kernel."""
        _by_address[id(function)] = function
        return id(function)

    def value(at, y, n, nu, tau1, tau2):
        return _by_address[int(at)](y, n, nu, tau1, tau2)

    terms = value

    def native_address(function, arguments) -> int:
        """A number by which a `caller` reaches a kernel."""
        return address(function)

    def caller(*types, returns=None):
        """Calls the kernel at an address with a tuple of arguments."""
        return lambda at, arguments: _by_address[int(at)](*arguments)
else:
    from numba.core import cgutils
    from numba.extending import intrinsic

    def native_address(function, arguments) -> int:
        """Where a kernel is in memory, for a `caller` of these types of arguments; it is compiled or loaded first."""
        compiled = function.get_compile_result(typing.signature(None, *arguments))
        return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)

    def address(function) -> int:
        """Where the kernel of a family is in memory, for `value` or `terms`."""
        return native_address(function, KERNEL)

    def caller(*expected, returns=types.float64):
        """Calls the kernel at an address with a tuple of arguments of these types; the kernel returns a number."""

        @intrinsic
        def call(_, at, arguments):
            if tuple(arguments) != expected:
                raise TypeError(f"{tuple(arguments)} are not the arguments {expected}")

            def generate(context, builder, signature, values):
                at, packed = values
                unpacked = cgutils.unpack_tuple(builder, packed, len(expected))
                shape = context.call_conv.get_function_type(returns, expected)
                where = builder.inttoptr(at, shape.as_pointer())
                status, result = context.call_conv.call_function(builder, where, returns, expected, unpacked)
                with cgutils.if_unlikely(builder, status.is_error):
                    context.call_conv.return_status_propagate(builder, status)
                return result

            return returns(types.int64, arguments), generate

        return call

    _value, _terms = (caller(*KERNEL, returns=types.UniTuple(types.float64, count)) for count in (VALUE, TERMS))

    @inner
    def value(at, y, n, nu, tau1, tau2):
        """log f and its derivative in ν, of the kernel at an address."""
        return _value(at, (y, n, nu, tau1, tau2))

    @inner
    def terms(at, y, n, nu, tau1, tau2):
        """log f and all derivatives of the contract, of the kernel at an address."""
        return _terms(at, (y, n, nu, tau1, tau2))
