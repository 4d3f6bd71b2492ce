#!/usr/bin/env bash
# peft 0.21.2: two saves of one adapter differ in the bytes of adapter_config.json.
#
# One would expect the same adapter to be saved as the same bytes: the keys are sorted. But `target_modules` and
# `exclude_modules` are sets in memory, and `save_pretrained` writes a set as a list in the order of its hashes, which
# Python seeds afresh in each process. So a digest of the folder names the process that saved it, not the adapter.
# For users: sort both lists before hashing or comparing, or set PYTHONHASHSEED.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile torch==2.13.0 transformers==5.23.0 peft==0.21.2
cd "$folder"
cat > save.py <<'PYTHON'
import sys

from peft import LoraConfig

names = [f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down")]
LoraConfig(target_modules=names, exclude_modules=names[:4]).save_pretrained(sys.argv[1])
PYTHON
for seed in 1 2; do PYTHONHASHSEED=$seed "$folder/venv/bin/python" save.py "$seed" 2> "$folder/log"; done
"$folder/venv/bin/python" - 2> "$folder/log" <<'PYTHON'
import json
from importlib.metadata import version
from pathlib import Path

first, second = (json.loads(Path(seed, "adapter_config.json").read_text()) for seed in ("1", "2"))
differ = [name for name in first if first[name] != second[name]]
same = all(sorted(first[name]) == sorted(second[name]) for name in differ)
print(f"target_modules of two processes: {first['target_modules']} and {second['target_modules']}")
print(f"peft {version('peft')}: one adapter, saved twice, differs in {', '.join(differ)}; sorted it is the same: {same}")
raise SystemExit(not (differ == ["exclude_modules", "target_modules"] and same))
PYTHON
