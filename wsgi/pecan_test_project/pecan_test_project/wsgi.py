"""The application of the config.py that the environment variable PECAN_CONFIG names.

Importing this module raises RuntimeError if the variable is absent or names no file.
"""

from wsgiref.types import WSGIApplication

from pecan import load_app
from pecan.configuration import get_conf_path_from_env

application: WSGIApplication = load_app(get_conf_path_from_env())
