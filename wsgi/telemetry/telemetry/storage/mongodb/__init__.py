"""The driver for MongoDB."""
