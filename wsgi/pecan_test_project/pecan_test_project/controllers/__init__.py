"""The controllers: one module for each path below the root."""
