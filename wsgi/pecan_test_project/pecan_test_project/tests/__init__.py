"""Tests of the sample project: run `pytest` in the project's folder."""
