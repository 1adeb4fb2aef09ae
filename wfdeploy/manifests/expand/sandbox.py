"""Expressions that are more than a reference: Jinja's expression language, in a sandbox of its own.

Manifests come from pull requests, and so do expressions: they must neither reach into Python nor take time or memory
beyond bounds. On top of Jinja's immutable sandbox:

- a dot or a bracket gives an item of a mapping or list, never an attribute of an object: there are no methods;
- nothing can be called, and there are no globals; filters and tests are those of `filters.py` and no others;
- operators work on numbers (`+` on text and lists too), and no text grows beyond a bound, the message limit; all that
  one evaluation makes on the way to its value has a bound, too;
- expressions are short, and none of them loops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, wraps
from inspect import signature
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined, UndefinedError, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from wfdeploy.manifests.expand import filters
from wfdeploy.manifests.expand.expressions import MAX_LENGTH, ExpressionError, Scope, one_line
from wfdeploy.manifests.expand.numbers import NumberFormat
from wfdeploy.manifests.expand.paths import undefined_within, unknown_name

MAX_DEPTH = 50
"""Levels of nesting of an expression, and of what it gives."""

_MAX_EXPONENT = 64

_ITEM = 16
"""Characters that an item of a list stands for, when what an evaluation makes is added up."""

_TIMES = 16
"""So many times the longest text may be made on the way to a value."""

_MESSAGES = {
    "not supported between": "numbers are compared with numbers, text with text; there are the filters int and string",
    "as left operand": "text holds nothing but text; there is the filter string",
    "argument of type": "'in' looks into text, lists and mappings",
    "unhashable": "keys are text",
}
"""For messages of Python, by a part that stays from version to version."""

_HINTS = {
    "secrets": "a secret stands alone: ${{ secrets.NAME }}; put text around it outside of the braces",
    "call": f"functions and methods can't be called; there are filters: {', '.join(filters.FILTERS)}",
}


class Expression:
    """A compiled expression. `names` are those of the scope that it uses."""

    def __init__(self, source: str, expression: TemplateExpression, names: frozenset[str], account: _Account) -> None:
        self._source = source
        self._expression = expression
        self._account = account
        self.names = names

    def __call__(self, scope: Scope) -> object:
        """Its value. Raises: `ExpressionError`."""
        try:
            self._account.renew()
            value = self._expression(scope)
            return value if type(value) is str else _plain(value, 0, self._account)
        except UndefinedError as error:
            raise undefined_within(
                scope, error.message or "this", getattr(error, "holder", None), self._source
            ) from error
        except (TemplateError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            message = f"{one_line(self._source)} can't be evaluated: {_message_of(error)}"
            raise ExpressionError(message, source=self._source) from error


@lru_cache(maxsize=1024)
def compile_expression(source: str, names: Collection[str], numbers: NumberFormat, most: int) -> Expression:
    """Compile an expression whose scope has these names; `numbers` writes those that it makes text of. A text that it
    makes has at most `most` characters.

    Raises: `ExpressionError`.
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH:,} characters", source=source[:40])
    sandbox = _sandbox(numbers, most)
    try:
        parser = Parser(sandbox, source, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionError(_not_one(source), source=source, hint="an operator or a quote is missing")
        used = _checked(tree, source, names)
        tree.set_environment(sandbox)
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), tree, lineno=1)]
        template = sandbox.from_string(nodes.Template(body, lineno=1))
    except TemplateError as error:
        raise ExpressionError(_not_one(source), source=source, hint=_syntax_hint(error)) from error
    except RecursionError as error:
        raise ExpressionError(f"{one_line(source)[:40]}... is nested too deeply", source=source) from error
    return Expression(source, TemplateExpression(template, undefined_to_none=False), used, sandbox.account)


def _not_one(source: str) -> str:
    return f"${{{{ {one_line(source)} }}}} is not an expression"


