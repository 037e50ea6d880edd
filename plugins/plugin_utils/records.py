"""Checking the records of ``wsgi_apps`` and completing them with all that follows from them.

Types, choices and defaults come from the entry point ``record`` of the role's argument specs. What specs cannot say
stands here: ranges, and the relations between keys, between records, and between a record and its host.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.validation import check_type_bool, check_type_int

from . import mod_wsgi_options

NAME = re.compile(r"[a-z_][a-z0-9_-]*")
NAME_LIMIT = 30
HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)
MODULE_ENTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
PLACEHOLDERS = ("etc", "release", "state", "logs")
PLACEHOLDER = re.compile(r"\{(\w*)\}")
RANGES = {
    "processes": (1, 512),
    "threads": (1, 512),
    "start_timeout": (1, 3600),
    "max_body": (0, 1 << 40),
}
ENTRY_KINDS = ("pecan", "paste", "module")
# What switching needs; the rest of a record may hold secrets and stays on the controller.
SERVING = (
    *("name", "folder", "account", "processes", "health_path", "start_timeout"),
    *("address", "port", "server_name", "tls", "url", "door", "doors"),
)
THREADS = {"pecan": 3, "paste": 5, "module": 5}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what was found, and what would be right."""

    record: str
    key: str
    found: str
    right: str

    def __str__(self) -> str:
        return f"record {self.record}, key {self.key}: found {self.found}; {self.right}"


@dataclass(frozen=True)
class Settings:
    """What the roles' variables say about all records of a host.

    ``servers`` (0: one per core, 2 at least) times ``workers_per_server`` is MaxRequestWorkers of the MPM; ``folders`` are the ones on the controller that a relative path is looked
    up in; ``mod_wsgi`` is the version that is, or is going to be, installed, and ``mod_wsgi_python`` its interpreter.
    """

    base: str
    state_base: str
    log_base: str
    listen_address: str
    door: str
    python: str
    mod_wsgi: str
    mod_wsgi_python: str
    folders: tuple[str, ...]
    workers_per_server: int
    servers: int = 0
    tls_dir: str = "/etc/apache2/grove-tls"
    httpd_listen: tuple[str, ...] = ()
    httpd_program: str = "apache2"


@dataclass
class Check:
    """The result of a check: the completed records, and the problems (with any, the records are not to be used)."""

    records: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, record: str, key: str, found: object, right: str) -> None:
        self.problems.append(Problem(record, key, found if isinstance(found, str) else repr(found), right))


Spec = Mapping[str, Mapping[str, Any]]


def check(records: object, spec: Spec, settings: Settings, host: Mapping[str, Any] | None = None) -> Check:
    """Check ``records`` against ``spec`` (the options of the entry point), each other, and the host where given.

    ``host`` is what the module ``host_info`` returns. Without it only what the controller can see is checked.
    """
    result = Check()
    if not isinstance(records, list):
        result.add("(all)", "wsgi_apps", _shown(records), "it has to be a list of records")
        return result
    for position, raw in enumerate(records, start=1):
        record = _against_spec(raw, position, spec, result)
        if record is not None:
            result.records.append(record)
    if result.problems:
        return result
    cores = int(host["cores"]) if host else 2
    for record in result.records:
        _complete(record, settings, cores, result)
    for record in result.records:
        _check_entry(record, result)
        _check_files(record, settings, result)
        _check_daemon(record, settings, cores, result)
        _check_place(record, result)
    _check_together(result, settings)
    if host is not None:
        _check_host(result, settings, host)
    return result


def questions(records: object, settings: Settings) -> dict[str, list[Any]]:
    """Return what the module ``host_info`` has to be asked for these records, which may still be wrong."""
    given = [record for record in records if isinstance(record, Mapping)] if isinstance(records, list) else []

    def texts(key: str) -> list[str]:
        return sorted({record[key] for record in given if isinstance(record.get(key), str) and record[key]})

    pairs = [
        [record["tls_certificate"], record["tls_key"]]
        for record in given
        if isinstance(record.get("tls_certificate"), str) and isinstance(record.get("tls_key"), str)
    ]
    return {
        "pythons": sorted({settings.python, settings.mod_wsgi_python, *texts("python")}),
        "accounts": texts("name"),
        "files": sorted({*texts("tls_certificate"), *texts("tls_key")}),
        "key_pairs": pairs,
    }


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"


