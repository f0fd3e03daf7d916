"""How compiled code reaches the kernels of a family: by their addresses, which are data.

The engine knows no family. A cell's code picks two addresses from tables that are filled when a model is bound, so the
kernels of a family are compiled, or loaded from the cache, when a model first has such a response; and the engine is
compiled once, however many families there are.
"""

from __future__ import annotations

import numba
from numba.core import types, typing

from semgllamm.responses.jit import kernel

__all__ = ["TERMS", "VALUE", "address", "terms", "value"]

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
else:
    from numba.core import cgutils
    from numba.extending import intrinsic

    def address(function) -> int:
        """Where a kernel is in memory, for `value` or `terms`; it is compiled or loaded first."""
        compiled = function.get_compile_result(typing.signature(None, *KERNEL))
        return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)

    def _caller(count: int):
        numbers = types.UniTuple(types.float64, count)

        @intrinsic
        def call(_, at, y, n, nu, tau1, tau2):
            def generate(context, builder, signature, arguments):
                at, *rest = arguments
                kinds = [context.get_value_type(kind) for kind in (numbers, *KERNEL)]
                shape = cgutils.ir.FunctionType(kinds[0], kinds[1:])
                return builder.call(builder.inttoptr(at, shape.as_pointer()), rest)

            return numbers(types.int64, *KERNEL), generate

        return call

    _value, _terms = _caller(VALUE), _caller(TERMS)

    @kernel
    def value(at, y, n, nu, tau1, tau2):
        """log f and its derivative in ν, of the kernel at an address."""
        return _value(at, y, n, nu, tau1, tau2)

    @kernel
    def terms(at, y, n, nu, tau1, tau2):
        """log f and all derivatives of the contract, of the kernel at an address."""
        return _terms(at, y, n, nu, tau1, tau2)
