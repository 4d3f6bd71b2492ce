"""Fingerprints: which of our modules, and which libraries, decide a result. This table is the only one.

The key of a cached result includes the code that made it. Code that only moves bytes (core, artifacts, registry) is
left out: its output is named by digest or by schema version. Code that decides when and where a result is made, but
not which, is left out too: trials, processes, the hub.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nightloom.core.digests import code_digest
from nightloom.core.packages import package_versions


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The code and libraries that decide a result, besides its inputs.

    Attributes:
        modules: Our packages and modules, by name under nightloom.
        libraries: Installed packages whose versions count.
    """

    modules: tuple[str, ...]
    libraries: tuple[str, ...]

    def code(self) -> str:
        """Return the digest of our modules."""
        return code_digest(*self.modules)

    def versions(self, packages: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the versions of the installed libraries among these.

        Args:
            packages: Package versions of the interpreter that makes the result, or None for this one.
        """
        if packages is None:
            return package_versions(*self.libraries)
        return {name: packages[name] for name in self.libraries if name in packages}


_RENDERING = ("prompts", "rendering")
_LOADING = ("base_models.dummy", "base_models.loading")  # the types of weights, attention and device
_SCORING = (
    *("evaluation.items", "evaluation.metrics", "evaluation.scorers"),
    *("statistics.clusters", "statistics.intervals"),  # of the intervals of single models
)
# Where answers are stored is left out: it changes none.
_ENGINES = ("engines.adapters", "engines.base", "engines.dummy", "engines.opening", "engines.transformers")
_GENERATION = ("peft", "tokenizers", "torch", "transformers")

_SCANNING = ("ftfy", "phonenumbers", "polars", "presidio-analyzer", "regex", "spacy", "tldextract")

STARTER = Fingerprint(
    ("base_models.determinism", "base_models.starter", "base_models.starter_text"),
    ("tokenizers", "torch", "transformers"),
)
CURATION = Fingerprint(
    ("base_models.dummy", "curation", *_RENDERING, "scanners", "validation"),
    (*_SCANNING, "great-expectations", "numpy", "pyarrow", "rensa", "tokenizers", "transformers"),
)
TOKENS = Fingerprint(_RENDERING, ("tokenizers", "transformers"))
TRIAL = Fingerprint(("base_models.determinism", *_LOADING, *_RENDERING, "training"), (*_GENERATION, "trl"))
ANSWERS = Fingerprint((*_LOADING, *_ENGINES, *_RENDERING), _GENERATION)
# How scores are compared is left out: it does not change the answers.
SCORES = Fingerprint((*ANSWERS.modules, *_SCORING, "evaluation.scoring"), _GENERATION)
LINEAR_CLASSIFIER = Fingerprint(("evaluation.linear_classifier", *_SCORING), ("numpy", "scikit-learn", "scipy"))
PARITY = Fingerprint((*ANSWERS.modules, "promotion.parity", "promotion.parity_checks"), _GENERATION)
# The table writer is left out: it changes no result.
PREDICTIONS = Fingerprint(
    (
        *ANSWERS.modules,
        *("prediction.answer_scan", "prediction.answering", "prediction.lines", "prediction.screening"),
        "scanners",
    ),
    (*_GENERATION, *_SCANNING),
)
VERDICT = Fingerprint(
    (
        "base_models.determinism",
        *_LOADING,
        *_ENGINES,
        "evaluation",
        "promotion.gates",
        "promotion.verdict",
        *_RENDERING,
        "statistics",
        "training",
    ),
    TRIAL.libraries,
)
"""All code from rows to weights, answers and a verdict: what a blueprint names."""
