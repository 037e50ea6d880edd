"""`expose` turns a method of a controller into an API call: WSME reads the arguments and writes JSON or XML.

It differs from WSME's own decorator in its errors. A mistake of the caller is always a 400. A store that does not
answer is a 503 with Retry-After. The caller sees nothing internal.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pecan
import pecan.util
import webob.exc
import wsme
import wsme.api
import wsme.rest.args
import wsme.rest.xml
import wsme.types
import wsmeext.pecan

from telemetry.api import errors, filter_parameters, rendering
from telemetry.i18n import _
from telemetry.storage import limits

F = TypeVar("F", bound=Callable[..., Any])
# By default, WSME writes application/xml but does not read it.
if "application/xml" not in wsme.rest.xml.accept_content_types:
    wsme.rest.xml.accept_content_types.append("application/xml")


def expose(return_type: Any, *argument_types: Any, **options: Any) -> Callable[[F], F]:
    """Expose a method with the type of its result, the types of its arguments, and WSME's options body and status_code.

    The option `raw_body` is the media type of a body that the method reads itself.
    """

    def decorate(function: F) -> F:
        wsme.signature(return_type, *argument_types, **options)(function)
        definition = wsme.api.FunctionDefinition.get(function)
        definition.resolve_types(wsme.types.registry)

        @functools.wraps(function)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                args, kwargs = _arguments(definition, args, kwargs)
                result = function(self, *args, **kwargs)
                pecan.response.status = definition.status_code
                if definition.return_type is None:
                    pecan.request.pecan["content_type"] = None
                    pecan.response.content_type = None
                    return ""
                return {"datatype": definition.return_type, "result": result}
            except webob.exc.HTTPException:
                raise
            except Exception as error:
                pecan.response.status = errors.status_of(error)
                if pecan.response.status_int == 503:
                    pecan.response.headers["Retry-After"] = str(pecan.request.cfg.api.retry_after)
                return errors.fault(error, pecan.request.language)

        wsmeext.pecan.pecan_xml_decorate(call)
        wsmeext.pecan.pecan_text_xml_decorate(call)
        rendering.json_answer(call)
        pecan.util._cfg(call)["argspec"] = inspect.getfullargspec(function)
        call._wsme_definition = definition  # type: ignore[attr-defined]
        return cast(F, call)

    return decorate


def _arguments(definition: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    request = pecan.request
    if definition.extra_options.get("raw_body"):
        if request.GET:
            raise errors.UnknownArgument(", ".join(request.GET))
        return args, kwargs
    parameters = filter_parameters.completed(definition, request.params)
    try:
        arguments: tuple[Any, Any] = wsme.rest.args.get_args(
            definition, args, kwargs, parameters, None, request.body, request.content_type
        )
    except errors.ClientSideError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, SyntaxError) as error:
        raise errors.ClientSideError(_("Request cannot be read: %s") % error) from error
    for argument in definition.arguments:
        if argument.mandatory and argument.name in arguments[1] and arguments[1][argument.name] is None:
            raise errors.MissingArgument(argument.name)
    _check_values(arguments)
    return arguments


def _check_values(value: Any, name: str = "") -> None:
    """Raise a 400 for text and numbers that cannot be stored, and for null as an item of a list.

    `name` is the member that holds the value.
    """
    if isinstance(value, str):
        if not limits.is_storable(value):
            raise errors.ClientSideError(_("Text with NUL or with half a surrogate pair cannot be stored"))
    elif isinstance(value, list | tuple | set):
        for item in value:
            if item is None and isinstance(value, list):
                raise errors.ClientSideError(_("An item of a list is null"))
            _check_values(item, name)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise errors.InvalidInput(name, value, _(limits.NOT_FINITE))
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_values(key)
            _check_values(item, key)
    elif wsme.types.iscomplex(type(value)):
        for attribute in wsme.types.list_attributes(type(value)):
            _check_values(getattr(value, attribute.key), attribute.name)
