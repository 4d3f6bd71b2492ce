import re

from nightloom.core import errors
from nightloom.core.errors import NightloomError


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
