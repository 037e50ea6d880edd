"""The part of the application that is imported while a request is answered."""

RELEASE = "0"
