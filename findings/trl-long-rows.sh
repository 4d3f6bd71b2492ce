#!/usr/bin/env bash
# TRL 1.16.0: rows that are too long lose their answers, and some of them vanish; packing decides which.
#
# With prompts and completions, only the completion is learned. One would expect a row longer than `max_length` to be
# an error, or to be counted somewhere. SFTTrainer cuts the end off, which is the answer and its end token. Without
# packing, a row whose prompt fills max_length is then dropped, with no line in the log; with packing ("bfd") it is kept
# as tokens from which nothing is learned. Here less than half of the answers' tokens are learned, and the loss, over
# what is left, looks fine. "bfd_split" loses nothing, but parts an answer from its prompt.
# The strategies of packing document the cut; the dropping is described in a comment of the code alone.
# For users: count rows and learned tokens of `trainer.train_dataset`, and leave out long rows before the trainer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
    torch==2.13.0 trl==1.16.0 transformers==5.23.0 accelerate==1.15.0 datasets==5.2.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - 2> "$folder/log" <<'PYTHON'
import datasets
import trl
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

words = ["<pad>", "<end>", *(f"w{number}" for number in range(62))]
backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<pad>"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<end>", unk_token="<pad>")
model = LlamaForCausalLM(
    LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4)
)
# Prompts of 4 to 30 tokens; each answer is three tokens and its end.
rows = [{"prompt": "w1 " * length, "completion": "w2 w3 w4"} for length in (4, 5, 6, 14, 15, 16, 17, 30)]


def prepare(**settings: object) -> tuple[int, int, int]:
    """Return the rows that are trained on, the learned tokens and the learned ends of answers."""
    config = SFTConfig("out", max_length=16, report_to=[], use_cpu=True, bf16=False, **settings)
    dataset = SFTTrainer(
        model, config, train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer
    ).train_dataset
    learned = [label for labels in dataset["labels"] for label in labels if label != -100]
    return len(dataset), len(learned), learned.count(tokenizer.eos_token_id)


unpacked, packed, split = prepare(), prepare(packing=True), prepare(packing=True, packing_strategy="bfd_split")
print("8 answers of 4 tokens, max_length 16; (rows, learned tokens, learned ends):")
print(f"not packed {unpacked}, packed (bfd) {packed}, packed (bfd_split) {split}")
print(
    f"TRL {trl.__version__}: of 8 rows {8 - unpacked[0]} vanish, of 32 answer tokens {unpacked[1]} are learned, "
    f"of 8 ends {unpacked[2]}"
)
raise SystemExit(not (unpacked == (5, 15, 3) and packed[1:] == (15, 3) and split[1:] == (32, 8)))
PYTHON
