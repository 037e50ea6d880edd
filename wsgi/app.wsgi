"""Load the release that this daemon process's slot points to, and keep to it for as long as the process lives.

The slot's symlink is resolved once, here: what this process imports later comes from the same release, even when the
symlink has moved on in the meantime.
"""

import importlib.util
import os
import sys

import mod_wsgi

folder = os.path.dirname(os.path.abspath(__file__))
release = os.path.realpath(os.path.join(folder, "slots", mod_wsgi.process_group.rpartition("-")[2]))

sys.prefix = sys.exec_prefix = os.path.realpath(os.path.join(release, "venv"))
# home= puts the release's own folder into the path; nothing is meant to be imported from there.
sys.path[:] = [path for path in map(os.path.realpath, sys.path) if path != release]
sys.path_importer_cache.clear()

spec = importlib.util.spec_from_file_location("grove_entry", os.path.join(release, "entry.py"))
entry = importlib.util.module_from_spec(spec)
sys.modules["grove_entry"] = entry
spec.loader.exec_module(entry)
application = entry.application
