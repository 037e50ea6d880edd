"""A sample Pecan project.

`PUBLIC_FOLDER` and `TEMPLATE_FOLDER` are absolute paths, so a config.py in any folder can use them.
"""

from pathlib import Path

PUBLIC_FOLDER = str(Path(__file__).with_name("public"))
TEMPLATE_FOLDER = str(Path(__file__).with_name("templates"))
