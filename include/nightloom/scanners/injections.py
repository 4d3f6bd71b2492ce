"""Prompt injections: find phrases that address the model instead of the team."""

import re
import unicodedata

import polars as pl

from nightloom.scanners.base import Match, Pattern, find_patterns, may_match
from nightloom.scanners.plain import LATIN

_NEAR = r"[^.!?]{0,40}?"
_RULES = (
    r"\b(?:instructions?|prompts?|rules|directives?|directions|guidelines|programming|training|constraints"
    r"|polic(?:y|ies))\b"
)
_MACHINE = r"(?:ai|a\.i\.|assistant|bot|chatbot|language model|llm|gpt(?:-?\d)?|dan)"
_MODES = r"(?:dan|god|jailbreak|unrestricted|unfiltered)"
# Orders for a model, which support desks seldom get.
_ORDER = (
    r"(?:please |just |only |always |simply |then |must |now ){0,2}(?:say|answer|respond|reply|output|print|approve"
    r"|classify|mark|set|tell|reveal|ignore|disregard|grant|label|assign|repeat|obey|act|send me|write|translate|you)\b"
)

_DISMISS = (
    r"(?:ignore|disregard|forget|override|bypass|discard|skip|neglect|stop (?:following|obeying)"
    r"|(?:do not|don't|never) (?:follow|obey))"
)
_OVERRIDE = (
    rf"\b{_DISMISS}\b{_NEAR}\b(?:previous|prior|above|earlier|preceding|foregoing|former|existing|initial|original|system"
    rf"|all|any|every|your)\b{_NEAR}{_RULES}"
)
_EVERYTHING_ABOVE = (
    rf"\b(?:ignore|disregard|forget|override)\b{_NEAR}{_RULES} (?:above|before|so far|(?:you )?were given)\b"
    r"|\b(?:ignore|disregard|forget) (?:all|everything|anything|whatever)\b[^.!?]{0,30}?"
    r"\b(?:above|before this|(?:were|was|been|are) (?:told|given)|so far)\b"
    rf"|\b(?:ignore|disregard|forget) (?:the|all) (?:the )?above(?: text)?\b[,;:]? (?:and|but|then)? ?{_ORDER}"
)
_REVEAL_PROMPT = (
    r"\b(?:reveal|show|print|repeat|output|display|leak|expose|disclose|tell me|give me|write out|what (?:is|are))\b"
    rf"{_NEAR}\b(?:system|hidden|initial|developer|secret|internal|original) (?:prompts?|instructions)\b"
    rf"|\b(?:reveal|leak|expose|disclose)\b{_NEAR}\byour (?:prompts?|instructions)\b"
    r"|\b(?:repeat|print|output) (?:all |the |of )*(?:words|text|everything) above\b"
    r"|\b(?:show|print|repeat|output|dump|tell|what is) (?:me )?(?:all )?(?:the |your )"
    r"(?:(?:full|entire|hidden|whole) )?(?:prompts?(?: texts?)?|context window)(?=[.,;:!?]| -|$)"
    r"|\bprint everything you (?:have been|were) told\b|\bwhat (?:do your instructions|your instructions) say\b"
    r"|\bthe hidden prompt\b|\bwhat were you told to do\b"
)
_NEW_ROLE = (
    r"\b(?:you are now|you're now|you are no longer|from now on,? you(?: are|'re| will(?: be| act| behave)?)"
    r"|you will act as|pretend (?:to be|you are|that you are)|act as|behave as|role-?play as)\b"
    rf"{_NEAR}\b(?:{_MACHINE}|(?:{_MODES}|developer|admin|root|sudo|debug) mode|unrestricted|unfiltered"
    r"|without (?:any )?(?:rules|restrictions|limits|filters))\b"
)
_MODE = (
    rf"\b(?:enter|enable|activate|switch to|turn on)\b[^.!?]{{0,20}}?\b{_MODES} mode\b"
    rf"|\b{_MODES} mode (?:is )?(?:on|enabled|activated?)\b|\bdo anything now\b"
    r"|\b(?:developer|debug|admin|root|sudo) mode(?: is)?(?: now)?(?: on| enabled| activated)?"
    rf"(?:[:.,;!-]| and)+ ?{_ORDER}"
)
_NEW_INSTRUCTIONS = (
    rf"\b(?:(?:new|updated|your|following) )+instructions?\s?: ?{_ORDER}"
    r"|\b(?:new|updated|real|actual) system (?:instructions?|prompt)\s?:"
    r"|\byour (?:(?:new|updated|real|actual) )+instructions?\s?:"
)
_FROM_NOW_ON = (
    r"\bfrom now on,?(?: you)?(?: will| must| should)?(?: only| always)* (?:answer|respond|reply|output|say)"
    r"(?: only| always)? (?:with|in|as)\b|\bfrom now on,? you (?:will|must|should)(?: only| always)* "
    r"(?:answer|respond|reply|output|obey|say)\b"
    r"|\binstead,? (?:just |only |simply )?(?:output|respond|reply|print|answer) (?:with|only|exactly|the words?)\b"
)
_NEW_TASK = (
    r"\b(?:ignore|forget|disregard) (?:(?:all|any|the|your|every|previous|prior|earlier|of) ){1,4}"
    r"(?:assignments?|tasks?|prompts?|texts? (?:before|above))\b"
    rf"|\b(?:forget|ignore|disregard) everything(?: from before)?(?: and|[.,;])(?: now)? ?(?:{_ORDER}|i want you to\b)"
    r"|\bi want you to (?:act|behave|respond|pretend|answer|play|ignore|forget)\b"
    rf"|\byour (?:new|real|only) (?:goal|task|job|purpose|role) is(?: now)? to {_ORDER}"
    rf"|\bnew (?:task|policy|rule|goal)\s?: ?{_ORDER}"
    r"|\byour (?:previous |prior |old )?(?:instructions|guidelines|rules) (?:are|were)"
    r" (?:void|cancelled|a test|no longer)\b"
    r"|\b(?:as if|that) (?:you(?:r)? (?:has|have|had) no|your) (?:content polic(?:y|ies)|guidelines|safety)\b"
    r"|\byou have been (?:reprogrammed|jailbroken|unlocked)\b"
    r"|\b(?:switch|turn) off your (?:safety|content|ethical)\b"
)
# Without word boundaries, which Rust and Python define differently.
_NEW_TASK_PREFILTER = "(?i)" + _NEW_TASK.replace(r"\b", "")
_TO_THE_MODEL = (
    r"\b(?:note|attention|message|memo|instructions?|dear|hey|hi|hello|to)\b(?: to| for)?(?: the| any| an)?(?: large)?"
    rf" {_MACHINE}(?: (?:assistant|model))?"
    rf"(?: (?:that is |which is )?(?:reading|processing|classifying|handling) [^.!?:,]{{1,30}})?\s?[:,] ?{_ORDER}"
    rf"|\b(?:ai|llm|gpt) (?:assistant|model)\s?: ?{_ORDER}"
    rf"|\bif you(?: are|'re) (?:an? |the )?(?:ai|llm|(?:large )?language model)\b[^.!?]{{0,30}}?, ?{_ORDER}"
    rf"|\bas an? (?:ai|llm|(?:large )?language model)\b[^.!?]{{0,20}}? (?:must|should|will|have to|shall)\b"
    r"|\bwhen(?:ever)? you (?:classify|label|summari[sz]e|translate|process|read|evaluate) this\b"
    rf"[^.!?,]{{0,20}}, ?{_ORDER}"
    rf"|\bsystem (?:note|override|message|update)\s?: ?(?:{_ORDER}|all (?:tickets|messages|requests)\b)"
)
_FOREIGN = (
    r"\b(?:ignorier\w*|vergiss|vergesst|missachte\w*|übergeh\w*)\b[^.!?]{0,30}?"
    r"\b(?:vorherig|bisherig|vorig|obig|früher|alle)\w*\b[^.!?]{0,20}?\b(?:anweisungen|instruktionen|regeln|vorgaben)\b"
    r"|\b(?:ignore[rz]?|oublie[rz]?)\b[^.!?]{0,20}?\b(?:instructions|consignes|règles)\b"
    r" (?:précédente|ci-dessus|antérieure|initiale)s?"
    r"|\b(?:ignora|ignore|olvida|olvide|omite)\b[^.!?]{0,20}?\b(?:instrucciones|reglas|indicaciones)\b"
    r" (?:anteriores|previas|de arriba)"
    r"|\b(?:ignora|dimentica)\b[^.!?]{0,20}?\b(?:istruzioni|regole)\b (?:precedenti|di sopra)"
    r"|\b(?:ignore|ignora|esqueça|esquece)\b[^.!?]{0,20}?\b(?:instruções|regras)\b (?:anteriores|acima)"
    r"|\bnegeer\b[^.!?]{0,20}?\b(?:vorige|eerdere|bovenstaande)\b[^.!?]{0,15}?\b(?:instructies|regels)\b"
    r"|\bzignoruj\b[^.!?]{0,20}?\b(?:poprzednie|wcześniejsze|powyższe)\b[^.!?]{0,15}?\b(?:instrukcje|polecenia|zasady)\b"
)
# Words of these languages may begin and end with letters beyond ASCII.
_EDGE = rf"(?:(?<![{LATIN}0-9_])(?=[{LATIN}])|(?<=[{LATIN}])(?![{LATIN}0-9_]))"
_FOREIGN = _FOREIGN.replace(r"\b", _EDGE).replace(r"\w", f"[{LATIN}]")

