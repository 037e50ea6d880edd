"""Load the release that the slot of this daemon process points to, and keep to it for as long as the process lives.

The slot's symlink is resolved once, here. So everything that this process imports comes from one release, even when the
symlink changes in the meantime. Python has started without the release's virtualenv, so that nothing of the application
ran before this process had only descriptors of its own (grove_daemon).

A process whose slot gets requests loads the release at once. A process of an idle slot loads it with its first request,
which saves memory, unless the file ``preload`` names the slot.

Whatever release is loaded, its application never sees headers in which a client claims who it is, where it comes from or
goes to, or how it asks, unless Apache says that the request may have them. A request that has waited too long for a thread of
this process group is answered with 504 and does not reach the application.
"""

import importlib.machinery
import importlib.util
import os
import re
import resource
import site
import sys
import threading

import mod_wsgi

folder = os.path.dirname(os.path.abspath(__file__))
colour = mod_wsgi.process_group.rpartition("-")[2]
release = os.path.realpath(os.path.join(folder, "slots", colour))

started_with, virtualenv = os.path.realpath(sys.prefix), os.path.join(release, "venv")
# The name by which every other program of the release knows it; it may be a link to a virtualenv that releases share.
sys.prefix = sys.exec_prefix = virtualenv
# home= puts the release's own folder into the path, but nothing in it is to be imported.
sys.path[:] = [path for path in map(os.path.realpath, sys.path) if path != release]
if started_with != os.path.realpath(virtualenv):
    # In a configuration that was written before December 2026, python-home= names the release's virtualenv.
    sys.executable = os.path.join(virtualenv, "bin", "python")
    site.PREFIXES[:] = [virtualenv]
    sys.path[:] = [path for path in sys.path if not path.startswith(started_with + os.sep)]
    site.addsitedir(os.path.join(virtualenv, "lib", "python{}.{}".format(*sys.version_info), "site-packages"))
    site.execsitecustomize()
sys.path_importer_cache.clear()

# An application that starts itself again and again stops before it takes all tasks of Apache's unit. The limit counts what
# the account has on the whole machine, containers included. So the unit has none: its own account may be that of other
# servers, too. The account of an application has two groups of processes, and agents, timers and hooks.
LEAST_TASKS = 4096
tasks = max(LEAST_TASKS, 4 * getattr(mod_wsgi, "maximum_processes", 1) * getattr(mod_wsgi, "threads_per_process", 1))
_, most = resource.getrlimit(resource.RLIMIT_NPROC)
tasks = tasks if most == resource.RLIM_INFINITY else min(tasks, most)
resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))

# Headers in which a proxy, or a filter before the application, tells what it knows of the client. The names are those of
# the environment, without HTTP_. The pattern is broad on purpose: a new name of such a header is more likely than another
# use of an old one, and the key ``client_headers`` of a record lets a name through.
CLAIM = re.compile(
    r"""
    # Where the client is, and which scheme, host, port and path it has asked for.
      (X_)?FORWARD.* | (X_)?ORIGINA(L|TING).* | (X_)?REWRIT.* | (X_)?REAL_.* | (X_)?TRUE_.* | X_CLUSTER_.*
    | (X_)?CLIENT_?(IP|ADDR|HOST|PORT|SRC|PROTO|SCHEME|GEO|DEVICE_IP).* | (X_)?(REMOTE|PEER|SOURCE)_?(IP|ADDR|PORT|HOST).*
    | (X_|WL_)*PROX(Y|IED)(?!_(CONNECTION|AUTHORIZATION)$).* | (X_)?FRONT_?END_.* | (X_)?(BACKEND|UPSTREAM|INGRESS)_.*
    | (X_)?(CF|CDN|CLOUDFRONT|FASTLY|AKAMAI|AZURE|FD|ARR|ENVOY|APPENGINE|NGINX|ACCEL|SENDFILE|COMING|HTTP|SERVER)_.*
    | (X_)?(URL|URI|REQUEST|EXTERNAL|BASE|ROOT|CONTEXT|SCRIPT|APPLICATION|APP|VHOST)_
      (SCHEME|PROTO|PROTOCOL|HOST|HOSTNAME|PORT|PREFIX|PATH|NAME|ROOT|URI|URL|SSL|HTTPS|METHOD)
    | X_(SCHEME|PROTO|PROTOCOL|HOST|HOSTNAME|PORT|PREFIX|PATH|URL|URI|PATH_INFO|PATH_PREFIX|FROM_IP|IP) | SCRIPT_NAME
    | (X_)?HOST_OVERRIDE | PATH_INFO | QUERY_STRING
    # How the client asks: the method, and what TLS has shown.
    | (X_)?(HTTP_)?METHOD(_.*)? | (X_)?(HTTPS|M?TLS|SSL)(_.*)? | (X_)?CLIENT_?(SSL|TLS|CERT|VERIFY|DN|S_DN|I_DN|CN).*
    | (X_)?(CLIENT_?)?(CERT|CERTIFICATE)(_.*)?
    # Who the client is: keystonemiddleware's headers, and those of filters and proxies that authenticate.
    | X_(SERVICE_)?(USERS?(?!_AGENT$)|PROJECT|TENANT|DOMAIN|ROLES?|IDENTITY|CATALOG|GROUPS?)(_.*)? | OPENSTACK_SYSTEM_SCOPE
    | X_(USER_?(NAME|ID|INFO)|IS_.*|ADMIN(_.*)?|SCOPES?|E?MAIL|LOGIN|PRINCIPAL.*|CONSUMER_.*|ANONYMOUS_.*|CREDENTIAL_.*)
    | X_AUTH_(?!(TOKEN|KEY|NEW_TOKEN|RECEIPT)(_.*)?$).* | X_SUBJECT(?!_TOKEN$)(_.*)? | X_CLIENT_(USER|PRINCIPAL|SUBJECT).*
    | (X_)?AUTHENTI(CATED|K)_.* | (X_)?REMOTE_.* | REMOTEUSER | X_REMOTEUSER | (X_)?WEB_?AUTH_?.* | (X_)?IMPERSONAT.*
    | X_(ON_BEHALF_OF|ACT_AS|RUN_AS|SUDO|LOGGED_IN)(_.*)? | (X_)?(OIDC|MELLON|SHIB|SAML|AJP|CAS|SM|SITEMINDER|IV)_?.*
    | X_MS_(CLIENT_PRINCIPAL|TOKEN).* | X_GOOG_(AUTHENTICATED|IAP).* | X_AMZN_(OIDC|MTLS).* | TAILSCALE_.* | X_(VOUCH|POMERIUM).*
    """,
    re.VERBOSE,
)
# The number of names that a process remembers. An application's clients use a few dozen; the limit is for those who send a
# new name with each request.
KNOWN_NAMES = 512


