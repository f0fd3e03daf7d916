"""Files of results: a ZIP archive with one record in JSON and NumPy arrays, none of which can run code."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from semgllamm.errors import DataError, ModelError, SemgllammError

__all__ = ["decoded", "encoded", "read_archive", "write_archive"]

RECORD = "fit.json"
FORMAT = "semgllamm fit"
VERSION = 1  # of the format; a program reads this one and all before it
BEGINS = b"PK\x03\x04"  # a ZIP archive


def write_archive(path: str | Path, record: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write a record and its arrays; what was there before is replaced only when all has been written.

    Raises
    ------
    SemgllammError
        If the file cannot be written.
    """
    path = Path(path)
    whole = {"format": FORMAT, "format_version": VERSION, **record}
    text = json.dumps(whole, allow_nan=False, ensure_ascii=False, indent=1)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(RECORD, text)
        for name, array in arrays.items():
            with archive.open(f"arrays/{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(memory.getvalue())
        os.replace(part, path)
    except OSError as failure:
        part.unlink(missing_ok=True)
        raise SemgllammError(f"'{path}' cannot be written: {failure.strerror or failure}") from None


def read_archive(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record and the arrays of a file.

    Raises
    ------
    DataError
        If there is no such file, it is no saved fit, it is damaged, or its format is newer than this program.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"there is no file '{path}'") from None
    except OSError as failure:
        raise DataError(f"'{path}' cannot be read: {failure.strerror or failure}") from None
    if not content.startswith(BEGINS):
        raise DataError(f"'{path}' is no saved fit", remedy="Fits are saved by fit.save(path).")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if RECORD not in archive.namelist():
                raise DataError(f"'{path}' is an archive, but no saved fit", remedy="Fits are saved by fit.save(path).")
            record = json.loads(archive.read(RECORD).decode("utf-8"))
            _check_version(path, record)
            arrays = {}
            for name in archive.namelist():
                if name.startswith("arrays/") and name.endswith(".npy"):
                    member = io.BytesIO(archive.read(name))
                    arrays[name[len("arrays/") : -len(".npy")]] = np.lib.format.read_array(member, allow_pickle=False)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, zlib.error):
        raise DataError(f"the saved fit '{path}' is truncated or damaged", remedy="Save the fit again.") from None
    return record, arrays


def _check_version(path: Path, record: Any) -> None:
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DataError(f"'{path}' is an archive, but no saved fit", remedy="Fits are saved by fit.save(path).")
    version = record.get("format_version")
    if not isinstance(version, int) or version > VERSION:
        raise DataError(
            f"'{path}' was saved by semgllamm {record.get('semgllamm', '?')} in format {version}, and this program "
            f"reads formats up to {VERSION}",
            remedy="Load it with that version, or a later one.",
        )


def encoded(value: Any) -> Any:
    """A value in what JSON has: numbers that are not finite, tuples and dataclasses are marked.

    Raises
    ------
    ModelError
        For a value of another type.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if np.isfinite(value) else {"is": "float", "value": repr(float(value))}
    if is_dataclass(value) and not isinstance(value, type):
        return {"is": type(value).__name__, "value": {f.name: encoded(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        named = {name: encoded(part) for name, part in value._asdict().items()}
        return {"is": type(value).__name__, "value": named}
    if isinstance(value, tuple):
        return {"is": "tuple", "value": [encoded(part) for part in value]}
    if isinstance(value, list):
        return [encoded(part) for part in value]
    if hasattr(value, "items"):
        return {"is": "dict", "value": [[encoded(key), encoded(part)] for key, part in value.items()]}
    raise ModelError(f"{value!r} was an argument of this fit, and cannot be saved", remedy="Use numbers and words.")


def decoded(value: Any, types: dict[str, type]) -> Any:
    """The value that was encoded; `types` are the dataclasses that may be among its parts."""
    if isinstance(value, list):
        return [decoded(part, types) for part in value]
    if not isinstance(value, dict):
        return value
    kind, content = value["is"], value["value"]
    if kind == "float":
        return float(content)
    if kind == "tuple":
        return tuple(decoded(part, types) for part in content)
    if kind == "dict":
        return {decoded(key, types): decoded(part, types) for key, part in content}
    return types[kind](**{name: decoded(part, types) for name, part in content.items()})