def _against_spec(raw: object, position: int, spec: Spec, result: Check) -> dict[str, Any] | None:
    if not isinstance(raw, Mapping):
        result.add(
            f"number {position}", "(whole record)", _shown(raw), "it has to be a dictionary with name, source and entry"
        )
        return None
    name = str(raw["name"]) if isinstance(raw.get("name"), str) else f"number {position}"
    return _level(raw, spec, name, "", result)


def _level(raw: Mapping[str, Any], spec: Spec, name: str, prefix: str, result: Check) -> dict[str, Any]:
    for key in raw:
        if key not in spec:
            near = difflib.get_close_matches(str(key), list(spec), n=1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(spec)}"
            result.add(name, f"{prefix}{key}", "an unknown key", hint)
    checked: dict[str, Any] = {}
    for key, option in spec.items():
        value = raw.get(key)
        if value is None:
            if option.get("required"):
                result.add(name, prefix + key, "nothing", f"it is required: {_first_sentence(option)}")
            checked[key] = option.get("default")
            continue
        try:
            checked[key] = _typed(value, option)
        except (TypeError, ValueError):
            result.add(
                name, prefix + key, _shown(value), f"it has to be {_type_name(option)}: {_first_sentence(option)}"
            )
            continue
        if option.get("choices") and checked[key] not in option["choices"]:
            result.add(name, prefix + key, _shown(value), f"it has to be one of {', '.join(option['choices'])}")
        if option.get("options"):
            checked[key] = _level(checked[key], option["options"], name, f"{prefix}{key}.", result)
    return checked


def _typed(value: Any, option: Mapping[str, Any]) -> Any:
    kind = option.get("type", "str")
    if kind in ("str", "path"):
        if isinstance(value, bool) and option.get("choices"):
            value = "on" if value else "off"  # YAML reads an unquoted off as a boolean
        if not isinstance(value, str):
            raise TypeError(kind)
        return str(value)
    if kind == "int":
        if isinstance(value, (bool, float)):
            raise TypeError(kind)
        return check_type_int(value)
    if kind == "bool":
        return check_type_bool(value)
    if kind == "dict":
        if not isinstance(value, Mapping):
            raise TypeError(kind)
        return dict(value)
    if kind == "list":
        if not isinstance(value, list):
            raise TypeError(kind)
        return [_typed(item, {"type": option.get("elements", "str")}) for item in value]
    return value


def _type_name(option: Mapping[str, Any]) -> str:
    names = {
        "str": "a text",
        "path": "a path",
        "int": "a whole number",
        "bool": "true or false",
        "dict": "a dictionary",
    }
    if option.get("type") == "list":
        return f"a list, each element {names[option.get('elements', 'str')]}"
    return names[option.get("type", "str")]


def _first_sentence(option: Mapping[str, Any]) -> str:
    text = option.get("description", "")
    text = str(text[0] if isinstance(text, list) else text)
    text = re.sub(r"\b[CM]\(([^)]*)\)", r"\1", text)
    return text.split(". ")[0].rstrip(".")


