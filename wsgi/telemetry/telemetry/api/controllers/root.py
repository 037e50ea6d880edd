"""GET /: which versions there are; /v2 below it."""

from typing import Any

import pecan

from telemetry.api.controllers.v2.root import V2Controller

MEDIA_TYPE = "application/vnd.openstack.telemetry-v2"


class RootController:
    """The root of the URL space."""

    def __init__(self) -> None:
        self.v2 = V2Controller()

    @pecan.expose("json")  # type: ignore[untyped-decorator]
    def index(self) -> dict[str, Any]:
        """Return the version document."""
        return {
            "versions": {
                "values": [
                    {
                        "id": "v2",
                        "status": "stable",
                        "updated": "2013-02-13T00:00:00Z",
                        "media-types": [
                            {"base": f"application/{form}", "type": f"{MEDIA_TYPE}+{form}"} for form in ("json", "xml")
                        ],
                        "links": [
                            {"href": f"{pecan.request.application_url}/v2", "rel": "self"},
                            {"href": "http://docs.openstack.org/", "type": "text/html", "rel": "describedby"},
                        ],
                    }
                ]
            }
        }
