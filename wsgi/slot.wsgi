"""Load the release that the slot of this daemon process points to, and keep to it for as long as the process lives.

The slot's symlink is resolved once, here. So everything that this process imports comes from one release, even when the
symlink changes in the meantime. Python has started without the release's virtualenv, so that nothing of the application
ran before this process had only descriptors of its own (grove_daemon).

A process whose slot gets requests loads the release at once. A process of an idle slot loads it with its first request,
which saves memory, unless the file ``preload`` names the slot.
"""

import importlib.machinery
import importlib.util
import os
import site
import sys
import threading

import mod_wsgi

folder = os.path.dirname(os.path.abspath(__file__))
colour = mod_wsgi.process_group.rpartition("-")[2]
release = os.path.realpath(os.path.join(folder, "slots", colour))

started_with, virtualenv = os.path.realpath(sys.prefix), os.path.realpath(os.path.join(release, "venv"))
sys.prefix = sys.exec_prefix = virtualenv
# home= puts the release's own folder into the path, but nothing in it is to be imported.
sys.path[:] = [path for path in map(os.path.realpath, sys.path) if path != release]
if started_with != virtualenv:
    # In a configuration that was written before December 2026, python-home= names the release's virtualenv.
    sys.executable = os.path.join(virtualenv, "bin", "python")
    site.PREFIXES[:] = [virtualenv]
    sys.path[:] = [path for path in sys.path if not path.startswith(started_with + os.sep)]
    site.addsitedir(os.path.join(virtualenv, "lib", "python{}.{}".format(*sys.version_info), "site-packages"))
    site.execsitecustomize()
    sys.path[:] = map(os.path.realpath, sys.path)
sys.path_importer_cache.clear()


def load():
    path = os.path.join(release, "app.wsgi")
    if not os.path.exists(path):
        # Releases that were built before November 2026 have entry.py. Delete this when no host keeps one any more.
        path = os.path.join(release, "entry.py")
    loader = importlib.machinery.SourceFileLoader("grove_app", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module.application


def words_of(name):
    """Return the words of a file in the application's folder, as of the slot map; none if it cannot be read."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as stream:
            return stream.read().replace("|", " ").split()
    except OSError:
        return []


class Deferred:
    """An application that loads the release's application when it gets its first request."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        global application
        with self.lock:
            if application is self:
                application = load()
        return application(environ, start_response)


slot_map = words_of("slot.map")
if slot_map and mod_wsgi.process_group not in slot_map and colour not in words_of("preload"):
    application = Deferred()
else:
    application = load()