def _syntax_hint(error: TemplateError) -> str:
    message = (error.message or "").rstrip(".")
    if not message or "end of template" in message or "end of print" in message:
        return "write ${{ vars.NAME }} or ${{ secrets.NAME }}"
    if message.startswith("No filter named"):
        return f"{message}; there are {', '.join(filters.FILTERS)}"
    return f"{message}; there are {', '.join(filters.TESTS)}" if message.startswith("No test named") else message


def _checked(tree: nodes.Expr, source: str, names: Collection[str]) -> frozenset[str]:
    """The names that an expression uses. Raises: `ExpressionError` for what has no place in one."""
    used = set()
    for node, depth in _nodes(tree, 0):
        if depth > MAX_DEPTH:
            raise ExpressionError(f"{one_line(source)[:40]}... is nested too deeply", source=source)
        match node:
            case nodes.Name(name="secrets"):
                message = "a secret can't be part of an expression"
                raise ExpressionError(message, source=source, code="secret-in-expression", hint=_HINTS["secrets"])
            case nodes.Name(name=name):
                if name not in names:
                    raise unknown_name(name, source, [name for name in names if name != "vars"])
                used.add(name)
            case nodes.Const(value=float() as number) if not math.isfinite(number):
                message = f"{one_line(source)} holds a number that is too large"
                raise ExpressionError(message, source=source, hint="numbers go up to about 1.8e308")
            case nodes.Call():
                raise ExpressionError(_not_one(source), source=source, hint=_HINTS["call"])
            case nodes.Filter() | nodes.Test() if (usage := _proper_usage(node)) is not None:
                raise ExpressionError(_not_one(source), source=source, hint=usage)
            case nodes.Concat():  # text is made of values as in the middle of a text: as JSON writes them
                # Joined by the filter, which adds up lengths first; Jinja's own way joins whatever there is.
                node.nodes = [nodes.Filter(nodes.List(node.nodes), "join", [], [], None, None)]
            case _:
                pass
    return frozenset(used)


def _proper_usage(node: nodes.Filter | nodes.Test) -> str | None:
    """How a filter or test is written, where it isn't given what it takes; None also for one that there is not."""
    what, known = ("filter", filters.FILTERS) if isinstance(node, nodes.Filter) else ("test", filters.TESTS)
    if node.name not in known:
        return None
    takes = signature(known[node.name])
    try:
        if node.dyn_args is None and node.dyn_kwargs is None:
            takes.bind(node.node, *node.args, **{str(given.key): given.value for given in node.kwargs})
            return None
    except TypeError:
        pass
    _, *names = takes.parameters
    values = f"({', '.join(names)})" if names else ""
    return f"the {what} {node.name} is written {node.name}{values}"


def _nodes(node: nodes.Node, depth: int) -> Any:
    yield node, depth
    for child in node.iter_child_nodes():
        yield from _nodes(child, depth + 1)


