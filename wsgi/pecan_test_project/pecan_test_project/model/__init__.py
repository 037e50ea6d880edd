"""The data of the project."""