def _complete(record: dict[str, Any], settings: Settings, cores: int, result: Check) -> None:
    name = record["name"]
    kinds = [kind for kind in ENTRY_KINDS if record["entry"].get(kind) is not None]
    record["kind"] = kinds[0] if len(kinds) == 1 else ""
    record["account"] = name
    record["folder"] = f"{settings.base}/{name}"
    record["state"] = f"{settings.state_base}/{name}"
    record["logs"] = f"{settings.log_base}/{name}"
    record["home"] = record["home"] or record["state"]
    record["python"] = record["python"] or settings.python
    record["groups"] = {colour: f"{name}-{colour}" for colour in ("blue", "green")}
    record["doors"] = {colour: f"{colour}.{name}.door" for colour in ("blue", "green")}
    record["door"] = settings.door
    if record["processes"] is None:
        record["processes"] = max(2, cores)
    if record["threads"] is None:
        record["threads"] = THREADS.get(record["kind"], 5)
    record["address"], record["port"] = _address(record, settings, result)
    record["path"] = "/" + record["path"].strip("/")
    if not record["health"].startswith("/"):
        result.add(name, "health", _shown(record["health"]), "a path starts with /")
    record["listen_line"] = str(record["port"]) if record["address"] == "*" else f"{record['address']}:{record['port']}"
    if record["tls"] == "private_ca":
        record["tls_certificate"] = f"{settings.tls_dir}/{name}.crt"
        record["tls_key"] = f"{settings.tls_dir}/{name}.key"
    scheme = "http" if record["tls"] == "off" else "https"
    host = record["server_name"] or ("127.0.0.1" if record["address"] == "*" else record["address"])
    if ":" in host:
        host = f"[{host.strip('[]')}]"
    default_port = {"http": 80, "https": 443}[scheme]
    port = "" if record["port"] == default_port else f":{record['port']}"
    record["url"] = f"{scheme}://{host}{port}{record['path']}"
    record["health_path"] = record["path"].rstrip("/") + record["health"]


def _address(record: dict[str, Any], settings: Settings, result: Check) -> tuple[str, int]:
    text = str(record["listen"])
    address, _, port = text.rpartition(":")
    right = "it has to be a port from 1 to 65535, or an address and a port such as 127.0.0.1:8080"
    if isinstance(record["listen"], bool) or not port.isdigit() or not 0 < int(port) < 65536:
        result.add(record["name"], "listen", _shown(record["listen"]), right)
        return settings.listen_address, 0
    address = address or settings.listen_address
    if address != "*":
        try:
            ipaddress.ip_address(address.strip("[]"))
        except ValueError:
            result.add(record["name"], "listen", _shown(record["listen"]), right)
    return address, int(port)


def _find(path: str, folders: Iterable[str]) -> str | None:
    if os.path.isabs(path):
        return path if os.path.exists(path) else None
    for folder in folders:
        candidate = os.path.normpath(os.path.join(folder, path))
        if os.path.exists(candidate):
            return candidate
    return None


def source_kind(source: str) -> str:
    """Return what a record's ``source`` is: ``vcs``, ``wheel``, ``folder`` or ``requirement``."""
    if re.match(r"(git|hg|bzr|svn)\+", source):
        return "vcs"
    if source.endswith(".whl"):
        return "wheel"
    if source.startswith((".", "/")) or ("/" in source and "@" not in source and "://" not in source):
        return "folder"
    return "requirement"


def _check_entry(record: dict[str, Any], result: Check) -> None:
    name, entry = record["name"], record["entry"]
    kinds = [kind for kind in ENTRY_KINDS if entry.get(kind) is not None]
    if len(kinds) != 1:
        found = " and ".join(kinds) if kinds else "none of them"
        result.add(name, "entry", found, f"it has to have exactly one of {', '.join(ENTRY_KINDS)}")
        return
    if entry.get("name") is not None and record["kind"] != "paste":
        result.add(name, "entry.name", _shown(entry["name"]), "it goes with paste only, remove it")
    if record["kind"] == "paste":
        entry["name"] = entry.get("name") or "main"
    if record["kind"] == "module" and not MODULE_ENTRY.fullmatch(entry["module"]):
        result.add(name, "entry.module", _shown(entry["module"]), "it has to be package.module:attribute")
    texts = [("argv", value) for value in record["argv"]]
    for key, value in record["environment"].items():
        if isinstance(value, (dict, list)) or not re.fullmatch(r"[A-Za-z_]\w*", str(key)):
            result.add(name, f"environment.{key}", _shown(value), "it has to be a variable's name and a text")
        record["environment"][key] = str(value)
        texts.append((f"environment.{key}", str(value)))
    for key, text in texts:
        for placeholder in PLACEHOLDER.findall(text):
            if placeholder not in PLACEHOLDERS:
                right = f"the placeholders are {', '.join('{' + known + '}' for known in PLACEHOLDERS)}"
                result.add(name, key, f"{{{placeholder}}}", right)