_TAG = r"<\|[a-z_]{2,30}\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|instructions?)>|<(?:start|end)_of_turn>"
_HEADING = r"(?m:^)\s{0,9}#{2,6}\s{0,3}(?:system|instructions?|assistant|prompt)\s{0,2}:"
_ROLE = (
    r"(?m:^)\s{0,9}\[?(?:system(?: (?:prompt|message|override))?|assistant)\]?\s{0,2}:\s{0,3}"
    r"(?:you|ignore|disregard|forget|from now|new|override|always|never|answer|respond|reply|say|set|mark|classify)\b"
)

_DISMISSALS = (
    *("ignore", "disregard", "forget", "override", "bypass", "discard", "skip", "neglect", "stop", "follow", "obey"),
)
_RULE_WORDS = (
    *("instruction", "prompt", "rules", "directive", "directions", "guidelines", "programming", "training"),
    *("constraint", "policy", "policies"),
)
_VERBS = (
    *("reveal", "show", "print", "repeat", "output", "display", "leak", "expose", "disclose", "tell", "give", "write"),
    *("what", "dump", "hidden"),
)
_BECOMING = ("you are n", "you're n", "pretend ", "act as", "behave as", "play as", "from now on")
_ROLES = (
    *("ai", "a.i.", "assistant", "bot", "language model", "llm", "gpt", "dan", " mode"),
    *("unrestricted", "unfiltered", "without"),
)
_MODE_WORDS = (
    *(
        "developer",
        "debug",
        "god",
        "dan ",
        "jailbreak",
        "unrestricted",
        "unfiltered",
        "admin",
        "root",
        "sudo",
        "do anything",
    ),
)
_ANSWERS = ("answer", "respond", "reply", "output", "obey", "say", "print")
_MODEL_WORDS = (
    *(" ai ", " ai:", " ai,", " ai-", "a.i.", "llm", "gpt", "language model", "assistant", "chatbot", " bot ", " bot:"),
    *(" bot,", " dan ", " dan:", " dan,", "ai model", "you classify", "you label", "you summari", "you translate"),
    *("you process", "you read", "you evaluate", "system note", "system override", "system message", "system update"),
)
_ADDRESS = (
    *(
        "note",
        "attention",
        "message",
        "memo",
        "instruction",
        "dear",
        "hey",
        "hi",
        "hello",
        "to ",
        "if you",
        "as a",
        "when",
    ),
    *("assistant", "model", "override", "update"),
)
_FOREIGN_RULES = (
    *("anweisungen", "instruktionen", "regeln", "vorgaben", "instructions", "consignes", "règles", "instrucciones"),
    *("reglas", "indicaciones", "istruzioni", "regole", "instruções", "regras", "instructies", "regels", "instrukcje"),
    *("polecenia", "zasady"),
)
_FOREIGN_DISMISSALS = (
    *(
        "ignor",
        "vergiss",
        "vergesst",
        "missachte",
        "übergeh",
        "oublie",
        "olvid",
        "omite",
        "dimentica",
        "esque",
        "negeer",
    ),
)
_TASK_WORDS = (
    *(
        "assignment",
        " task",
        "prompt",
        "conversation",
        "context",
        "text before",
        "text above",
        "texts before",
        "everything",
    ),
    *(
        "i want you to",
        "goal is",
        "job is",
        "purpose is",
        "role is",
        "new policy",
        "new rule",
        "new goal",
        "instructions",
    ),
    *(
        "guidelines",
        "rules",
        "content polic",
        "safety",
        "reprogrammed",
        "jailbroken",
        "unlocked",
        "your content",
        "ethical",
    ),
)
_TAGS = ("<|", "inst]", "sys>>", "system>", "assistant>", "instruction>", "instructions>", "_of_turn>")

