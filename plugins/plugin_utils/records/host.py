"""The records against the host that they are meant for, as the module ``host_info`` has read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .places import every_address
from .problems import ALL, Check
from .settings import Settings

# What the distributions' packages bring; the role httpd disables them.
PACKAGED_SITES = ("000-default", "default-ssl", "ssl")


def check_host(result: Check, settings: Settings, host: Mapping[str, Any]) -> None:
    """Check Pythons, accounts, certificates, ports and foreign sites."""
    theirs = host["pythons"].get(settings.mod_wsgi_python)
    if theirs is None:
        found = f"{settings.mod_wsgi_python!r}, which cannot be run"
        result.add(ALL, "mod_wsgi_python", found, "it has to be a Python on the host")
    for record in result.records:
        _check_python(record, settings, host, result)
        record["abi"] = (host["pythons"].get(record["python"]) or {}).get("abi", "")
        _check_account(record, host, result)
        if record["agents"] and not host["systemd"]:
            found = f"{', '.join(sorted(record['agents']))} on a host that systemd does not run"
            result.add(record["name"], "agents", found, "agents are services of systemd; take them out of this host")
        _check_certificate(record, host, result)
        if not host["addresses"].get(record["address"].strip("[]"), True):
            found = f"{record['address']}, which is no address of the host"
            result.add(record["name"], "listen", found, "use one of its own, or a port alone for all of them")
    _check_ports(result, settings, host)
    httpd = host["httpd"]
    foreign = [name for name in httpd["foreign_sites"] if name not in PACKAGED_SITES]
    if foreign and not httpd["ports_ours"] and not settings.httpd_listen:
        ports = ", ".join(httpd["foreign_listen"]) or "none"
        right = (
            f"set wsgi_app_extra_listen to the ports that they need (now: {ports}), since Grove declares all Listen"
            " lines"
        )
        result.add(ALL, "wsgi_app_extra_listen", f"sites that are not Grove's: {', '.join(foreign)}", right)


def _check_python(record: dict[str, Any], settings: Settings, host: Mapping[str, Any], result: Check) -> None:
    mine = host["pythons"].get(record["python"])
    theirs = host["pythons"].get(settings.mod_wsgi_python)
    if mine is None and record["python"] != settings.mod_wsgi_python:
        found = f"{record['python']!r}, which cannot be run"
        result.add(record["name"], "python", found, "it has to be a Python on the host")
    elif mine is not None and theirs is not None and mine["abi"] != theirs["abi"]:
        right = (
            f"mod_wsgi is linked to {theirs['version']} ({settings.mod_wsgi_python}); both have to be the same version"
        )
        result.add(record["name"], "python", f"{record['python']} ({mine['version']})", right)


def _check_account(record: dict[str, Any], host: Mapping[str, Any], result: Check) -> None:
    account = host["accounts"].get(record["account"])
    if account is not None and account["home"] != record["state"]:
        right = f"Grove's accounts live in {record['state']}; give the record another name, or remove the account"
        found = f"an account {record['account']} (uid {account['uid']}, home {account['home']}) that is not Grove's"
        result.add(record["name"], "name", found, right)
        return
    for key in ("state", "logs"):
        owner = host["folders"].get(record[key])
        if owner not in (None, record["account"]):
            right = "Grove would give it to the application's account; choose another name, or move the folder away"
            result.add(record["name"], "name", f"{record[key]}, which exists and belongs to {owner}", right)


def _check_certificate(record: dict[str, Any], host: Mapping[str, Any], result: Check) -> None:
    certificate, key = record["tls_certificate"], record["tls_key"]
    if record["tls"] != "given" or not certificate or not key:
        return
    present = True
    for name in ("tls_certificate", "tls_key"):
        if not host["files"].get(record[name], False):
            found = f"{record[name]!r}, which is not on the host"
            result.add(record["name"], name, found, "the file has to be there")
            present = False
    why = host["key_pairs"].get(f"{certificate}|{key}")
    if present and why:
        found = f"{key!r}, which cannot be used with {certificate} ({why})"
        result.add(record["name"], "tls_key", found, "it has to be the certificate's own key, without a passphrase")


def _check_ports(result: Check, settings: Settings, host: Mapping[str, Any]) -> None:
    wanted = [(record["name"], "listen", record["address"], record["port"]) for record in result.records]
    wanted.append((ALL, "wsgi_app_door", settings.door_address, settings.door_port))
    for name, key, address, port in wanted:
        for listener in host["listeners"]:
            if listener["port"] != port or listener["program"] == settings.httpd_program:
                continue
            theirs = listener["address"]
            if theirs == "*" or every_address(address) or theirs == address.strip("[]"):
                holder = f"{listener['program']} (process {listener['pid']})" if listener["pid"] else "another program"
                result.add(name, key, f"port {port}, which {holder} holds", "choose a free port, or stop that program")
                break
