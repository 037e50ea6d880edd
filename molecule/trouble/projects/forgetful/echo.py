"""A project that does not say what it needs."""

import yaml

application = yaml.safe_load