def _check_files(record: dict[str, Any], settings: Settings, result: Check) -> None:
    name = record["name"]
    looked = ", ".join(settings.folders)
    kind = source_kind(record["source"])
    source: dict[str, Any] = {"kind": kind, "text": record["source"]}
    if kind in ("folder", "wheel"):
        found = _find(record["source"], settings.folders)
        is_right = os.path.isdir if kind == "folder" else os.path.isfile
        if found is None or not is_right(found):
            result.add(
                name, "source", f"{record['source']!r}, which is no {kind}", f"it has to be there (looked in {looked})"
            )
            found = None
        source["path"] = found
    record["source"] = source
    if record["lock"]:
        lock = _find(record["lock"], settings.folders)
        if lock is None:
            result.add(
                name, "lock", f"{record['lock']!r}, which is not there", f"it has to be a file (looked in {looked})"
            )
        record["lock"] = lock
    for target, template in record["config"].items():
        if not isinstance(template, str):
            result.add(name, f"config.{target}", _shown(template), "it has to be the path of a template")
            continue
        if os.path.isabs(target) or ".." in str(target).split("/"):
            result.add(
                name, f"config.{target}", "a path that leaves etc", "it has to stay inside the release's etc folder"
            )
        found = _find(template, settings.folders)
        if found is None:
            result.add(
                name,
                f"config.{target}",
                f"{template!r}, which is not there",
                f"it has to be a file (looked in {looked})",
            )
        record["config"][target] = found
    wanted = record["entry"].get(record["kind"]) if record["kind"] in ("pecan", "paste") else None
    if wanted and wanted not in record["config"]:
        inside = os.path.join(source.get("path") or "", wanted)
        if kind != "folder" or (source["path"] and not os.path.isfile(inside)):
            where = "neither in config nor in the source" if kind == "folder" else "not in config"
            result.add(name, f"entry.{record['kind']}", f"{wanted!r}, which is {where}", "it has to be one of the two")
    for url, folder in record["static"].items():
        if not str(url).startswith("/") or str(url).rstrip("/") == "":
            result.add(
                name, f"static.{url}", "a URL path that is not usable", "it has to start with / and to be longer"
            )
        if kind == "folder" and source["path"] and not os.path.isdir(os.path.join(source["path"], str(folder))):
            result.add(name, f"static.{url}", f"{folder!r}, which is not there", "it has to be a folder of the source")


def _check_daemon(record: dict[str, Any], settings: Settings, cores: int, result: Check) -> None:
    name = record["name"]
    for key, (low, high) in RANGES.items():
        if not low <= record[key] <= high:
            result.add(name, key, str(record[key]), f"it has to be from {low} to {high}")
            return
    workers = settings.workers_per_server * (settings.servers or max(2, cores))
    slots = record["processes"] * record["threads"]
    if slots > workers:
        right = (
            f"the MPM has {workers} workers (MaxRequestWorkers) to feed all of them; lower processes or threads, or raise"
            " httpd_threads_per_child or httpd_server_limit"
        )
        result.add(name, "processes", f"{record['processes']} x {record['threads']} threads = {slots}", right)
    known = mod_wsgi_options.known(settings.mod_wsgi)
    for option, value in record["daemon_options"].items():
        key = f"daemon_options.{option}"
        if option in mod_wsgi_options.SET_BY_GROVE:
            result.add(name, key, _shown(value), "Grove sets it; use the record's own keys")
        elif option not in known:
            near = difflib.get_close_matches(str(option), sorted(known), n=1)
            hint = f"did you mean {near[0]}?" if near else "see its documentation of WSGIDaemonProcess"
            result.add(name, key, "an unknown option", f"mod_wsgi {settings.mod_wsgi} has none of that name; {hint}")
        elif isinstance(value, (dict, list, bool)) or re.search(r"[\s\"'\\]", str(value)):
            result.add(name, key, _shown(value), "it has to be a single word or number")
        elif option.endswith(("-timeout", "-limit", "-backlog", "-size", "-requests")) and not str(value).isdigit():
            result.add(name, key, _shown(value), "it has to be a whole number")
    startup = {"startup-timeout": str(record["start_timeout"])}
    given = {str(option): str(value) for option, value in record["daemon_options"].items()}
    merged = {**mod_wsgi_options.DEFAULTS, **startup, **given}
    if merged["queue-timeout"] == "0":
        result.add(name, "daemon_options.queue-timeout", "0", "it has to be 1 or more, or a queue grows without end")
    record["daemon_options"] = merged


