"""telemetry-upgrade: create the schema, or upgrade it to this release."""

import sys

from oslo_config import cfg

from telemetry.cmd import options
from telemetry.storage.stores import Stores

OPTIONS = [
    cfg.StrOpt("revision", default="head", help="The schema version to change to, also an older one."),
]


def upgrade(conf: cfg.ConfigOpts) -> None:
    """Upgrade every configured database, and print its new schema version."""
    stores = Stores(conf)
    for driver in stores.all:
        version = driver.upgrade(conf.revision)
        print(f"{type(driver).__name__}: schema {version or 'not needed'}")


def main() -> int:
    """Entry point."""
    return options.run(upgrade, options=OPTIONS)


if __name__ == "__main__":
    sys.exit(main())
