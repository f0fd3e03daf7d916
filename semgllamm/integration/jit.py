"""Compile options of the engine: those of the response kernels it is compiled with."""

from semgllamm.responses.jit import OPTIONS, cache_folder, is_cold, kernel

__all__ = ["OPTIONS", "cache_folder", "is_cold", "kernel"]
