"""Sets up logging from a PasteDeploy file, whose logging sections ``loadapp`` does not read."""

from __future__ import annotations

import configparser
import logging.config
import os


def configure(path: str) -> None:
    """Set up logging from the file at ``path`` if it has a section ``[loggers]``.

    Raises what ``logging.config.fileConfig`` raises for sections that it cannot use.
    """
    parser = configparser.RawConfigParser()
    parser.read(path)
    if parser.has_section("loggers"):
        folder = os.path.dirname(path)
        defaults = {"here": folder, "__file__": path}
        logging.config.fileConfig(path, defaults=defaults, disable_existing_loggers=False)
