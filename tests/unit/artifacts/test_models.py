"""Models: a task without template arguments keeps its ids."""

from nightloom.artifacts.answers import Parameters, Request, digest_call
from nightloom.artifacts.data import TokenBudget
from nightloom.artifacts.models import TaskSpec
from nightloom.core.manifests import Plain

TASK = {"prompt": "a" * 64, "output": "text", "field_order": ("team",)}


def test_absent_template_arguments_do_not_change_ids() -> None:
    task = TaskSpec(**TASK, answer={"team": None})
    budget = TokenBudget(**TASK, base="b" * 64, most=None)
    request = Request(messages=({"role": "user", "content": "a"},), parameters=Parameters(max_completion_tokens=4))
    for part in (task, budget, request):
        assert "chat_template_kwargs" not in part.model_dump(mode="json")
        assert part.model_validate_json(part.model_dump_json()) == part
        assert "chat_template_kwargs" in change(part).model_dump(mode="json")
    assert digest_call("engine", request) != digest_call("engine", change(request))


def change(part: Plain) -> Plain:
    return part.model_copy(update={"chat_template_kwargs": {"thinking": True}})
