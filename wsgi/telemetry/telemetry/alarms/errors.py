"""Why a notification was not delivered."""


class NotDeliveredError(Exception):
    """The receiver did not accept the notification. A later attempt may succeed. `str()` shows no secret."""


class RefusedError(NotDeliveredError):
    """The notification cannot be delivered, now or later."""
