"""The logging sections of a PasteDeploy file, which loadapp itself does not read."""

from __future__ import annotations

import configparser
import logging.config
import os


def configure(path: str) -> None:
    """Set up logging from the ``[loggers]`` section of the file at ``path``, if it has one."""
    parser = configparser.RawConfigParser()
    parser.read(path)
    if parser.has_section("loggers"):
        folder = os.path.dirname(path)
        defaults = {"here": folder, "__file__": path}
        logging.config.fileConfig(path, defaults=defaults, disable_existing_loggers=False)