class _Undefined(StrictUndefined):
    """Knows what was looked for, and where."""

    __slots__ = ()

    def _fail_with_undefined_error(self, *_args: Any, **_kwargs: Any) -> Any:
        error = UndefinedError(str(self._undefined_name))
        error.holder = self._undefined_obj  # type: ignore[attr-defined]
        raise error

    # The operators of `StrictUndefined` are bound to its own method.
    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = _fail_with_undefined_error
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _fail_with_undefined_error
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _fail_with_undefined_error
    __pow__ = __rpow__ = __pos__ = __neg__ = __lt__ = __le__ = __gt__ = __ge__ = _fail_with_undefined_error
    __contains__ = __getitem__ = __int__ = __float__ = _fail_with_undefined_error


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))
    intercepted_unops = frozenset(("+", "-"))

    def __init__(self, numbers: NumberFormat, most: int) -> None:
        # Not optimised: constants would be worked out while compiling, out of reach of the bounds below.
        super().__init__(undefined=_Undefined, optimized=False, autoescape=False, cache_size=0)
        self.globals = {}
        self.account = _Account(most)
        known = {**filters.FILTERS, **filters.writing(numbers, most)}
        self.filters = {name: self.account.counting(name, known[name]) for name in known}
        self._most = most
        self.tests = dict(filters.TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, _Undefined):
            return obj._fail_with_undefined_error()
        if isinstance(obj, Mapping | list | str) and isinstance(argument, str | int | slice):
            holder: Any = obj
            try:
                return holder[argument]
            except (KeyError, IndexError, TypeError):
                pass
        return self.undefined(obj=obj, name=str(argument))

    def call(__self, __context: Any, __obj: Any, *_args: Any, **_kwargs: Any) -> Any:  # noqa: N805
        raise SecurityError("nothing can be called")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and type(left) is type(right) and isinstance(left, str | list):
            size = len(left) + len(right)
            if isinstance(left, str):
                if size > self._most:
                    raise filters.too_long(self._most)
                self.account.add(size)
            else:
                self.account.add(size * _ITEM)
            return left + right
        for operand in (left, right):
            if isinstance(operand, _Undefined):
                operand._fail_with_undefined_error()
            if isinstance(operand, bool) or not isinstance(operand, int | float):
                raise TypeError(f"'{operator}' takes numbers, not {filters.kind_of(operand)}")
            if isinstance(operand, int) and operand.bit_length() > filters.MAX_BITS:
                raise ValueError("a number is too large")
        if operator == "**" and abs(right) > _MAX_EXPONENT:
            raise ValueError(f"'**' takes exponents up to {_MAX_EXPONENT}")
        value = super().call_binop(context, operator, left, right)
        if isinstance(value, complex):
            raise ValueError("the result is not a real number")
        return value

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        if isinstance(arg, bool) or not isinstance(arg, int | float | _Undefined):
            raise TypeError(f"'{operator}' takes a number, not {filters.kind_of(arg)}")
        return super().call_unop(context, operator, arg)


@lru_cache(maxsize=4)
def _sandbox(numbers: NumberFormat, most: int) -> _Sandbox:
    return _Sandbox(numbers, most)


class _Account:
    """What one evaluation has made so far, in characters."""

    def __init__(self, most: int) -> None:
        self._most = max(most, filters.MAX_ITEMS) * _TIMES
        self._left = 0

    def renew(self) -> None:
        self._left = self._most

    def add(self, size: int) -> None:
        """Raises: `ValueError` when it becomes too much."""
        self._left -= size
        if self._left < 0:
            raise ValueError("it makes too much text, or lists that are too long, on its way")

    def counting(self, name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
        """Add what a filter gives."""

        @wraps(filter_)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if name == "fromjson" and isinstance(args[0], str):
                self.add(len(args[0]) * 8)  # `[],` takes that many bytes for each character
            value = filter_(*args, **kwargs)
            if isinstance(value, str):
                self.add(len(value))
            elif isinstance(value, list):
                self.add(len(value) * _ITEM)
            return value

        return counted


def _plain(value: Any, depth: int, account: _Account) -> object:
    """What an expression gave as plain data. Raises: `TypeError` for anything else; `UndefinedError`."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if depth > MAX_DEPTH:
        raise ValueError("the result is nested too deeply")
    if isinstance(value, Mapping):
        account.add(len(value) * _ITEM)
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"keys are text, not {filters.kind_of(key)}")
        return {key: _plain(item, depth + 1, account) for key, item in value.items()}
    if isinstance(value, list | tuple):
        account.add(len(value) * _ITEM)
        return [_plain(item, depth + 1, account) for item in value]
    if isinstance(value, _Undefined):
        value._fail_with_undefined_error()
    if isinstance(value, Undefined):
        raise ValueError("the condition is false, and there is no 'else'")
    raise TypeError("the result is not data")


def _message_of(error: Exception) -> str:
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, OverflowError):
        return "a number is too large"
    message = str(error) or type(error).__name__
    return next((ours for theirs, ours in _MESSAGES.items() if theirs in message), message)