def _check_place(record: dict[str, Any], result: Check) -> None:
    name = record["name"]
    if not NAME.fullmatch(name):
        right = "an account's name has lower-case letters, digits, - and _, and starts with a letter or _"
        result.add(name, "name", _shown(name), right)
    elif len(name) > NAME_LIMIT:
        result.add(name, "name", f"{len(name)} characters", f"it may have {NAME_LIMIT} at most")
    for key, values in (("server_name", [record["server_name"]]), ("server_aliases", record["server_aliases"])):
        for value in values:
            if value is not None and not HOST_NAME.fullmatch(value.removeprefix("*.")):
                result.add(name, key, _shown(value), "it has to be a host name")
    if record["server_aliases"] and not record["server_name"]:
        result.add(name, "server_aliases", _shown(record["server_aliases"]), "server_name has to be given, too")
    if not re.fullmatch(r"[\w./~-]*", record["path"]) or "//" in record["path"]:
        result.add(name, "path", _shown(record["path"]), "letters, digits, ., _, ~, - and single slashes are possible")
    for line in record["directives"]:
        if "\n" in line:
            result.add(name, "directives", _shown(line), "each element has to be one line")
    for network in record["allow_from"]:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            result.add(name, "allow_from", _shown(network), "it has to be an address or a network such as 10.0.0.0/8")
    pair = (record["tls_certificate"], record["tls_key"])
    if record["tls"] == "given" and not all(pair):
        result.add(name, "tls", "given", "tls_certificate and tls_key have to be given, too")
    if record["tls"] == "off" and any(pair):
        result.add(name, "tls_certificate", _shown(pair[0] or pair[1]), "it goes with tls: given only")


def _check_together(result: Check, settings: Settings) -> None:
    _unique(result, "name", lambda record: record["name"], "every record has a name of its own")
    door_address, _, door_port = settings.door.rpartition(":")
    sites: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for record in result.records:
        if str(record["port"]) == door_port:
            right = "wsgi_app_door uses that port; choose another for one of them"
            result.add(record["name"], "listen", f"port {door_port}", right)
        names = [record["server_name"] or "", *record["server_aliases"]]
        for host_name in names:
            sites.setdefault((record["address"], record["port"], host_name.lower()), []).append(record)
    for (_, port, host_name), records in sites.items():
        if len(records) == 1:
            continue
        by_path: dict[str, dict[str, Any]] = {}
        for record in records:
            other = by_path.setdefault(record["path"], record)
            if other is not record:
                at = f"port {port}" + (f" and the name {host_name}" if host_name else " and no server_name")
                right = f"{other['name']} has the same; give one of them another port, a server_name or a path"
                result.add(record["name"], "listen", at, right)
            elif record["tls"] != records[0]["tls"] or record["tls_certificate"] != records[0]["tls_certificate"]:
                right = f"{records[0]['name']} shares the VirtualHost and says {records[0]['tls']}; both have to say the same"
                result.add(record["name"], "tls", record["tls"], right)
    addresses: dict[int, dict[str, dict[str, Any]]] = {}
    for record in result.records:
        addresses.setdefault(record["port"], {}).setdefault(record["address"], record)
    for port, by_address in addresses.items():
        tls = {record["tls"] == "off" for record in result.records if record["port"] == port}
        if len(tls) > 1:
            record = next(iter(by_address.values()))
            result.add(record["name"], "tls", f"port {port} with and without TLS", "one port is either, not both")
        if "*" in by_address and len(by_address) > 1:
            record = next(value for key, value in by_address.items() if key != "*")
            right = f"{by_address['*']['name']} listens on every address of that port; use one or the other"
            result.add(record["name"], "listen", f"{record['address']}:{port}", right)
    for record in result.records:
        record["serving"] = {key: record[key] for key in SERVING}
        record["site"] = f"{record['address']}:{record['port']}|{(record['server_name'] or '').lower()}"


