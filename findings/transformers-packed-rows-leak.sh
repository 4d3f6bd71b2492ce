#!/usr/bin/env bash
# transformers 5.23.0: packed sequences are kept apart only with use_cache=False and without an attention mask.
#
# Several texts packed into one row are separated by position_ids that begin again at 0. One would expect a model that
# gets such positions to keep the texts apart in each call, or to refuse. It looks for the beginnings only where no
# mask and no cache is given. With the default `use_cache`, or with a mask of ones as every tokenizer returns it, the
# second text attends to the first: other logits, another loss, no warning.
# TRL passes `use_cache=False` and no mask when it packs; a loop or a loss of one's own has to do the same.
# For users: pass `use_cache=False` and no mask, and compare one packed row with its texts alone in a test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile torch==2.13.0 transformers==5.23.0
cd "$folder"
"$folder/venv/bin/python" - 2> "$folder/log" <<'PYTHON'
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
model = LlamaForCausalLM(
    LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
).eval()
first, second = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[9, 8, 7]])
packed, positions = torch.cat([first, second], 1), torch.tensor([[0, 1, 2, 3, 0, 1, 2]])
ones = torch.ones_like(packed)
calls = {
    "use_cache=False": {"use_cache": False},
    "no arguments": {},
    "mask of ones": {"attention_mask": ones},
    "mask of ones, use_cache=False": {"attention_mask": ones, "use_cache": False},
}
with torch.no_grad():
    alone = model(second).logits
    apart = {
        name: float((model(packed, position_ids=positions, **call).logits[:, 4:] - alone).abs().max())
        for name, call in calls.items()
    }
for name, difference in apart.items():
    print(f"{name}: logits of the second text differ from those of it alone by {difference:.6f}")
print(
    f"transformers {transformers.__version__}: packed and alone differ by {apart['use_cache=False']:.6f} with "
    f"use_cache=False, by {apart['no arguments']:.3f} by default, by {apart['mask of ones']:.3f} with a mask of ones"
)
right, *leaks = apart.values()
raise SystemExit(not (right < 1e-5 and all(difference > 1e-3 for difference in leaks)))
PYTHON
