"""A WSGI application that says in each answer which release it is."""

RELEASE = "0"
