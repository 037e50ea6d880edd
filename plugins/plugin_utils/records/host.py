"""Checking the records against their host, as the module ``host_info`` has read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import syntax
from .places import NAME, every_address
from .problems import ALL, Problems
from .record import Record
from .settings import Settings

# Sites of the distributions' packages; the role httpd disables them.
PACKAGED_SITES = ("000-default", "default-ssl", "ssl")


def host_questions(records: Sequence[object], settings: Settings) -> dict[str, list[Any]]:
    """Return the arguments of the module ``host_info`` for these records, which are not checked yet."""
    dictionaries = [record for record in records if isinstance(record, Mapping)]

    def texts(key: str, usable: Callable[[str], object]) -> list[str]:
        """Return the key's texts that the check lets pass: the module starts Pythons and opens files as root."""
        values = (record.get(key) for record in dictionaries)
        return sorted({str(value) for value in values if isinstance(value, str) and value and usable(value)})

    def is_file(path: str) -> bool:
        return not syntax.quoted_path(path)

    names = texts("name", NAME.fullmatch)
    listens = [record.get("listen") for record in dictionaries]
    addresses = [listen.rpartition(":")[0] for listen in listens if isinstance(listen, str)]
    addresses += [settings.listen_address, settings.door_address]
    pairs = [
        [record["tls_certificate"], record["tls_key"]]
        for record in dictionaries
        if all(isinstance(record.get(key), str) and is_file(record[key]) for key in ("tls_certificate", "tls_key"))
    ]
    return {
        "pythons": sorted(
            path
            for path in {settings.python, settings.mod_wsgi_python, *texts("python", bool)}
            if not syntax.plain_path(path)
        ),
        "mounts": [settings.base, settings.state_base, settings.log_base],
        "accounts": names,
        "addresses": sorted({syntax.plain_listen_host(text) for text in addresses if not syntax.listen_host(text)}),
        "folders": [f"{base}/{name}" for name in names for base in (settings.state_base, settings.log_base)],
        "packages": sorted({name for record in dictionaries for name in _texts(record.get("system_packages"))}),
        "files": sorted({*texts("tls_certificate", is_file), *texts("tls_key", is_file)}),
        "key_pairs": pairs,
    }


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def check_host(records: Sequence[Record], settings: Settings, host: Mapping[str, Any], problems: Problems) -> None:
    """Check Pythons, accounts, certificates, ports and the sites that Grove does not manage."""
    if host["pythons"].get(settings.mod_wsgi_python) is None:
        actual = f"{settings.mod_wsgi_python!r}, which cannot be run"
        problems.add(ALL, "mod_wsgi_python", actual, "it has to be a Python on the host")
    _check_mounts(settings, host.get("mounts", {}), problems)
    for record in records:
        _check_python(record, settings, host, problems)
        _check_account(record, host, problems)
        if record.agents and not host["systemd"]:
            actual = f"{', '.join(sorted(record.agents))} on a host that systemd does not run"
            remedy = "agents are services of systemd; take them out of this host"
            problems.add(record.name, "agents", actual, remedy)
        _check_certificate(record, host, problems)
        if record.waf != "off" and settings.httpd_program != "apache2":
            remedy = "Grove knows the packages of ModSecurity of the Debian family alone; remove the key"
            problems.add(record.name, "waf", record.waf, remedy)
        if not host["addresses"].get(record.address.strip("[]"), True):
            what = "which is no address of the host, and no name of one"
            if record.address == "[::]":
                what = "and the host has no IPv6 addresses"
            actual = f"{record.address}, {what}"
            problems.add(record.name, "listen", actual, "use one of its own, or a port alone for all of them")
    _check_ports(records, settings, host, problems)
    _check_foreign_sites(settings, host["httpd"], problems)


def _check_mounts(settings: Settings, mounts: Mapping[str, Sequence[str]], problems: Problems) -> None:
    """Check the file systems of the applications' folders. Programs run from the releases, and nowhere else."""
    for key, path in (
        ("wsgi_app_base", settings.base),
        ("wsgi_app_state_base", settings.state_base),
        ("wsgi_app_log_base", settings.log_base),
    ):
        if "read-only" in mounts.get(path, ()):
            remedy = "mount it for writing, or choose another folder"
            problems.add(ALL, key, f"{path}, whose file system is mounted read-only", remedy)
        elif "noexec" in mounts.get(path, ()) and key == "wsgi_app_base":
            remedy = "mount it without noexec, or choose another folder: virtualenvs have programs and libraries"
            problems.add(ALL, key, f"{path}, whose file system is mounted with noexec", remedy)


