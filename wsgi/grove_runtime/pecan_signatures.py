"""Makes Pecan compute the signature of each controller once instead of several times a request.

`pecan.compat.getargspec` (Pecan 1.8.0) builds a new namedtuple class on every call. In a small request, this costs
more than everything else that Pecan does. `install` puts a function in its place that returns equal results.
"""

import inspect
import logging
import sys
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

from .pecan_piece import UnknownError, source_hash

_log = logging.getLogger(__name__)


class ArgSpec(NamedTuple):
    """The result of Pecan's `getargspec`: an `inspect.FullArgSpec` without keyword-only arguments and annotations."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


class _Computed(NamedTuple):
    """A signature and the two attributes of its function that it was computed from."""

    code: CodeType
    function_defaults: tuple[Any, ...] | None
    spec: ArgSpec
    is_complete: bool
    """Whether Pecan takes this signature as it is, and does not look for one that a decorator hides."""


_ATTRIBUTE = "_pecan_signature"
"""The attribute that holds a function's `_Computed`. `functools.wraps` may copy it: `signature` compares the code."""

_OVERRIDES = {"__signature__", "__partialmethod__", "_partialmethod"}
"""Attributes that make `inspect` read something else than the function's code."""

_new = tuple.__new__

_DRILL = "323937a816e160c0"
"""The `source_hash` of the version of `pecan.util.getargspec` that `getargspec` replaces."""

_replaced: Callable[[Any], Any] | None = None
_drill: Callable[[Any], Any] | None = None


def signature(function: Any) -> ArgSpec:
    """Return the signature of any callable. Its list of argument names is a copy, which the caller may change.

    The signature of a Python function, or of a bound method's function, is computed again only after its code or its
    defaults were replaced. Raises TypeError for callables that `inspect.getfullargspec` does not support.
    """
    plain = function.__func__ if type(function) is MethodType else function
    if type(plain) is not FunctionType or not _OVERRIDES.isdisjoint(plain.__dict__):
        return _compute(function)
    known: _Computed | None = plain.__dict__.get(_ATTRIBUTE)
    if known is None or known.code is not plain.__code__ or known.function_defaults is not plain.__defaults__:
        spec = _compute(function)
        known = _Computed(plain.__code__, plain.__defaults__, spec, spec.args[:1] == ["self"])
        setattr(plain, _ATTRIBUTE, known)
    args, varargs, keywords, defaults = known.spec
    return _new(ArgSpec, (args.copy(), varargs, keywords, defaults))


def getargspec(method: Any) -> Any:
    """Return what `pecan.util.getargspec` returns, the signature of a function that decorators may hide.

    One call does what takes Pecan two for a method that no decorator hides.
    """
    plain = method.__func__ if type(method) is MethodType else method
    if type(plain) is FunctionType:
        known: _Computed | None = plain.__dict__.get(_ATTRIBUTE)
        if (
            known is not None
            and known.code is plain.__code__
            and known.function_defaults is plain.__defaults__
            and known.is_complete
            and _OVERRIDES.isdisjoint(plain.__dict__)
        ):
            args, varargs, keywords, defaults = known.spec
            return _new(ArgSpec, (args.copy(), varargs, keywords, defaults))
    assert _drill is not None
    return _drill(method)


def install() -> bool:
    """Put `signature` in place of Pecan's own function, wherever Pecan imported that; return whether it is in place.

    Logs one warning and changes nothing if Pecan is not installed or does not work as expected.
    """
    global _drill, _replaced
    if _replaced is not None:
        return True
    try:
        import pecan.rest
        import pecan.util
    except ImportError as error:
        _log.warning("Pecan's signatures are left as they are: %s", error)
        return False
    upstream = getattr(pecan.util, "_getargspec", None)
    if not _builds_a_class_per_call(upstream):
        _log.warning("Pecan's signatures are left as they are: this Pecan does not build a class for each of them")
        return False
    _replace(upstream, signature)
    if not _is_used_by(getattr(pecan.util, "getargspec", None)):
        _replace(signature, upstream)
        _log.warning("Pecan's signatures are left as they are: this Pecan computes them elsewhere")
        return False
    _replaced = upstream
    if _is_known(pecan.util.getargspec):
        _drill = pecan.util.getargspec
        _replace(_drill, getargspec)
    return True


def uninstall() -> None:
    """Undo `install`."""
    global _replaced
    if _drill is not None:
        _replace(getargspec, _drill)
    if _replaced is not None:
        _replace(signature, _replaced)
        _replaced = None


def _compute(function: Any) -> ArgSpec:
    return ArgSpec(*inspect.getfullargspec(function)[:4])


def _probe(self: object, one: object, two: object = 2, *rest: object, **others: object) -> None:
    """A function whose signature `install` asks Pecan for."""


def _builds_a_class_per_call(getargspec: Any) -> bool:
    try:
        first, second = getargspec(_probe), getargspec(_probe)
    except Exception:
        return False
    return type(first) is not type(second) and first._fields == ArgSpec._fields and first == _compute(_probe)


def _is_used_by(getargspec: Any) -> bool:
    try:
        return type(getargspec(_probe)) is ArgSpec
    except Exception:
        return False


def _is_known(drill: Any) -> bool:
    try:
        return source_hash(drill) == _DRILL
    except UnknownError:
        return False


def _replace(old: Any, new: Any) -> None:
    """Rebind every name in Pecan's modules that is bound to `old`."""
    for module_name, module in list(sys.modules.items()):
        if module_name == "pecan" or module_name.startswith("pecan."):
            for name in [name for name, value in vars(module).items() if value is old]:
                setattr(module, name, new)
