"""A sample Pecan project.

`PUBLIC_FOLDER` and `TEMPLATE_FOLDER` are absolute paths, so that a config.py can name them wherever it is kept itself.
"""

from pathlib import Path

PUBLIC_FOLDER = str(Path(__file__).with_name("public"))
TEMPLATE_FOLDER = str(Path(__file__).with_name("templates"))
