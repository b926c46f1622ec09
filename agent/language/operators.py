"""The words of the condition language: operators, modifiers, transformers."""

from __future__ import annotations

NUMBER_OPERATORS = ("<=", "<", ">=", ">")
TEXT_OPERATORS = (
    "==",
    "=",
    "!=",
    "glob",
    "iglob",
    "contains",
    "icontains",
    "bcontains",
    "startswith",
    "bstartswith",
    "endswith",
    "regex",
)
LIST_OPERATORS = ("intersects", "in", "pmatch")
OPERATORS = ("exists", *NUMBER_OPERATORS, *TEXT_OPERATORS, *LIST_OPERATORS)
"""Every operator, in the order in which upstream names them."""

MODIFIERS = ("oneof", "anyof", "allof")

TRANSFORMERS = ("tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt")
RIGHT_TRANSFORMERS = ("val", *TRANSFORMERS)
"""What may stand on the right of an operator; ``val`` only there."""
