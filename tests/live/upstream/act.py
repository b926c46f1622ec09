"""What an act is: something done on this machine, and the rule that must or must not fire on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Act:
    """Python text that runs after prelude.py, in a process and an empty folder of its own.

    ``container`` puts that process below a control group shaped like Docker's.
    """

    rule: str
    fires: bool
    code: str
    container: bool = False
    note: str = ""


def pair(
    rule: str, hit: str, miss: str, *, container: bool = False, miss_container: bool | None = None
) -> list[Act]:
    """Make an act and its near miss."""
    near = container if miss_container is None else miss_container
    return [
        Act(rule, fires=True, code=hit, container=container),
        Act(rule, fires=False, code=miss, container=near),
    ]


WRITE_TRUNCATE = "os.O_WRONLY | os.O_TRUNC | os.O_CREAT"
WRITE = "os.O_WRONLY | os.O_CREAT"
