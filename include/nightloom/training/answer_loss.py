"""Answer loss: cross-entropy on answer tokens only, with logits computed just for those positions."""

import inspect
from typing import Any

NO_LABEL = -100


def choose_trainer() -> type[Any]:
    """Return TRL's SFTTrainer on a GPU, and on a CPU a subclass that computes the same loss more cheaply.

    Without Triton, TRL also computes the logits of every prompt token over the whole vocabulary, in 32 bits, forward
    and backward, and discards them: on a small model two thirds of a step (docs/performance.md).
    """
    from torch import cuda
    from trl import SFTTrainer

    class AnswerTrainer(SFTTrainer):  # type: ignore[misc]  # TRL ships no types
        """Computes the logits of the answers only."""

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            plain = self.args.loss_type == "nll" and not self.args.label_smoothing_factor and not self.aux_loss_enabled
            if return_outputs or not plain:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            losses = answer_losses(model, inputs)
            if num_items_in_batch is None:
                return losses.sum() / (inputs["labels"][:, 1:] != NO_LABEL).sum().clamp(min=1)
            # The items are those of all processes, and gradients are averaged over the processes.
            shares = self.accelerator.num_processes if self.args.average_tokens_across_devices else 1
            return losses.sum() * shares / num_items_in_batch

    return SFTTrainer if cuda.is_available() else AnswerTrainer


def answer_losses(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the loss of each token of a batch, zero without a label; columns without any label are left out.

    Args:
        model: A causal language model.
        inputs: The model's inputs and `labels`. Packed sequences come without an attention mask: their positions
            separate them, which works only without a cache.
    """
    from torch.nn.functional import cross_entropy

    given = {name: value for name, value in inputs.items() if name != "labels"}
    targets = inputs["labels"][:, 1:]  # A position's logits predict the next token.
    # Most columns of a batch are prompt: their logits over the vocabulary would be computed for nothing.
    columns = (targets != NO_LABEL).any(0).nonzero().flatten()
    if _takes_logits_to_keep(model):
        logits = model(**given, use_cache=False, logits_to_keep=columns).logits
    else:
        logits = model(**given, use_cache=False).logits[:, columns]
    targets = targets[:, columns]
    losses = cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=NO_LABEL, reduction="none")
    return losses.view_as(targets)


def _takes_logits_to_keep(model: Any) -> bool:
    inner = getattr(model, "module", model)  # Several processes train a wrapped model.
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
