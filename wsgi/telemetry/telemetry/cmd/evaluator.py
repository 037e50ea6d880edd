"""telemetry-evaluator: compare statistics and states with the rules of alarms, and change their states."""

import logging
import sys

from oslo_config import cfg

from telemetry.alarms.announcer import Announcer
from telemetry.alarms.evaluation import Evaluation
from telemetry.alarms.evaluator import Evaluator
from telemetry.cmd import options
from telemetry.storage.stores import Stores

LOG = logging.getLogger(__name__)


def evaluate(conf: cfg.ConfigOpts) -> None:
    """Evaluate until SIGTERM or SIGINT. Raises TelemetryError with another release's schema."""
    stores = Stores(conf)
    stores.check()
    stores.evaluation.check_evaluation()
    stop = options.stop_signals()
    announcer = Announcer(conf)
    evaluation = Evaluation(conf, stores, Evaluator(conf, stores, announcer.announce))
    LOG.info("Evaluating alarms every %d s as %s", conf.alarm.evaluation_interval, evaluation.partition.owner)
    with announcer.running():
        evaluation.run(stop)
    stores.close()


def main() -> int:
    """Entry point."""
    return options.run(evaluate)


if __name__ == "__main__":
    sys.exit(main())
