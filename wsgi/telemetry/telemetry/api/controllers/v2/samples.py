"""/v2/samples: samples of all meters, and the bulk format."""

from typing import Any

import pecan
from pecan import rest

from telemetry.api import bulk, identity, names, paging, scoping
from telemetry.api.errors import NotFoundError
from telemetry.api.expose import expose
from telemetry.api.types.query import Query
from telemetry.api.types.samples import BulkResult, Sample
from telemetry.query import simple
from telemetry.storage.filters import PageRequest, SampleFilter


class SamplesController(rest.RestController):  # type: ignore[misc]
    """/v2/samples"""

    @expose([Sample], [Query], int, str)
    def get_all(self, q: list[Query] | None = None, limit: int | None = None, marker: str | None = None) -> Any:
        """Return samples, newest first."""
        identity.enforce("get_samples")
        page = paging.page_of(limit, marker)
        parsed = simple.parse(scoping.limited(q, identity.scope()), simple.SAMPLES)
        samples = pecan.request.stores.metering.samples(parsed.sample_filter(), page)
        return [Sample.from_record(sample) for sample in paging.items_of(samples)]

    @expose(Sample, str)
    def get_one(self, sample_id: str) -> Any:
        """Return a sample."""
        identity.enforce("get_sample")
        sample_id = names.from_path(sample_id)
        criteria = SampleFilter(message_id=sample_id, project=identity.scope().project_id)
        samples = pecan.request.stores.metering.samples(criteria, PageRequest()).items
        if not samples:
            raise NotFoundError("Sample", sample_id)
        return Sample.from_record(samples[0])

    @expose(BulkResult, status_code=201, raw_body="application/x-ndjson")
    def post(self) -> Any:
        """Store samples in the bulk format: one JSON object a line, with message_id; optionally gzip."""
        identity.enforce("create_samples")
        stored = bulk.store(pecan.request)
        return BulkResult(stored=stored.stored, duplicates=stored.duplicates)
