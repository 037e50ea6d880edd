"""The media type of an answer: one decision for answers and errors."""

from webob import acceptparse

OFFERS = ("application/json", "application/xml", "text/xml")


def acceptable(header: str | None) -> list[str]:
    """Return the offers that a header Accept allows, the preferred offer first.

    Of offers with the same quality, the header prefers those that it names itself to those that a wildcard covers.
    Without a header, and with one that cannot be read, every offer is acceptable.
    """
    accept = acceptparse.create_accept_header(header)
    if not isinstance(accept, acceptparse.AcceptValidHeader) or not accept.parsed:
        return list(OFFERS)
    ranked = []
    for place, offer in enumerate(OFFERS):
        precision = {offer: 2, f"{offer.partition('/')[0]}/*": 1, "*/*": 0}
        # The most precise range decides: application/json;q=0, */* does not accept JSON.
        matches = [
            (precision[name], quality)
            for media_range, quality, *_parameters in accept.parsed
            if (name := media_range.partition(";")[0].strip().lower()) in precision
        ]
        best, quality = max(matches, default=(0, 0.0))
        if quality > 0:
            ranked.append((-quality, -best, place, offer))
    return [offer for *_order, offer in sorted(ranked)]
