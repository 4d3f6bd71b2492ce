"""Determinism: the same blueprint gives the same bytes on the same kind of machine."""

import os


def be_deterministic(seed: int) -> None:
    """Seed all random number generators, and use deterministic operations only.

    On a GPU some operations have no deterministic form: torch warns about them, and results differ only by rounding.
    """
    import torch
    from transformers import set_seed

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with a fixed workspace.
    torch.use_deterministic_algorithms(mode=True, warn_only=torch.cuda.is_available())
    # Filling memory before it is overwritten costs a tenth of each step and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set by __setattr__
    set_seed(seed)
