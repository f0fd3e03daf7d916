"""How kernels are compiled: the only place that knows numba's options and where compiled code is kept.

numba recompiles a kernel when its own file changes, but not when a kernel it calls, in another file, does.
The folder of compiled code is therefore named by a hash of all kernel sources.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numba
from numba.core import typeinfer

__all__ = ["OPTIONS", "cache_folder", "inner", "is_cold", "kernel"]

# no fastmath: log-sum-exp and the outer thresholds of ordinal responses rest on infinities;
# no reference counts (_nrt): kernels are lent their arrays and make none, and counting takes half the time;
# no wrappers for C: kernels are reached by the address of what numba itself calls (dispatch.py)
OPTIONS = {"cache": True, "error_model": "numpy", "nogil": True, "_nrt": False, "no_cfunc_wrapper": True}

PACKAGE = Path(__file__).parent.parent
ROOMS_WITH_KERNELS = ("responses", "integration")


def _hash_of_sources() -> str:
    sources = sorted(file for room in ROOMS_WITH_KERNELS for file in (PACKAGE / room).glob("*.py"))
    digest = hashlib.sha256()
    for file in sources:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _base() -> Path:
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR)
    user = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(user) / "semgllamm"


def _writable_folder() -> Path:
    try:
        folder = _base() / f"semgllamm-{_hash_of_sources()}"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):
        # a fresh folder of this process alone: compiled code in a shared place could be another user's
        folder = Path(tempfile.mkdtemp(prefix="semgllamm-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


_FOLDER = _writable_folder()


def cache_folder() -> Path:
    """The folder in which this version of the kernels keeps its compiled code."""
    return _FOLDER


def is_cold(name: str = "*") -> bool:
    """Whether a kernel has yet to be compiled, so that the first fit waits for the compiler.

    Parameters
    ----------
    name : str
        Module and function, as in "recursion.score"; without one, any compiled kernel will do.
    """
    return not numba.config.DISABLE_JIT and next(_FOLDER.rglob(f"{name}-*.nbc"), None) is None


def kernel(function=None, /, *, signature=None, wrapped=True):
    """Compile a function with the package's options: ``@kernel``, or ``@kernel(signature=...)`` if it calls itself.

    A kernel without a signature is compiled where it is first called and loaded from the cache afterwards; one
    with a signature is compiled or loaded at import. A kernel may be made inside a function and use its numbers (a
    link, say), but not kernels that are handed to it: then numba finds nothing in the cache. Without what makes it
    callable from Python (`wrapped`) it is an `inner` one.
    """
    if function is None:
        return lambda function: kernel(function, signature=signature, wrapped=wrapped)
    # numba chooses the folder when it decorates; other packages' kernels keep theirs
    of_the_user = numba.config.CACHE_DIR
    folder, name = _FOLDER, function.__module__.rpartition(".")[2]
    if name != Path(function.__code__.co_filename).stem:
        # a file that is compiled again as another module: numba would take one's kernels for the other's
        folder = folder / name
    numba.config.CACHE_DIR = str(folder)
    try:
        compiled = numba.njit(**OPTIONS, no_cpython_wrapper=not wrapped)(function)
    finally:
        numba.config.CACHE_DIR = of_the_user
    if numba.config.DISABLE_JIT:
        return compiled
    if not wrapped:
        _keep_from_python(compiled)
    if signature is not None:
        # the name by which it calls itself is bound only when this returns
        with typeinfer.register_dispatcher(compiled):
            compiled.compile(signature)
        compiled.disable_compile()
    return compiled


def inner(function=None, /, *, signature=None):
    """Compile a function that only kernels call: ``@inner``, else as `kernel`.

    What unpacks a kernel's arguments from Python takes longer to compile than many a kernel does, if they are many
    arrays.
    """
    return kernel(function, signature=signature, wrapped=False)


def _keep_from_python(compiled) -> None:
    """Let Python's calls of a kernel end in an error: there is nothing that it could call."""

    def refuse(*arguments):
        raise TypeError(f"{compiled.py_func.__name__} is called by other kernels alone; py_func is the uncompiled one")

    def add_overload(result):
        compiled.overloads[tuple(result.signature.args)] = result

    compiled.add_overload, compiled._compile_for_args = add_overload, refuse
