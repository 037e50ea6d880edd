"""The books of the catalog."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Book:
    """A book and its place in the sales list, from 1."""

    title: str
    place: int


BOOKS = (
    Book("Don Quixote", 2),
    Book("Emma", 14),
    Book("Frankenstein", 4),
    Book("Middlemarch", 10),
    Book("Moby-Dick", 31),
    Book("The Odyssey", 1),
    Book("Walden", 7),
)


def bestsellers(places: int) -> list[Book]:
    """Return the books among the first `places` of the sales list, best first."""
    return sorted((book for book in BOOKS if book.place <= places), key=lambda book: book.place)
