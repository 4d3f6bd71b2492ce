"""Fine-tuning as a script of TRL alone has it: the peer of the training benchmark.

Reads one JSON document of arguments from standard input: `base` (a model folder), `rows` (JSONL of `prompt` and
`completion`, both messages), `settings` (SFTConfig), `lora` (LoraConfig), `seed`, `output`, and `answers`: whether it
takes Nightloom's way to the loss instead of TRL's own.
"""

import json
import os
import sys
from typing import Any

from nightloom.processes.parent import SHARING_CORES


def main() -> None:
    """Train and save."""
    arguments: dict[str, Any] = json.loads(sys.stdin.read())
    from datasets import disable_progress_bars, load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    set_seed(arguments["seed"])
    trainer_class = SFTTrainer
    if arguments["answers"]:
        from nightloom.training.answer_loss import choose_trainer

        trainer_class = choose_trainer()
    trainer = trainer_class(
        model=AutoModelForCausalLM.from_pretrained(arguments["base"], dtype="auto", attn_implementation="eager"),
        args=SFTConfig(
            output_dir=arguments["output"],
            seed=arguments["seed"],
            data_seed=arguments["seed"],
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            max_length=None,
            completion_only_loss=True,
            use_cpu=True,
            **arguments["settings"],
        ),
        processing_class=AutoTokenizer.from_pretrained(arguments["base"]),
        peft_config=LoraConfig(**arguments["lora"]),
        train_dataset=load_dataset("json", data_files=arguments["rows"], split="train"),
    )
    trainer.train()
    trainer.save_model(arguments["output"])


if __name__ == "__main__":
    os.environ.update({**SHARING_CORES, **os.environ})  # before torch is imported, as Nightloom's workers have it
    main()
