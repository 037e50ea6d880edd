"""The catalog's books."""

from ..model.catalog import bestsellers


def test_bestsellers_are_the_first_places_in_order() -> None:
    assert [book.place for book in bestsellers(10)] == [1, 2, 4, 7, 10]
    assert [book.place for book in bestsellers(9)] == [1, 2, 4, 7]
    assert bestsellers(0) == []
