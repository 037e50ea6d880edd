"""The project's configuration, as Pecan reads it."""

import pecan_test_project

server = {
    "host": "127.0.0.1",
    "port": "8080",
}

app = {
    "root": "pecan_test_project.controllers.root.RootController",
    "modules": ["pecan_test_project"],
    "static_root": pecan_test_project.PUBLIC_FOLDER,
    "template_path": pecan_test_project.TEMPLATE_FOLDER,
    "debug": False,
    "errors": {
        404: "/error/404",
        500: "/error/500",
        "__force_dict__": True,
    },
}

# Under mod_wsgi, standard error is Apache's error log. Apache adds the time to every line.
logging = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(levelname)s [%(name)s] %(message)s"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "line"},
    },
    "loggers": {
        "pecan_test_project": {"level": "INFO"},
    },
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "__force_dict__": True,
}
