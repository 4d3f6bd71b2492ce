"""File errors: what the parsers of files report, as one message about the file."""

import csv
import errno
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from nightloom.core.errors import InputError, SourceError

# The user has to fix these; other operating system errors may be temporary.
_WRONG_PATH = (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)


@contextmanager
def explain_errors(where: str) -> Iterator[None]:
    """Turn a parser's errors into one message about the file."""
    try:
        yield
    except (csv.Error, ValueError, KeyError, TypeError, EOFError, OSError, zlib.error, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno not in (None, *_WRONG_PATH):
            msg = f"{where} cannot be read: {error.strerror}; `nightloom doctor` checks the machine"
            raise SourceError(msg) from error
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())[:300]
        msg = f"{where} cannot be used: {reason}; no row of it was used"
        raise InputError(msg) from error