_PHRASES = tuple(
    Pattern(
        kind,
        hints,
        re.compile(expression, re.IGNORECASE if expression is _FOREIGN else re.IGNORECASE | re.ASCII),
        _NEW_TASK_PREFILTER if kind == "new_task" else "",
    )
    for kind, hints, expression in (
        ("override", (_RULE_WORDS, _DISMISSALS), _OVERRIDE),
        ("everything_above", (_DISMISSALS[:4], ("above", "before", "so far", "given", "told")), _EVERYTHING_ABOVE),
        (
            "reveal_prompt",
            (("prompt", "instructions", " above", "context window", "everything you", "you told"), _VERBS),
            _REVEAL_PROMPT,
        ),
        ("new_role", (_BECOMING, _ROLES), _NEW_ROLE),
        ("mode", (_MODE_WORDS, (" mode", "do anything now")), _MODE),
        ("new_instructions", (("instruction", "system prompt"), (":",)), _NEW_INSTRUCTIONS),
        ("new_instructions", (("from now on", "instead"), _ANSWERS), _FROM_NOW_ON),
        ("new_task", (_TASK_WORDS, (*_DISMISSALS[:3], "your", "want", "new ", "you have", "that ")), _NEW_TASK),
        ("to_the_model", (_MODEL_WORDS, _ADDRESS), _TO_THE_MODEL),
        ("override", (_FOREIGN_RULES, (*_FOREIGN_DISMISSALS, "zignoruj")), _FOREIGN),
    )
)
"""Searched in text joined to one line, so that line breaks between words do not hide a phrase."""

