"""Errors: every error that Nightloom raises on purpose.

NightloomError                  one sentence: what was wrong, where, what to do
├── InputError                  exit 2: the input is wrong, and its author can fix it
│   ├── RecipeError             a recipe is invalid
│   ├── BudgetError             training would exceed its budget: the night is refused
│   ├── DivergenceError         training diverged (a loss is not finite): other trials continue
│   ├── SchemaError             a source lacks columns that the recipe needs: the night is refused
│   └── ManifestError           a manifest or file is missing, damaged, or does not match its digest
├── InternalError               exit 3: a bug in Nightloom; please report it
├── ConflictError               exit 3: another process moved a ref or took a lease first; read again and retry
│   └── NightBusyError          another night of the recipe is running
└── FaultError                  exit 3: an external system failed; a retry may help
    ├── SourceError             a source or a table cannot be read or written
    ├── StoreError              the object store refused or did not respond
    ├── RegistryError           the registry's database refused or did not respond
    ├── OutOfMemoryError        the device ran out of memory, with the smallest batch
    │   └── OutOfBatchMemoryError   the device ran out of memory; a smaller batch may fit
    └── ChildError              a child process ended without a result
"""


class NightloomError(Exception):
    """An error with one sentence: what was wrong, where, and what to do."""

    exit_code = 3


class InputError(NightloomError):
    """The input is wrong, and its author can fix it."""

    exit_code = 2


class RecipeError(InputError):
    """A recipe is invalid."""


class SchemaError(InputError):
    """A source lacks a column that the recipe needs, or its values cannot be used.

    The stage that reads the batch ends as refused, not as failed.
    """


class BudgetError(InputError):
    """Training would take more minutes or money than the recipe's budget; it resumes when the budget is raised."""


class DivergenceError(InputError):
    """Training diverged: its loss, gradients or weights are not finite. Its settings are the cause."""


class ManifestError(InputError):
    """A manifest or file is missing, damaged, or does not match its digest."""


class InternalError(NightloomError):
    """An invariant of Nightloom does not hold: a bug to report."""


class ConflictError(NightloomError):
    """Another process moved a ref or took a lease first: read again and retry."""


class NightBusyError(ConflictError):
    """Another night of the recipe is running; only one runs at a time."""


class FaultError(NightloomError):
    """An external system failed; a retry may help."""


class SourceError(FaultError):
    """A source, or a table for predictions, cannot be read or written."""


class StoreError(FaultError):
    """The object store refused or did not respond."""


class RegistryError(FaultError):
    """The registry's database refused or did not respond."""


class OutOfMemoryError(FaultError):
    """The device ran out of memory, with the smallest possible batch."""


class OutOfBatchMemoryError(OutOfMemoryError):
    """The device ran out of memory; a smaller batch may fit."""


class ChildError(FaultError):
    """A child process ended without a result."""


def first_line(error: BaseException) -> str:
    """Return an error's class and the first sentence of its message."""
    return f"{type(error).__name__}: {first_reason(error)}"


def first_reason(error: BaseException) -> str:
    """Return the first line of an error's message, with the next one if the first only announces it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no reason given"]
    # torch lists what does not fit below a line such as `Error(s) in loading state_dict for Linear:`.
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1])
