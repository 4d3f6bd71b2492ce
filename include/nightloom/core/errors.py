"""Every error that Nightloom raises on purpose.

NightloomError                  one sentence: what was wrong, where, what to do
├── InputError                  exit 2: the reader can mend it
│   ├── RecipeError             a recipe that cannot be used
│   ├── BudgetError             training would take more than its budget: the night is refused
│   ├── DivergenceError         training whose loss became no number: of several trials, the others go on
│   ├── SchemaError             a source that has other columns than the recipe asks for: the night is refused
│   └── ManifestError           a manifest or file that is not what its name or digest says
├── InternalError               exit 3: a fault of Nightloom itself, which should be reported
├── ConflictError               exit 3: somebody else moved a ref or took a lease first; read again and decide anew
│   └── NightBusyError          another night of the recipe runs, and nights take turns
└── FaultError                  exit 3: something outside failed; trying again may help
    ├── SourceError             a source or a table that cannot be read or written
    ├── StoreError              the object store refused or did not answer
    ├── RegistryError           the registry's database refused or did not answer
    ├── OutOfMemoryError        the device's memory is too small, and no smaller batch can be tried
    │   └── OutOfBatchMemoryError   a batch did not fit it: half of one may
    └── ChildError              a child process ended without a result
"""


class NightloomError(Exception):
    """One sentence that says what was wrong, where, and what to do."""

    exit_code = 3


class InputError(NightloomError):
    """What the reader gave is wrong, and the reader can mend it."""

    exit_code = 2


class RecipeError(InputError):
    """A recipe that cannot be used."""


class SchemaError(InputError):
    """A source lacks a column that the recipe asks for, or what the column holds cannot be used.

    The batch is at fault and not the night: the stage that reads it ends as refused.
    """


class BudgetError(InputError):
    """Training would take more minutes or money than the recipe's budget: it goes on when that is raised."""


class DivergenceError(InputError):
    """Training whose loss, gradients or weights are no numbers any more: its settings are at fault."""


class ManifestError(InputError):
    """A manifest or file that is not what its name or digest says."""


class InternalError(NightloomError):
    """What Nightloom asserts of its own work does not hold: a fault that should be reported."""


class ConflictError(NightloomError):
    """Somebody else moved a ref or took a lease first: read again and decide anew."""


class NightBusyError(ConflictError):
    """Another night of the recipe runs: nights take turns."""


class FaultError(NightloomError):
    """Something outside failed: trying again may help."""


class SourceError(FaultError):
    """A source, or a table that predictions go to, that cannot be read or written."""


class StoreError(FaultError):
    """The object store refused or did not answer."""


class RegistryError(FaultError):
    """The registry's database refused or did not answer."""


class OutOfMemoryError(FaultError):
    """The device's memory is too small for a batch, though it was halved as often as it could be."""


class OutOfBatchMemoryError(OutOfMemoryError):
    """A batch did not fit the device's memory; a smaller one may."""


class ChildError(FaultError):
    """A child process ended without a result."""


def first_line(error: BaseException) -> str:
    """Return an error's class and the first line of what it says."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}"
