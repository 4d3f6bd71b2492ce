import re

import pytest
from nightloom.core import errors
from nightloom.core.errors import NightloomError, first_reason


def parents(error):
    children = [child for child in error.__subclasses__() if child.__module__ == errors.__name__]
    below = (parents(child) for child in children)
    return dict(
        item for each in [{child.__name__: error.__name__ for child in children}, *below] for item in each.items()
    )


def test_docstring_tree_matches_classes():
    drawn, path = {}, {}
    for branch, name in re.findall(r"^([│ ]*[├└]── )?(\w+Error)", errors.__doc__, re.MULTILINE):
        path[len(branch)] = name
        if branch:
            drawn[name] = path[len(branch) - 4]
    assert len(drawn) == 16
    assert drawn == parents(NightloomError)


def test_docstring_exit_codes_match_classes():
    drawn = re.findall(r"(\w+Error)\s+exit (\d)", errors.__doc__)
    assert drawn
    assert [(name, getattr(errors, name).exit_code) for name, _ in drawn] == [(name, int(code)) for name, code in drawn]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Error(s) in loading state_dict for M:\n\tsize mismatch for w: 3 and 4.\n\tsize mismatch for v: 5 and 6.", 1),
        ("\n2 errors:\n\n  the file is cut off\n", 2),
        ("needs `optimum`\ninstall it", 3),
        ("  ", 4),
    ],
)
def test_first_reason_is_more_than_its_heading(message, reason):
    reasons = {
        1: "Error(s) in loading state_dict for M: size mismatch for w: 3 and 4.",
        2: "2 errors: the file is cut off",
        3: "needs `optimum`",
        4: "no reason given",
    }
    assert first_reason(ValueError(message)) == reasons[reason]