def _check_foreign_sites(settings: Settings, httpd: Mapping[str, Any], problems: Problems) -> None:
    for name in httpd.get("edited_sites", ()):
        remedy = (
            f"Grove disables the package's default sites; to keep yours, rename its file and enable that one (a2dissite"
            f" {name}; a2ensite OTHER), or else disable it"
        )
        problems.add(ALL, "wsgi_app_extra_listen", f"the enabled site {name}, which is no longer the package's", remedy)
    foreign = [name for name in httpd["foreign_sites"] if name not in PACKAGED_SITES]
    if foreign and not httpd["ports_ours"] and not settings.httpd_listen:
        ports = ", ".join(httpd["foreign_listen"]) or "none"
        remedy = (
            f"set wsgi_app_extra_listen to the ports that they need (now: {ports}), since Grove declares all Listen"
            " lines"
        )
        problems.add(ALL, "wsgi_app_extra_listen", f"sites that are not Grove's: {', '.join(foreign)}", remedy)


def _check_python(record: Record, settings: Settings, host: Mapping[str, Any], problems: Problems) -> None:
    if syntax.plain_path(record.python):
        return
    own = host["pythons"].get(record.python)
    linked = host["pythons"].get(settings.mod_wsgi_python)
    if own is None and record.python != settings.mod_wsgi_python:
        actual = f"{record.python!r}, which cannot be run"
        problems.add(record.name, "python", actual, "it has to be a Python on the host")
    elif own is not None and linked is not None and own["abi"] != linked["abi"]:
        remedy = (
            f"mod_wsgi is linked to {linked['version']} ({settings.mod_wsgi_python}); both have to be the same version"
        )
        problems.add(record.name, "python", f"{record.python} ({own['version']})", remedy)


def _check_account(record: Record, host: Mapping[str, Any], problems: Problems) -> None:
    account = host["accounts"].get(record.account)
    if account is not None and account["home"] != record.state:
        remedy = f"Grove's accounts live in {record.state}; give the record another name, or remove the account"
        actual = f"an account {record.account} (uid {account['uid']}, home {account['home']}) that is not Grove's"
        problems.add(record.name, "name", actual, remedy)
        return
    for folder in (record.state, record.logs):
        owner = host["folders"].get(folder)
        if owner not in (None, record.account):
            remedy = "Grove would give it to the application's account; choose another name, or move the folder away"
            problems.add(record.name, "name", f"{folder}, which exists and belongs to {owner}", remedy)


def _check_certificate(record: Record, host: Mapping[str, Any], problems: Problems) -> None:
    certificate, key = record.tls_certificate, record.tls_key
    # A private one is made by the run. Behind load balancers, a given one is on them.
    if record.tls != "given" or record.private or not certificate or not key:
        return
    present = True
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        if syntax.quoted_path(path):
            present = False
        elif not host["files"].get(path, False):
            problems.add(record.name, name, f"{path!r}, which is not on the host", "the file has to be there")
            present = False
    reason = host["key_pairs"].get(f"{certificate}|{key}")
    if present and reason:
        actual = f"{key!r}, which cannot be used with {certificate} ({reason})"
        problems.add(record.name, "tls_key", actual, "it has to be the certificate's own key, without a passphrase")


def _check_ports(records: Sequence[Record], settings: Settings, host: Mapping[str, Any], problems: Problems) -> None:
    sockets = [(record.name, "listen", record.address, record.port) for record in records]
    sockets += [(ALL, key, address, port) for key, _, address, port in settings.every_door]
    for name, key, address, port in sockets:
        for listener in host["listeners"]:
            if listener["port"] != port or listener["program"] == settings.httpd_program:
                continue
            other = listener["address"]
            bare = address.strip("[]")
            if other == "*" or every_address(address) or other in (host["addresses"].get(bare) or [bare]):
                holder = f"{listener['program']} (process {listener['pid']})" if listener["pid"] else "another program"
                remedy = "choose a free port, or stop that program"
                problems.add(name, key, f"port {port}, which {holder} holds", remedy)
                break
