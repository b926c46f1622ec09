"""Exceptions of a rule: whether they are well formed, and the condition text that they stand for."""

from __future__ import annotations

from agent.fields.catalogue import Catalogue
from agent.language.conditions import is_supported_field
from agent.language.decode import VALIDATE, did_you_mean
from agent.language.items import Entry, ExceptionItem, Piece, split_operator
from agent.language.operators import LIST_OPERATORS, OPERATORS
from agent.language.sink import Rejected

_ONE_FIELD = (
    "When fields is a single value, comps must be one of (in, pmatch, intersects) "
    "or a modifier operator (e.g. startswith oneof)"
)


def validate_exception(item: ExceptionItem, catalogue: Catalogue | None, *, check_fields: bool) -> None:
    """Check ``fields`` against ``comps`` and fill in the ``comps`` that are not given.

    Without a catalogue only the defaults are filled in: Falco leaves the rest of a replaced exception to the
    compilation of the condition. Raises Rejected.
    """
    if item.fields.is_list:
        _default_comps(item)
        if catalogue is not None or len(item.fields.items) != len(item.comps.items):
            _validate_lists(item)
    else:
        if not item.comps.given:
            item.comps = Entry(text="in")
        if catalogue is not None or item.comps.is_list:
            _validate_single(item)
    if check_fields and catalogue is not None:
        _validate_fields(item, catalogue)


def _default_comps(item: ExceptionItem) -> None:
    if not item.comps.given:
        item.comps = Entry(is_list=True, items=[Entry(text="=") for _ in item.fields.items])


def _validate_lists(item: ExceptionItem) -> None:
    fields, comps = len(item.fields.items), len(item.comps.items)
    if fields != comps:
        hint = f"{fields} fields, {comps} comps: give one operator for each field, in a list"
        raise Rejected(
            VALIDATE, "Fields and comps lists must have equal length", item.context, item.comps.origin, hint
        )
    for comp in item.comps.items:
        if split_operator(comp.text) is None:
            message = f"'{comp.text}' is not a supported comparison operator"
            hint = did_you_mean(comp.text, OPERATORS)
            raise Rejected(VALIDATE, message, item.context, comp.origin, hint or _operators())


def _operators() -> str:
    return f"operators: {' '.join(OPERATORS)}"


def _validate_single(item: ExceptionItem) -> None:
    if item.comps.is_list:
        hint = "write both as single values, or both as lists"
        raise Rejected(
            VALIDATE, "Fields and comps must both be strings", item.context, item.comps.origin, hint
        )
    found = split_operator(item.comps.text)
    if found is None or not (found[1] or found[0] in LIST_OPERATORS):
        hint = f"write 'fields: [{item.fields.text}]' and 'comps: [{item.comps.text}]', each value in a list"
        raise Rejected(VALIDATE, _ONE_FIELD, item.context, item.comps.origin, hint)


def _validate_fields(item: ExceptionItem, catalogue: Catalogue) -> None:
    for entry in item.fields.items if item.fields.is_list else [item.fields]:
        if not is_supported_field(entry.text):
            message = f"'{entry.text}' is not a supported filter field"
            hint = did_you_mean(entry.text, (info.name for info in catalogue.fields()))
            raise Rejected(
                VALIDATE, message, item.context, entry.origin, hint or "tercel rules fields lists them"
            )


def with_exceptions(condition: list[Piece], exceptions: list[ExceptionItem]) -> list[Piece]:
    """Return the pieces of ``(condition) and not (…)``, to be glued without blanks between them.

    Raises Rejected for values that do not fit the fields.
    """
    context = condition[0].context
    pieces = [Piece("(", None, context)]
    for number, piece in enumerate(condition):
        if number:
            pieces.append(Piece(" ", None, context))
        pieces.append(piece)
    pieces.append(Piece(")", None, context))
    for item in exceptions:
        matching = _tuples(item) if item.fields.is_list else _flat(item)
        if matching:
            pieces += [Piece(" and not ", None, item.context), *matching]
    return pieces


def _flat(item: ExceptionItem) -> list[Piece]:
    pieces: list[Piece] = []
    for value in item.values:
        if value.is_list:
            hint = f"'fields: {item.fields.text}' is one field, so values is a plain list: values: [a, b]"
            origin = value.items[0].origin if value.items else None
            message = "Expected values array to contain a list of strings"
            raise Rejected(VALIDATE, message, item.context, origin, hint)
        if pieces:
            pieces.append(_glue(", ", item))
        else:
            pieces += [
                _glue("(", item),
                _piece(item.fields, item),
                _glue(" ", item),
                _piece(item.comps, item),
                _glue(" (", item),
            ]
        pieces.append(_quoted(value, item))
    if pieces:
        pieces.append(_glue("))", item))
    return pieces


def _tuples(item: ExceptionItem) -> list[Piece]:
    pieces: list[Piece] = []
    for values in item.values:
        if len(values.items) != len(item.fields.items):
            fields = ", ".join(field.text for field in item.fields.items)
            hint = f"each of values is a list with one value for each of: {fields}"
            origin = values.origin or (values.items[0].origin if values.items else None)
            raise Rejected(
                VALIDATE, "Fields and values lists must have equal length", item.context, origin, hint
            )
        pieces.append(_glue(" or (" if pieces else "((", item))
        pieces += _one_tuple(values, item)
        pieces.append(_glue(")", item))
    if pieces:
        pieces.append(_glue(")", item))
    return pieces


def _one_tuple(values: Entry, item: ExceptionItem) -> list[Piece]:
    pieces: list[Piece] = []
    for number, field in enumerate(item.fields.items):
        comp, value = item.comps.items[number], values.items[number]
        pieces += [
            _glue(" and  " if number else " ", item),
            _piece(field, item),
            _glue(" ", item),
            _piece(comp, item),
            _glue(" ", item),
        ]
        pieces += _operand(value, comp, item)
    return pieces


def _operand(value: Entry, comp: Entry, item: ExceptionItem) -> list[Piece]:
    if value.is_list:
        pieces = [_glue("(", item)]
        for number, one in enumerate(value.items):
            if number:
                pieces.append(_glue(", ", item))
            pieces.append(_quoted(one, item))
        return [*pieces, _glue(")", item)]
    operator = split_operator(comp.text)
    if operator is not None and (operator[1] or operator[0] in LIST_OPERATORS):
        if value.text.startswith("("):
            return [_piece(value, item)]
        return [_glue("(", item), _piece(value, item), _glue(")", item)]
    return [_quoted(value, item)]


def _glue(text: str, item: ExceptionItem) -> Piece:
    return Piece(text, None, item.context)


def _piece(entry: Entry, item: ExceptionItem) -> Piece:
    return Piece(entry.text, entry.origin, item.context)


def _quoted(entry: Entry, item: ExceptionItem) -> Piece:
    return Piece(quote_item(entry.text), entry.origin, item.context)


def quote_item(text: str) -> str:
    """Quote a value that contains a blank, unless it begins with a quote, as Falco does."""
    if " " in text and text[0] not in "\"'":
        return f'"{text}"'
    return text
