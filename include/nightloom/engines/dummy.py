"""The dummy engine: instant and deterministic. It answers what most words of a text voted for in training."""

from collections import defaultdict
from collections.abc import Sequence

from nightloom.base_models.dummy import Votes, split_words
from nightloom.engines.base import Generation
from nightloom.rendering.messages import Conversation


class DummyEngine:
    """Answers with the answer whose share among each word's votes is greatest; without votes it says nothing."""

    def __init__(self, votes: Votes) -> None:
        self._votes = votes

    def generate(self, conversations: Sequence[Conversation], max_new_tokens: int) -> list[Generation]:
        """Answer every conversation; a token is a word here."""
        return [self._answer(conversation, max_new_tokens) for conversation in conversations]

    def _answer(self, conversation: Conversation, max_new_tokens: int) -> Generation:
        words = split_words(conversation[-1]["content"])
        shares: dict[str, float] = defaultdict(float)
        for word in sorted(set(words)):
            votes = self._votes.get(word, {})
            total = sum(votes.values())
            for answer, count in votes.items():
                # Squared, so that one telling word outweighs many that occur with every answer.
                shares[answer] += (count / total) ** 2
        answer = min(shares, key=lambda text: (-shares[text], text), default="")
        length = len(answer.split())
        cut = " ".join(answer.split()[:max_new_tokens]) if length > max_new_tokens else answer
        return Generation(cut, len(words), min(length, max_new_tokens), finished=length <= max_new_tokens)
