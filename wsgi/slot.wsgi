"""Load the release that this daemon process's slot points to, and keep to it for as long as the process lives.

The slot's symlink is resolved once, here: what this process imports later comes from the same release, even when the
symlink has moved on in the meantime.

A process whose slot gets requests loads the release at once. In an idle slot the first request does, so that waiting
costs little, unless the file ``preload`` names the slot.
"""

import importlib.machinery
import importlib.util
import os
import sys
import threading

import mod_wsgi

folder = os.path.dirname(os.path.abspath(__file__))
colour = mod_wsgi.process_group.rpartition("-")[2]
release = os.path.realpath(os.path.join(folder, "slots", colour))

sys.prefix = sys.exec_prefix = os.path.realpath(os.path.join(release, "venv"))
# home= puts the release's own folder into the path; nothing is meant to be imported from there.
sys.path[:] = [path for path in map(os.path.realpath, sys.path) if path != release]
sys.path_importer_cache.clear()


def load():
    loader = importlib.machinery.SourceFileLoader("grove_app", os.path.join(release, "app.wsgi"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module.application


def words(name):
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as stream:
            return stream.read().replace("|", " ").split()
    except OSError:
        return []


class Deferred:
    """Becomes the release's application with the first request."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        global application
        with self.lock:
            if application is self:
                application = load()
        return application(environ, start_response)


served = words("slot.map")
if served and mod_wsgi.process_group not in served and colour not in words("preload"):
    application = Deferred()
else:
    application = load()
