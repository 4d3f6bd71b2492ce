"""Prompt injections: phrases that speak to the model instead of the team, by families."""

import re
import unicodedata

import polars as pl

from nightloom.scanners.spans import Pattern, Span, find_patterns, may_match

_NEAR = r"[^.!?\n]{0,40}?"
_RULES = (
    r"\b(?:instructions?|prompts?|rules|directives?|directions|guidelines|programming|training|constraints"
    r"|polic(?:y|ies))\b"
)
_MACHINE = r"(?:ai|a\.i\.|assistant|bot|chatbot|language model|llm|gpt|dan|agent)"
_MODES = r"(?:developer|debug|god|dan|jailbreak|unrestricted|admin|root|sudo)"

_OVERRIDE = (
    rf"\b(?:ignore|disregard|forget|override|bypass|discard|skip|(?:do not|don't|stop) (?:follow|obey)(?:ing)?)\b"
    rf"{_NEAR}\b(?:previous|prior|above|earlier|preceding|foregoing|former|existing|initial|original|system|all|any"
    rf"|every|your)\b{_NEAR}{_RULES}"
)
_EVERYTHING_ABOVE = (
    rf"\b(?:ignore|disregard|forget|override)\b{_NEAR}{_RULES} (?:above|before|so far|(?:you )?were given)\b"
    r"|\b(?:ignore|disregard|forget) (?:all|everything|anything|whatever)\b[^.!?\n]{0,20}?"
    r"\b(?:above|before this|(?:were|was|been|are) told|so far)\b"
)
_REVEAL_PROMPT = (
    r"\b(?:reveal|show|print|repeat|output|display|leak|expose|disclose|tell me|give me|write out|what (?:is|are))\b"
    rf"{_NEAR}\b(?:system|hidden|initial|developer|secret|internal|original|your) (?:prompts?|instructions)\b"
)
_NEW_ROLE = (
    r"\b(?:you are now|you're now|you are no longer|from now on,? you(?: are|'re| will be)"
    r"|pretend (?:to be|you are|that you are)|act as|behave as|role-?play as)\b"
    rf"{_NEAR}\b(?:{_MACHINE}|{_MODES} mode|unrestricted|unfiltered"
    r"|without (?:any )?(?:rules|restrictions|limits|filters))\b"
)
_MODE = (
    rf"\b(?:enter|enable|activate|switch to|turn on)\b[^.!?\n]{{0,20}}?\b{_MODES} mode\b"
    rf"|\b{_MODES} mode (?:is )?(?:on|enabled|activated?)\b|\bdo anything now\b|\bjailbreak(?:ed|ing)?\b"
)
_NEW_INSTRUCTIONS = r"\b(?:new|updated|real|actual) (?:system )?instructions?\s{0,2}:"
_FROM_NOW_ON = (
    r"\bfrom now on,?(?: you)?(?: will| must| should)?(?: only| always)? (?:answer|respond|reply|output|obey|say)\b"
    r"|\binstead,? (?:just |only |simply )?(?:output|respond|reply|print|answer)\b"
)
_TAG = r"<\|[a-z_]{2,30}\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|instructions?)>"
_HEADING = r"(?m:^)\s{0,9}#{2,6}\s{0,3}(?:system|instructions?|assistant|prompt)\b"
_ROLE = (
    r"(?m:^)\s{0,9}\[?(?:system(?: (?:prompt|message|override))?|assistant)\]?\s{0,2}:\s{0,3}"
    r"(?:you|ignore|disregard|forget|from now|new|override|always|never|answer|respond|reply|say|set|mark|classify)\b"
)

_DISMISSALS = ("ignore", "disregard", "forget", "override", "bypass", "discard", "skip", "follow", "obey")
_RULE_WORDS = (
    *("instruction", "prompt", "rules", "directive", "directions", "guidelines", "programming", "training"),
    *("constraint", "policy", "policies"),
)
_VERBS = (
    *("reveal", "show", "print", "repeat", "output", "display", "leak", "expose", "disclose", "tell me", "give me"),
    *("write out", "what is", "what are"),
)
_BECOMING = ("you are n", "you're n", "pretend ", "act as", "behave as", "play as", "from now on")
_ROLES = (
    *("ai", "a.i.", "assistant", "bot", "language model", "llm", "gpt", "dan", "agent", " mode"),
    *("unrestricted", "unfiltered", "without"),
)
_MODE_WORDS = ("developer", "debug", "god", "dan ", "jailbreak", "unrestricted", "admin", "root", "sudo", "do anything")
_ANSWERS = ("answer", "respond", "reply", "output", "obey", "say", "print")
_TAGS = ("<|", "inst]", "sys>>", "system>", "assistant>", "instruction>", "instructions>")

PATTERNS = tuple(
    Pattern(kind, hints, re.compile(expression, re.IGNORECASE))
    for kind, hints, expression in (
        ("override", (_RULE_WORDS, _DISMISSALS), _OVERRIDE),
        ("everything_above", (_DISMISSALS, ("above", "before", "so far", "given", " told")), _EVERYTHING_ABOVE),
        ("reveal_prompt", (("prompt", "instructions"), _VERBS), _REVEAL_PROMPT),
        ("new_role", (_BECOMING, _ROLES), _NEW_ROLE),
        ("mode", (_MODE_WORDS, (" mode", "do anything now", "jailbreak")), _MODE),
        ("new_instructions", (("instruction",), (":",)), _NEW_INSTRUCTIONS),
        ("new_instructions", (("from now on", "instead"), _ANSWERS), _FROM_NOW_ON),
        ("role_tag", (_TAGS,), _TAG),
        ("role_tag", (("##",), ("system", "instruction", "assistant", "prompt")), _HEADING),
        ("role_tag", (("system", "assistant"), (":",)), _ROLE),
    )
)
_JOINERS = re.compile("[\u200c\u200d]")


def find_injections(text: str) -> list[Span]:
    """Find phrases of prompt injection; offsets are those of the text in compatibility form (NFKC) without joiners."""
    plain = text if text.isascii() else _JOINERS.sub("", unicodedata.normalize("NFKC", text))
    return find_patterns(plain, PATTERNS)


def may_hold_injections(texts: pl.Series) -> pl.Series:
    """Tell which texts are worth the search: all that hold an injection, and some that hold none."""
    beyond_ascii = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    plain = texts.gather(beyond_ascii).str.normalize("NFKC").str.replace_all(_JOINERS.pattern, "")
    return may_match(texts.clone().scatter(beyond_ascii, plain), PATTERNS)
