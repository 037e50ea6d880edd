"""/v2/resources"""

from typing import Any

import pecan
from pecan import rest

from telemetry.api import identity, names, paging, scoping
from telemetry.api.errors import NotFoundError
from telemetry.api.expose import expose
from telemetry.api.types.query import Query
from telemetry.api.types.resources import Resource
from telemetry.query import simple
from telemetry.storage.filters import PageRequest, SampleFilter


class ResourcesController(rest.RestController):  # type: ignore[misc]
    """/v2/resources"""

    @expose(Resource, str)
    def get_one(self, resource_id: str) -> Any:
        """Return a resource."""
        identity.enforce("get_resource")
        name = names.from_path(resource_id)
        criteria = SampleFilter(resource=name, project=identity.scope().project_id)
        resources = pecan.request.stores.metering.resources(criteria, PageRequest(), True).items
        if not resources:
            raise NotFoundError("Resource", name)
        return Resource.from_record(resources[0], pecan.request.application_url)

    @expose([Resource], [Query], int, int, str)
    def get_all(
        self, q: list[Query] | None = None, limit: int | None = None, meter_links: int = 1, marker: str | None = None
    ) -> Any:
        """Return resources by their id; `meter_links=0` leaves out the links to their meters."""
        identity.enforce("get_resources")
        page = paging.page_of(limit, marker)
        parsed = simple.parse(scoping.limited(q, identity.scope()), simple.RESOURCES)
        resources = pecan.request.stores.metering.resources(parsed.sample_filter(), page, meter_links != 0)
        root = pecan.request.application_url
        return [Resource.from_record(resource, root) for resource in paging.items_of(resources)]
