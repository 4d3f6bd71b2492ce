#!/usr/bin/env bash
# transformers 5.23.0: AutoTokenizer does not use the pre-tokenizer of tokenizer.json, but that of the model's type.
#
# tokenizer.json describes a tokenizer whole: normalizer, pre-tokenizer, vocabulary, decoder. One would expect
# AutoTokenizer to read it, whichever model is in the folder. Where config.json says `qwen2`, it takes only vocabulary
# and merges out of the file and puts them into the class of that model, which has a normalizer and a pre-tokenizer of
# its own. Digits that the file keeps together are split here: other ids, more tokens, no warning. That
# tokenizer_config.json names `PreTrainedTokenizerFast` (TokenizersBackend) makes no difference.
# So since version 5, whose classes build their tokenizers themselves (issues 45812 and 45920). The code of 5.23 has
# exceptions for some published models and for Llama, not for tokenizers that people train.
# For users: after training a tokenizer for a known architecture, compare AutoTokenizer with
# `tokenizers.Tokenizer.from_file` once, or load it by `PreTrainedTokenizerFast`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile transformers==5.23.0 tokenizers==0.23.3
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - 2> "$folder/log" <<'PYTHON'
import json
from pathlib import Path

import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

trained = Tokenizer(models.BPE())
trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trained.decoder = decoders.ByteLevel()
trained.train_from_iterator(
    ["my order 2026 arrived", "the order 2026 is late"] * 20,
    trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    ),
)
PreTrainedTokenizerFast(tokenizer_object=trained, eos_token="<end>").save_pretrained("model")
text = "order 2026"
tokens = {"tokenizer.json": Tokenizer.from_file("model/tokenizer.json").encode(text).tokens}
for model_type in ("gpt_neox", "qwen2"):
    Path("model/config.json").write_text(json.dumps({"model_type": model_type}))
    tokens[f"AutoTokenizer, {model_type}"] = AutoTokenizer.from_pretrained("model").tokenize(text)
tokens["PreTrainedTokenizerFast"] = PreTrainedTokenizerFast.from_pretrained("model").tokenize(text)
for reader, read in tokens.items():
    print(f"{reader}: {len(read)} tokens {read}".replace("Ġ", "_"))
of_file, of_other_type, of_qwen, of_fast = tokens.values()
print(
    f"transformers {transformers.__version__}: {text!r} is {len(of_file)} tokens by tokenizer.json and "
    f"{len(of_qwen)} by AutoTokenizer with a Qwen2 configuration"
)
raise SystemExit(not (of_file == of_fast != of_qwen))
PYTHON
