"""Spares Pecan's routing results that it throws away.

For each object on the way to a controller, Pecan 1.8.0 lists all attributes, and looks at the list only when it meets
the object's class for the first time. A `RestController` computes the quoted path of the request several times, only
to learn whether there is a request. Without hooks, it still goes through the list of them three times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .pecan_piece import Piece, Replacement


def _build() -> Iterator[Replacement]:
    import pecan
    import pecan.core
    import pecan.rest
    import pecan.routing

    core = pecan.core
    application = core.Pecan
    handle = application.handle_hooks
    controllers = pecan.rest.RestController
    detect = pecan.routing._detect_custom_path_segments
    arguments_of = controllers._get_args_for_controller
    observed = pecan.routing.__observed_controllers__
    proxy = core.request
    plain_dir: Any = object.__dir__

    def _detect_custom_path_segments(obj: Any) -> None:
        if obj.__class__ not in observed or type(obj).__dir__ is not plain_dir:
            detect(obj)

    def _get_args_for_controller(self: Any, controller: Any) -> Any:
        try:
            request = core.state.request
            environ = request.environ
            decodes = (
                type(request) is core.Request
                and pecan.request is proxy
                and "webob.url_encoding" not in environ
                and environ["PATH_INFO"].isascii()
                and environ.get("SCRIPT_NAME", "").isascii()
            )
        except (AttributeError, KeyError):
            decodes = False
        if not decodes:
            return arguments_of(self, controller)
        return pecan.rest.getargspec(controller).args[1:]

    def handle_hooks(self: Any, hooks: Any, *args: Any, **kwargs: Any) -> Any:
        if hooks or type(hooks) is not list or type(self) is not application or kwargs or not args:
            return handle(self, hooks, *args, **kwargs)
        core.state.hooks = hooks
        return None

    yield Replacement(application, "handle_hooks", handle_hooks)
    yield Replacement(pecan.routing, "_detect_custom_path_segments", _detect_custom_path_segments)
    yield Replacement(controllers, "_get_args_for_controller", _get_args_for_controller)


piece = Piece(
    "Pecan's routing",
    {
        "pecan.routing:_detect_custom_path_segments": "a51dd6fbcbc5471d",
        "pecan.rest:RestController._get_args_for_controller": "591ca73813088687",
        "webob.request:BaseRequest.path.fget": "97554fd55f80aee7",
        "webob.request:BaseRequest.encget": "475eca810591389e",
        "pecan.core:Pecan.handle_hooks": "8a63e3995af2286b",
        "pecan.core:PecanBase.handle_hooks": "7104eeb4a49df665",
        "pecan.core:proxy": "a829eaefe70e20c2",
    },
    _build,
)
install, uninstall = piece.install, piece.uninstall