_MARKS = tuple(
    Pattern(kind, hints, re.compile(expression, re.IGNORECASE | re.ASCII))
    for kind, hints, expression in (
        ("role_tag", (_TAGS,), _TAG),
        ("role_tag", (("##",), ("system", "instruction", "assistant", "prompt")), _HEADING),
        ("role_tag", (("system", "assistant"), (":",)), _ROLE),
    )
)
_JOINERS = re.compile("[\u200c\u200d]")
_BLANKS = r"[\s\x1c-\x1f]+"
_NOT_ONE_BLANK = r"[\s\x1c-\x1f--[ ]]|  "


def find_injections(text: str) -> list[Match]:
    """Find phrases of prompt injection; offsets refer to the text in compatibility form (NFKC) without joiners."""
    plain = text if text.isascii() else _JOINERS.sub("", unicodedata.normalize("NFKC", text))
    return find_patterns(re.sub(_BLANKS, " ", plain), _PHRASES) + find_patterns(plain, _MARKS)


def may_hold_injections(texts: pl.Series) -> pl.Series:
    """Return whether each text needs the full search: true for all with an injection, and some others."""
    beyond_ascii = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    plain = texts.gather(beyond_ascii).str.normalize("NFKC").str.replace_all(_JOINERS.pattern, "")
    in_one_line = texts.clone().scatter(beyond_ascii, plain)
    broken = in_one_line.str.contains(_NOT_ONE_BLANK).arg_true()
    in_one_line.scatter(broken, in_one_line.gather(broken).str.replace_all(_BLANKS, " "))
    return may_match(in_one_line, (*_PHRASES, *_MARKS))