# A time since 1970 above this number is in microseconds: mod_wsgi 4.9 has these, mod_wsgi 6 seconds.
MICROSECONDS = 1e14
TOO_LATE = b"""<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
<html><head>
<title>504 Gateway Timeout</title>
</head><body>
<h1>Gateway Timeout</h1>
<p>The gateway did not receive a timely response
from the upstream server or application.</p>
</body></html>
"""


def names_in(text):
    """Return the names of headers, separated by commas, as keys of the environment."""
    return {"HTTP_" + name.upper().replace("-", "_") for name in text.split(",") if name}


def seconds_in_queue(environ):
    """Return the seconds for which a request has waited for a thread of this process group; 0 if mod_wsgi does not tell."""
    begin, end = float(environ.get("mod_wsgi.queue_start") or 0), float(environ.get("mod_wsgi.daemon_start") or 0)
    return (end - begin) / (1e6 if end > MICROSECONDS else 1) if begin else 0


def answer_too_late(environ, start_response):
    """Answer as Apache does when mod_wsgi's own option queue-timeout has expired."""
    environ["wsgi.errors"].write(f"Queue timeout expired for WSGI daemon process '{mod_wsgi.process_group}'.\n")
    headers = [("Content-Type", "text/html; charset=iso-8859-1"), ("Content-Length", str(len(TOO_LATE)))]
    start_response("504 Gateway Timeout", headers)
    return [TOO_LATE]


def without_claims(application):
    """Return ``application`` so that it sees no claim of a client that Apache does not let through.

    The environment of a request has ``GROVE_TRUSTED_PROXY``, the headers that count from a trusted proxy, when one has
    sent it; ``GROVE_PROXY_HEADERS``, what the record adds to them; and ``GROVE_CLIENT_HEADERS``, what the record lets
    every client send. No client can set these. ``GROVE_ROOT`` says that root of this host asks, such as Grove for the
    application's health. The application sees the same as in the request of a client. ``GROVE_QUEUE_TIMEOUT`` is the
    number of seconds after which a request that waits for a thread gets 504 instead.
    """
    # Names that requests of clients, and of trusted proxies, may have or not have.
    of_clients, of_proxies = (set(), set()), (set(), set())

    def allowed(environ):
        names = names_in(environ.get("GROVE_CLIENT_HEADERS", ""))
        if "GROVE_TRUSTED_PROXY" in environ:
            names |= names_in(environ["GROVE_TRUSTED_PROXY"]) | names_in(environ.get("GROVE_PROXY_HEADERS", ""))
        return names

    def drop_claims(environ, harmless, dropped):
        for name in [name for name in environ if name not in harmless]:
            is_dropped = name in dropped
            if not is_dropped:
                # A server that maps other characters than - to _, or none, gives no other name to a claim.
                is_claim = name.startswith("HTTP_") and CLAIM.fullmatch(re.sub("[^A-Z0-9]", "_", name[5:].upper()))
                is_dropped = bool(is_claim) and name not in allowed(environ)
                names = dropped if is_dropped else harmless
                if len(names) >= KNOWN_NAMES:
                    names.clear()
                names.add(name)
            if is_dropped:
                del environ[name]

    def filtered(environ, start_response):
        limit = environ.pop("GROVE_QUEUE_TIMEOUT", None)
        if limit is not None and seconds_in_queue(environ) > int(limit):
            return answer_too_late(environ, start_response)
        harmless, dropped = of_proxies if "GROVE_TRUSTED_PROXY" in environ else of_clients
        # Usually all names are known, and one comparison is all that a request costs.
        if not environ.keys() <= harmless:
            drop_claims(environ, harmless, dropped)
        environ.pop("GROVE_STATUS", None)
        if environ.pop("GROVE_ROOT", None) is not None:
            environ.pop("GROVE_TRUSTED_PROXY", None)
        return application(environ, start_response)

    return filtered


def load():
    path = os.path.join(release, "app.wsgi")
    if not os.path.exists(path):
        # Releases that were built before November 2026 have entry.py. Delete this when no host keeps one any more.
        path = os.path.join(release, "entry.py")
    loader = importlib.machinery.SourceFileLoader("grove_app", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module
    try:
        loader.exec_module(module)
    except Exception:
        # Apache's error log would show what it escapes and cuts; older releases have no log of their own.
        if (own_log := sys.modules.get("grove_runtime.own_log")) is not None:
            own_log.load_failed()
        raise
    return without_claims(module.application)


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