def _unique(result: Check, key: str, value_of: Callable[[dict[str, Any]], str], right: str) -> None:
    seen: set[str] = set()
    for record in result.records:
        value = value_of(record)
        if value in seen:
            result.add(record["name"], key, f"{value!r} for the second time", right)
        seen.add(value)


def _check_host(result: Check, settings: Settings, host: Mapping[str, Any]) -> None:
    for record in result.records:
        _check_python(record, settings, host, result)
        record["abi"] = (host["pythons"].get(record["python"]) or {}).get("abi", "")
        _check_account(record, host, result)
        for key in ("tls_certificate", "tls_key"):
            if record["tls"] == "given" and record[key] and not host["files"].get(record[key], False):
                result.add(
                    record["name"], key, f"{record[key]!r}, which is not on the host", "the file has to be there"
                )
        pair = f"{record['tls_certificate']}|{record['tls_key']}"
        if host["key_pairs"].get(pair) and all(host["files"].get(path) for path in pair.split("|")):
            result.add(record["name"], "tls_key", host["key_pairs"][pair], "it has to be the certificate's own key")
    _check_ports(result, settings, host)
    httpd = host["httpd"]
    if httpd["foreign_sites"] and not httpd["ports_ours"] and not settings.httpd_listen:
        foreign = [name for name in httpd["foreign_sites"] if name not in ("000-default", "default-ssl")]
        if foreign:
            ports = ", ".join(httpd["foreign_listen"]) or "none"
            right = f"set wsgi_app_extra_listen to the ports that they need (now: {ports}), since Grove declares all Listen lines"
            result.add("(all)", "wsgi_app_extra_listen", f"sites that are not Grove's: {', '.join(foreign)}", right)


def _check_python(record: dict[str, Any], settings: Settings, host: Mapping[str, Any], result: Check) -> None:
    mine = host["pythons"].get(record["python"])
    theirs = host["pythons"].get(settings.mod_wsgi_python)
    if mine is None:
        result.add(
            record["name"], "python", f"{record['python']!r}, which cannot be run", "it has to be a Python on the host"
        )
    elif theirs is not None and mine["abi"] != theirs["abi"]:
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


def _check_ports(result: Check, settings: Settings, host: Mapping[str, Any]) -> None:
    door_address, _, door_port = settings.door.rpartition(":")
    wanted = [(record["name"], "listen", record["address"], record["port"]) for record in result.records]
    wanted.append(("(all)", "wsgi_app_door", door_address, int(door_port)))
    for name, key, address, port in wanted:
        for listener in host["listeners"]:
            same = (
                listener["port"] == port
                and "*" in (address, listener["address"])
                or (listener["port"] == port and listener["address"] == address.strip("[]"))
            )
            if same and listener["program"] != settings.httpd_program:
                holder = f"{listener['program']} (process {listener['pid']})" if listener["pid"] else "another program"
                result.add(name, key, f"port {port}, which {holder} holds", "choose a free port, or stop that program")
                break
