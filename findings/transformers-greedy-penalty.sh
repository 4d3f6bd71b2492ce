#!/usr/bin/env bash
# transformers 5.23.0: `generate(generation_config=GenerationConfig(do_sample=False))` is not greedy.
#
# One would expect a configuration that the caller passes to replace the model's. What it leaves None is taken from
# the generation_config.json in the model's folder instead, and most fields are None: repetition_penalty,
# suppress_tokens, bad_words_ids, num_beams, guidance_scale, sequence_bias, min_new_tokens. Published models set some:
# Qwen2.5-Instruct a penalty of 1.05 to 1.1. So "greedy" answers of the same weights depend on that file, and no log
# line says so.
# For users: replace `model.generation_config` by one that has only the end tokens, before the first call.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile torch==2.13.0 transformers==5.23.0
cd "$folder"
"$folder/venv/bin/python" - 2> "$folder/log" <<'PYTHON'
import torch
import transformers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
LlamaForCausalLM(LlamaConfig(vocab_size=64, initializer_range=0.2, **sizes)).save_pretrained("model")


def answer(**defaults: object) -> tuple[list[int], bool]:
    """Return the tokens after a prompt, with these defaults in the folder, and whether each is the likeliest."""
    GenerationConfig(**defaults).save_pretrained("model")
    model = LlamaForCausalLM.from_pretrained("model")
    settings = GenerationConfig(max_new_tokens=8, do_sample=False)
    given = {"generation_config": settings, "output_logits": True, "return_dict_in_generate": True}
    made = model.generate(torch.tensor([[5, 6, 7]]), **given)
    tokens = made.sequences[0, 3:].tolist()
    return tokens, tokens == [int(logits.argmax()) for logits in made.logits]


(plain, is_greedy), (penalised, is_still_greedy) = answer(), answer(repetition_penalty=1.5)
print(f"do_sample=False: {plain}; with a penalty in the model's folder: {penalised}")
print(f"transformers {transformers.__version__}: each token is the likeliest: {is_greedy}, then {is_still_greedy}")
raise SystemExit(not (is_greedy and not is_still_greedy and plain != penalised))
PYTHON
