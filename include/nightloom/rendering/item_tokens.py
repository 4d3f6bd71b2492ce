"""Item tokens: hold the right answers of an eval set against the most tokens that a model may answer with."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from nightloom.artifacts.fingerprints import TOKENS
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.ids import BaseId, EvalSetId
from nightloom.artifacts.models import BaseModelManifest, TaskSpec
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.reading import read_eval_set
from nightloom.artifacts.results import ItemTokens
from nightloom.core.counts import show_count
from nightloom.core.store import ObjectStore
from nightloom.prompts.templates import render_example
from nightloom.registry.store import open_store
from nightloom.rendering.chat import Conversation
from nightloom.rendering.tokens import TokenEncoder, open_encoder


def identify_item_tokens(
    base_id: BaseId, task: TaskSpec, evalset_id: EvalSetId, packages: Mapping[str, str]
) -> ItemTokens.Key:
    """Return the cache key of an eval set's counts; packages are those of the interpreter that counts."""
    return ItemTokens.Key(
        base=base_id, task=task, evalset=evalset_id, code=TOKENS.code(), packages=TOKENS.versions(packages)
    )


def run_count(base_id: BaseId, task: dict[str, object], evalsets: list[EvalSetId]) -> list[str]:
    """Count the tokens of eval sets in this process, and return the ids of the results: for a child process.

    Raises:
        InputError: The chat template refuses an item.
    """
    store, wanted = open_store(), TaskSpec.model_validate(task)
    keys = [identify_item_tokens(base_id, wanted, evalset, TOKENS.versions()) for evalset in evalsets]
    return [store.find_or_make(ItemTokens, key, partial(_count, store, key)).id for key in keys]


def describe_limits(name: str, counted: ItemTokens.Result, limit: int, setting: str) -> Iterator[str]:
    """Yield a sentence if right answers are longer than a limit, and one if prompts leave no room for it.

    Args:
        name: Name of the eval set.
        counted: Its tokens.
        limit: Most tokens of an answer.
        setting: Path of the limit in the recipe.
    """
    longer, lost = counted.count_longer(limit), counted.count_without_room(limit)
    if longer:
        yield (
            f"{longer:,} of {counted.items:,} right answers of {name} are longer than {setting} ({limit}), so no model "
            f"can give them; the longest has {show_count(max(counted.answers), 'token', form=',')}"
        )
    if lost:
        yield (
            f"{lost:,} of {counted.items:,} prompts of {name} leave no room for {setting} ({limit}) in the base "
            f"model's context of {show_count(counted.context, 'token', form=',')}, and get an empty answer"
        )


def _count(store: ObjectStore, key: ItemTokens.Key) -> ItemTokens:
    task, prompt = key.task, store.load(Prompt, key.task.prompt).content
    folder = fetch_model(store, BaseModelManifest, key.base)[1]
    items = read_eval_set(store, key.evalset).select("text", "history", "answer").iter_rows()
    chats = [
        render_example(prompt, text, history, answer, task.field_order, task.output) for text, history, answer in items
    ]
    encoder = open_encoder(folder, task.chat_template_kwargs)
    return ItemTokens(key=key, result=count_tokens(encoder, chats))


def count_tokens(encoder: TokenEncoder, chats: Sequence[Conversation]) -> ItemTokens.Result:
    """Count the tokens of prompts and right answers, as a model would have to write them.

    Args:
        encoder: Encoder of the base model.
        chats: Conversations that end with the right answer.

    Raises:
        InputError: The chat template refuses a conversation.
    """
    encoded = encoder.encode(chats) if chats else []
    return ItemTokens.Result(
        context=encoder.context,
        prompts=dict(Counter(one.start for one in encoded)),
        answers=dict(Counter(encoder.count_answer(one) for one in encoded)),
    )
