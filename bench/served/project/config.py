"""The configuration of the application, as Pecan reads it."""

# `pecan serve` listens here; another server has an option for it.
server = {"host": "127.0.0.1", "port": "9100"}

app = {"root": "served.controllers.RootController", "modules": ["served"]}
