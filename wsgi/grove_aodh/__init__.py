"""Aodh's API with the configuration file that AODH_CONFIG_FILE names. aodh.wsgi.api reads default paths only."""

import os

from aodh.api import app

application = app.build_wsgi_app(argv=["--config-file", os.environ["AODH_CONFIG_FILE"]])
