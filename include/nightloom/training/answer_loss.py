"""The answer loss: TRL's trainer, with the vocabulary spelled out for the answers alone where there is no GPU."""

import inspect
from typing import Any

_NO_LABEL = -100


def choose_trainer() -> type[Any]:
    """Give TRL's SFTTrainer on a GPU, and on a CPU the same with a cheaper way to the same loss.

    Without Triton, TRL scores every token of the prompt against the whole vocabulary too, in 32 bits, forward and
    again backward, and throws those scores away: on a small model two thirds of a step (docs/performance.md).
    """
    from torch import cuda
    from torch.nn.functional import cross_entropy
    from trl import SFTTrainer

    class AnswerTrainer(SFTTrainer):  # type: ignore[misc]  # TRL ships no types
        """Asks the model for the logits from the first labelled position on."""

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            plain = self.args.loss_type == "nll" and not self.args.label_smoothing_factor and not self.aux_loss_enabled
            if return_outputs or not plain or not _takes_logits_to_keep(model):
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            labels = inputs["labels"]
            first = max(1, int((labels != _NO_LABEL).any(0).float().argmax()))
            asked = {name: value for name, value in inputs.items() if name != "labels"}
            # A position's logits foretell the next token: so one position more, and none for the last.
            logits = model(**asked, use_cache=False, logits_to_keep=labels.shape[1] - first + 1).logits[:, :-1]
            losses = cross_entropy(
                logits.float().flatten(0, 1), labels[:, first:].flatten(), ignore_index=_NO_LABEL, reduction="sum"
            )
            count = (labels[:, first:] != _NO_LABEL).sum() if num_items_in_batch is None else num_items_in_batch
            loss = losses / count
            if num_items_in_batch is not None and self.args.average_tokens_across_devices:
                # The count is that of all processes, over which gradients are averaged.
                loss = loss * self.accelerator.num_processes
            return loss

    return SFTTrainer if cuda.is_available() else AnswerTrainer


def _takes_logits_to_keep(model: Any) -> bool:
    inner = getattr(model, "module", model)  # what several processes train stands within a wrapper
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
