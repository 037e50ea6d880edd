"""A WSGI application that names its release in each answer."""

RELEASE = "0"
