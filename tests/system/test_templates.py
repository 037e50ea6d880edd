"""Apache's templates, rendered by the real Ansible from the roles' own tasks, and read by the real Apache.

The arguments of every ``httpd_config`` task of the roles are rendered for each case, put into a tree of the family's
layout by the module's own code, and checked there with the real mod_wsgi.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import unit_figures
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.config import Config
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout, TreeError
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.settings import Settings
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.spec import record_spec
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.steps import steps
from httpd_modules import BIN, PYTHON, guard_file, log_file, metrics_file, mod_wsgi_files, run, wake_file
from jinja2 import Environment, meta, nodes

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev", "python3-dev", "openssl")

REPOSITORY = Path(__file__).resolve().parents[2]
DEBIAN_MODULES = Path("/usr/lib/apache2/modules")
STEPS = (("httpd", "configure.yml"), ("mod_wsgi", "configure.yml"), ("wsgi_app", "declare.yml"))
# What the records need of the whole server, which the role wsgi_app passes to the role httpd.
FOR_APPLICATIONS = ("max_header", "max_url", "sandbox", "tls", "waf")
# Accounts that every distribution has, with groups of their own: Apache looks them up.
ONE, TWO, THREE = "daemon", "mail", "games"
# Characters that Apache reads in quotes.
CERTIFICATE = "o ne's $a"

# The files of the packages httpd and mod_ssl on Red Hat that Grove's configuration depends on.
REDHAT_MODULES = (
    *(
        "mpm_event",
        "access_compat",
        "alias",
        "allowmethods",
        "authz_core",
        "authz_host",
        "dir",
        "env",
        "headers",
        "mime",
    ),
    *("remoteip", "reqtimeout", "rewrite", "setenvif", "socache_shmcb", "ssl"),
)
REDHAT_MAIN = """
ServerRoot "{root}"
Include conf.modules.d/*.conf
User daemon
Group daemon
ErrorLog "logs/error_log"
IncludeOptional conf.d/*.conf
"""
# Folders that the main files include.
READ = ("conf", "conf.d", "conf.modules.d", "conf-enabled", "mods-enabled", "sites-enabled")
REDHAT_SSL = "Listen 443 https\n<VirtualHost _default_:443>\n    SSLEngine on\n</VirtualHost>\n"


@dataclasses.dataclass
class Case:
    """Records, the other variables of the inventory, and what the module host_info returns."""

    family: str
    mod_wsgi: str
    apps: list[dict[str, Any]]
    variables: dict[str, Any] = dataclasses.field(default_factory=dict)
    host: dict[str, Any] | None = None


def app(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "source": "shop==1", "entry": {"module": "shop:application"}, "listen": 18210, **more}


RECORDS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "nothing": ([], {}),
    "port": ([app(ONE)], {}),
    "names": (
        [
            app(ONE, server_name="one.example.org", server_aliases=["www.example.org", "*.one.example.org"]),
            app(TWO, server_name="two.example.org", listen="[::1]:18211"),
        ],
        {"httpd_buffered_logs": True},
    ),
    "shared": (
        [
            app(ONE, server_name="one.example.org", server_aliases=["a.example.org"], allow_from=["10.0.0.0/8", "::1"]),
            app(TWO, server_name="one.example.org", server_aliases=["b.example.org"], path="/two"),
            app(THREE, server_name="one.example.org", path="/two/three", directives=["SetEnv DEEP yes"]),
        ],
        {},
    ),
    "static": (
        [
            app(
                ONE,
                path="/shop",
                static={"/public": "shop/public", "/m": "{state}/m", "/a.b": "x"},
                daemon_options={"cpu-priority": 5},
            )
        ],
        {"wsgi_app_extra_listen": ["127.0.0.1:18219"]},
    ),
    # Characters that the check of records lets pass.
    "texts": (
        [
            app(
                ONE,
                path="/a.b~_-c",
                server_name="a_b.example.org",
                static={"/x.y~": "shop/public"},
                allow_from=["10.0.0.0/255.0.0.0", "0.0.0.0", "::/1"],
                directives=[
                    'SetEnv TEXT "a \\"b\\" %{x} $1"',
                    "<If \"%{HTTP_HOST} == 'x'\">",
                    "\tRequire all denied",
                    "</If>",
                ],
                daemon_options={"lang": "en_GB.UTF-8@x", "supplementary-groups": "mail,games", "cpu-priority": -5},
            )
        ],
        {"httpd_server_name": "host_1.example.org", "httpd_trusted_proxies": ["::1", "10.0.0.0/8"]},
    ),
    "tls": (
        [
            app(ONE, listen=18443, tls="given", tls_certificate="{certificate}", tls_key="{key}"),
            app(TWO, listen=18444, tls="private_ca", server_name="two.example.org"),
        ],
        {"httpd_tls": True},
    ),
    "default": ([app(ONE, server_name="one.example.org"), app(TWO)], {"httpd_metrics": True}),
    "balancers": (
        [app(ONE, server_name="one.example.org"), app(TWO, path="/two")],
        {"httpd_load_balancers": ["10.0.0.5", "2001:db8::5"]},
    ),
    "proxies": ([app(ONE)], {"httpd_trusted_proxies": ["10.0.0.5", "192.168.0.0/16", "2001:db8::/32"]}),
}
CASES = {
    f"{family}-{version.split('.')[0]}-{name}": Case(family, version, apps, variables)
    for name, (apps, variables) in RECORDS.items()
    for family, version in (("Debian", "4.9.4"), ("Debian", "6.1.1"), ("RedHat", "6.1.1"))
}


@pytest.fixture(scope="session")
def mod_wsgi() -> dict[str, Path]:
    """The real modules by version."""
    return mod_wsgi_files()


@pytest.fixture(scope="session")
def guard() -> Path:
    """The module for slow clients."""
    return guard_file()


def load(path: str) -> Any:
    return yaml.safe_load((REPOSITORY / path).read_text())


def role_tasks() -> list[dict[str, Any]]:
    """Return the tasks that render the arguments of the roles' own httpd_config tasks into a file each."""
    tasks = []
    for role, name in STEPS:
        for task in load(f"roles/{role}/tasks/{name}"):
            if "grove.wsgi.httpd_config" in task:
                rendered = {
                    "name": task["name"],
                    "ansible.builtin.copy": {
                        "content": "{{ __rendered | to_json }}",
                        "dest": f"{{{{ output }}}}/{role}.json",
                        "mode": "0600",
                    },
                    "vars": {**task.get("vars", {}), "__rendered": task["grove.wsgi.httpd_config"]},
                }
                tasks.append(rendered)
    assert len(tasks) == len(STEPS)
    return tasks


def settings(case: Case, root: Path, layout: dict[str, Any]) -> Settings:
    """Return the settings of a case, whose host has the name of its folder."""
    return Settings(
        base=str(root / "srv"),
        state_base="/var/lib",
        log_base="/var/log",
        listen_address="*",
        door=case.variables.get("wsgi_app_door", "127.0.0.1:18280"),
        python=PYTHON,
        mod_wsgi=case.mod_wsgi,
        mod_wsgi_python=PYTHON,
        folders=("/",),
        workers_per_server=64,
        tls_dir=f"{layout['root']}/grove-tls",
        tls_ca_dir=str(root / "ca"),
        host_name=root.name,
        httpd_listen=tuple(case.variables.get("wsgi_app_extra_listen", ())),
        trusted_proxies=tuple(case.variables.get("httpd_trusted_proxies", ())),
    )


def work(case: Case, root: Path, layout: dict[str, Any]) -> dict[str, Any]:
    """Return the check's result that the role's steps use."""
    spec = record_spec(load("roles/wsgi_app/meta/argument_specs.yml")["argument_specs"])
    places = {"certificate": str(root / CERTIFICATE) + ".crt", "key": str(root / CERTIFICATE) + ".key"}
    written = json.loads(json.dumps(case.apps))
    for record in written:
        for key in ("tls_certificate", "tls_key"):
            if key in record:
                record[key] = record[key].format(**places)
    checked = check_records(written, spec, settings(case, root, layout), case.host)
    assert [str(problem) for problem in checked.problems] == []
    return steps(checked, settings(case, root, layout), {})


def make_certificate(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", f"/CN={name}", "-keyout", f"{path}.key", "-out", f"{path}.crt", "-days", "2"),
    )


def make_tree(case: Case, root: Path, layout: dict[str, Any]) -> None:
    tree = Path(layout["root"])
    if case.family == "Debian":
        shutil.copytree("/etc/apache2", tree, symlinks=True)
        for enabled in (tree / "sites-enabled").iterdir():
            enabled.unlink()
        return
    for folder in ("conf", "conf.d", "conf.modules.d"):
        (tree / folder).mkdir(parents=True)
    (tree / "modules").symlink_to(DEBIAN_MODULES)
    (root / "logs").mkdir()
    (tree / "logs").symlink_to("../logs")
    (tree / "conf/httpd.conf").write_text(REDHAT_MAIN.format(root=tree))
    lines = [f"LoadModule {name}_module modules/mod_{name}.so\n" for name in REDHAT_MODULES]
    (tree / "conf.modules.d/00-base.conf").write_text("".join(lines))
    (tree / "conf.d/ssl.conf").write_text(REDHAT_SSL)


@dataclasses.dataclass
class Rendered:
    """The result of one case: the layout of its tree, and the arguments of each task."""

    layout: Layout
    arguments: dict[str, dict[str, Any]]

    @property
    def sites(self) -> dict[str, str]:
        """The files of applications."""
        every: dict[str, str] = self.arguments["wsgi_app"]["sites"]
        return {name: text for name, text in every.items() if name != "grove-status"}


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory, mod_wsgi: dict[str, Path], guard: Path) -> dict[str, Rendered]:
    return render(CASES, tmp_path_factory.mktemp("templates"), mod_wsgi, guard)


def render(
    cases: dict[str, Case], base: Path, mod_wsgi: dict[str, Path], guard: Path, **places: str
) -> dict[str, Rendered]:
    """Render every case by one run of ansible-playbook in which each case is a host.

    ``base`` is an empty folder, ``places`` replace values of the families' layouts.
    """
    families = load("roles/httpd/vars/main.yml")["__httpd_families"]
    defaults: dict[str, Any] = {}
    for role in ("httpd", "mod_wsgi", "wsgi_app"):
        defaults |= load(f"roles/{role}/defaults/main.yml")
    make_certificate(base / "one", "one.example.org")
    hosts, layouts = {}, {}
    for name, case in cases.items():
        root = base / name
        root.mkdir()
        layout = {**families[case.family]["layout"], "root": str(root / "tree"), **places}
        for suffix in (".crt", ".key"):
            shutil.copy(f"{base}/one{suffix}", f"{root}/{CERTIFICATE}{suffix}")
            (root / "ca" / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(f"{base}/one{suffix}", root / "ca" / name / f"{TWO}{suffix}")
        for record in case.apps:
            (root / "srv" / record["name"]).mkdir(parents=True)
            (root / "srv" / record["name"] / "slot.map").write_text(f"live {record['name']}-blue\n")
        make_tree(case, root, layout)
        python = {"version": "3", "abi": "cpython", "prefix": "/usr"}
        hosts[name] = {
            **defaults,
            **case.variables,
            "family": case.family,
            "output": str(root),
            "role_path": str(REPOSITORY / "roles/wsgi_app"),
            "own_layout": layout,
            "httpd_host": {
                "cores": 2,
                "pythons": {PYTHON: python},
                "waf": False,
                "doors": {name: hashlib.sha1(name.encode()).hexdigest() for name in ("root", "status")},
            },
            "mod_wsgi_source": "pypi",
            "mod_wsgi_version": case.mod_wsgi,
            "own_module": str(mod_wsgi[case.mod_wsgi]),
            "own_guard": str(guard),
            "own_log": str(log_file()),
            "own_metrics": str(metrics_file()),
            "own_wake": str(wake_file()),
            "own_telemetry": f"{layout['run_dir']}/telemetry.sock",
            "__wsgi_app_steps": (planned := work(case, root, layout)),
            **{f"httpd_{key}_for_applications": planned[key] for key in FOR_APPLICATIONS},
            "wsgi_app_only": [],
            "wsgi_app_door": case.variables.get("wsgi_app_door", "127.0.0.1:18280"),
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }
        layouts[name] = dataclasses.replace(
            Layout.of(layout), binary="/usr/sbin/apache2", envvars=families["Debian"]["layout"]["envvars"]
        )
    preparation = [
        {"ansible.builtin.set_fact": {"os_family": "{{ family }}", "service_mgr": "systemd", "cacheable": True}},
        *(
            {"ansible.builtin.include_vars": str(REPOSITORY / f"roles/{role}/vars/main.yml")}
            for role in ("httpd", "mod_wsgi", "wsgi_app")
        ),
        {
            "ansible.builtin.set_fact": {
                "httpd_layout": "{{ own_layout }}",
                "__mod_wsgi_module": "{{ own_module }}",
                "__httpd_guard_module": "{{ own_guard }}",
                "__httpd_log_module": "{{ own_log }}",
                "__httpd_metrics_module": "{{ own_metrics }}",
                "__httpd_wake_module": "{{ own_wake }}",
                "mod_wsgi_telemetry_socket": "{{ own_telemetry }}",
            }
        },
    ]
    play = {"hosts": "all", "gather_facts": False, "tasks": [*preparation, *role_tasks()]}
    (base / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (base / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    run(BIN / "ansible-playbook", "-i", base / "inventory.yml", base / "play.yml", cwd=REPOSITORY)
    results = {}
    for name in cases:
        arguments = {role: json.loads((base / name / f"{role}.json").read_text()) for role, _ in STEPS}
        results[name] = Rendered(layouts[name], arguments)
    return results


def write(result: Rendered) -> None:
    """Write what a deployment declares into the case's tree, after Apache has accepted it."""
    config = configuration(result, "wsgi_app")
    changed = tree.changes(config.entries(result.layout))
    tree.check_staged(result.layout, changed)
    tree.apply(result.layout, changed)
    assert tree.changes(config.entries(result.layout)) == {}


def configuration(result: Rendered, role: str) -> Config:
    """Return what a role declares."""
    return Config(
        **{name: value for name, value in result.arguments[role].items() if name not in ("layout", "compare")}
    )


@pytest.mark.parametrize("name", CASES)
def test_apache_accepts_what_the_roles_declare(rendered: dict[str, Rendered], name: str) -> None:
    case, result = CASES[name], rendered[name]
    layout = result.layout
    write(result)
    completed = tree.ask_apache(layout, "-d", layout.root, "-f", f"{layout.root}/{layout.main}", "-D", "DUMP_VHOSTS")
    assert completed.returncode == 0, completed.stderr
    for record in case.apps:
        assert f"blue.{record['name']}.door" in completed.stdout
        assert f"green.{record['name']}.door" in completed.stdout
        assert record.get("server_name", "") in completed.stdout
    read = [path for path in Path(layout.root).glob("*/*.conf") if path.parent.name in READ]
    texts = [path.read_text() for path in [*read, *Path(layout.root).glob("ports.conf")]]
    listen = re.findall(r"(?m)^\s*Listen\s+(\S+)", "\n".join(texts))
    assert listen
    assert sorted(listen) == sorted(set(listen))


@pytest.mark.parametrize("name", ["Debian-6-port", "Debian-6-tls"])
def test_check_mode_accepts_sites_that_need_modules_which_the_run_would_enable(
    rendered: dict[str, Rendered], name: str
) -> None:
    result = rendered[name]
    write(result)
    for module in result.arguments["httpd"]["enable_modules"]:
        Path(result.layout.root, "mods-enabled", f"{module}.load").unlink()
    tree.check_staged(result.layout, tree.changes(configuration(result, "wsgi_app").entries(result.layout)))
    write(result)


@pytest.mark.parametrize("name", CASES)
def test_a_deployment_declares_all_that_the_roles_below_declare_alone(rendered: dict[str, Rendered], name: str) -> None:
    result = rendered[name]
    whole = configuration(result, "wsgi_app")
    entries = whole.entries(result.layout).entries
    for role in ("httpd", "mod_wsgi"):
        own = configuration(result, role)
        expected = own.entries(result.layout).entries
        assert expected
        assert {path: entries.get(path) for path in expected} == expected
        assert own.needs_restart
        assert set(own.needs_restart) <= set(whole.needs_restart)
    assert whole.unit == configuration(result, "httpd").unit


@pytest.mark.parametrize("name", CASES)
def test_every_file_says_who_wrote_it(rendered: dict[str, Rendered], name: str) -> None:
    for arguments in rendered[name].arguments.values():
        texts = [
            *arguments.get("sites", {}).values(),
            *arguments.get("confs", {}).values(),
            *arguments.get("modules", {}).values(),
        ]
        for text in [*texts, *([arguments["ports"]] if "ports" in arguments else [])]:
            assert text.startswith("#")
            assert tree.MARK in text[:400]
            assert "{{" not in text
            assert text.endswith("\n")


# The variables that the roles pass to the templates, and those that Ansible adds.
PASSED = {
    *("record", "mounts", "own_names", "waf_installed", "layout", "addresses", "mpm", "server", "limits", "module"),
    *("head", "mod_wsgi", "metrics", "only_from", "door", "sandbox", "handover", "folder", "ansible_managed"),
}


@pytest.mark.parametrize("template", sorted(path.name for path in (REPOSITORY / "httpd").glob("*.j2")))
def test_templates_read_only_what_they_are_passed(template: str) -> None:
    environment = Environment(autoescape=False)
    for name in ("regex_escape", "comment", "to_json", "dictsort"):
        environment.filters.setdefault(name, lambda value: str(value))
    environment.tests.setdefault("version", lambda value: bool(value))
    parsed = environment.parse((REPOSITORY / "httpd" / template).read_text())
    own = {node.name for node in parsed.find_all(nodes.Name) if node.ctx == "store"}
    assert meta.find_undeclared_variables(parsed) - own <= PASSED


@pytest.mark.parametrize("name", ["Debian-6-port", "RedHat-6-port"])
def test_systemd_reads_the_drop_in_of_apache(rendered: dict[str, Rendered], name: str, tmp_path: Path) -> None:
    text = rendered[name].arguments["httpd"]["unit"]
    assert tree.MARK in text[:400]
    unit = tmp_path / "apache2.service"
    unit.write_text(f"[Service]\nType=forking\nExecStart=/bin/true\n{text}")
    assert unit_figures.complaints(unit) == ""
    assert 2 < unit_figures.exposure(unit) <= 4


def test_options_that_4_9_4_does_not_know(rendered: dict[str, Rendered]) -> None:
    assert "WSGILazyInitialization On" in rendered["Debian-4-port"].arguments["mod_wsgi"]["confs"]["zz-grove-wsgi"]
    assert "WSGILazyInitialization" not in rendered["Debian-6-port"].arguments["mod_wsgi"]["confs"]["zz-grove-wsgi"]


def test_a_virtual_host_that_is_shared(rendered: dict[str, Rendered]) -> None:
    sites = rendered["Debian-6-shared"].sites
    assert sorted(sites) == [f"wsgi-{name}" for name in sorted([ONE, TWO, THREE])]
    holders = [text for text in sites.values() if "<VirtualHost *:18210>" in text]
    assert len(holders) == 1
    text = holders[0]
    assert [line.strip() for line in text.splitlines() if "ServerAlias" in line] == [
        "ServerAlias a.example.org",
        "ServerAlias b.example.org",
    ]
    scripts = [line.split()[1] for line in text[text.index("<VirtualHost *:") :].splitlines() if "ScriptAlias" in line]
    assert scripts == ["/two/three", "/two", "/"]
    everything, *locations = text[text.index("<VirtualHost *:") :].split("<Location ")[1:]
    assert "SetHandler none" in everything
    assert [location.split(">")[0] for location in locations] == ['"/"', '"/two"', '"/two/three"']
    assert "Require ip 10.0.0.0/8 ::1" in locations[0]
    assert "Require all granted" in locations[1]
    assert "Require all granted" in locations[2]
    assert "SetEnv DEEP yes" in locations[2]


@pytest.mark.parametrize("name", ["Debian-6-default", "RedHat-6-default"])
def test_apache_reads_the_site_without_a_name_first(rendered: dict[str, Rendered], name: str) -> None:
    assert sorted(rendered[name].sites) == [f"wsgi-0-{TWO}", f"wsgi-{ONE}"]
    test_apache_accepts_what_the_roles_declare(rendered, name)
    layout = rendered[name].layout
    completed = tree.ask_apache(layout, "-d", layout.root, "-f", f"{layout.root}/{layout.main}", "-D", "DUMP_VHOSTS")
    default = re.search(r"\*:18210 +is a NameVirtualHost\n +default server \S+ \((\S+):\d+\)", completed.stdout)
    assert default is not None, completed.stdout
    assert Path(default.group(1)).name == f"wsgi-0-{TWO}.conf"


def test_listen_lines_stand_once(rendered: dict[str, Rendered]) -> None:
    ports = rendered["RedHat-6-names"].arguments["wsgi_app"]["ports"]
    lines = [line for line in ports.splitlines() if line.startswith("Listen")]
    assert lines == ["Listen 127.0.0.1:18280", "Listen 18210", "Listen [::1]:18211"]
    ports = rendered["Debian-6-static"].arguments["wsgi_app"]["ports"]
    assert "Listen 127.0.0.1:18219\n" in ports


def test_private_certificates_are_secret_files(rendered: dict[str, Rendered]) -> None:
    result = rendered["Debian-6-tls"]
    secrets = result.arguments["wsgi_app"]["secret_files"]
    assert sorted(secrets) == [f"grove-tls/{TWO}.crt", f"grove-tls/{TWO}.key"]
    assert secrets[f"grove-tls/{TWO}.key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert f'SSLCertificateKeyFile "{result.layout.root}/grove-tls/{TWO}.key"' in result.sites[f"wsgi-{TWO}"]


def test_headers_of_clients_count_only_from_trusted_proxies(rendered: dict[str, Rendered]) -> None:
    text = rendered["Debian-6-proxies"].arguments["httpd"]["confs"]["zz-grove-server"]
    assert "RemoteIPInternalProxy 10.0.0.5 192.168.0.0/16 2001:db8::/32" in text
    assert "RequestHeader unset X-Forwarded-For env=!GROVE_TRUSTED_PROXY\n" in text
    text = rendered["Debian-6-port"].arguments["httpd"]["confs"]["zz-grove-server"]
    assert "RequestHeader unset X-Forwarded-For\n" in text
    assert "RemoteIP" not in text


def test_sites_of_both_families_are_the_same_but_for_paths(rendered: dict[str, Rendered]) -> None:
    def common(name: str) -> str:
        result = rendered[name]
        text = "".join(result.sites.values()).replace(str(Path(result.layout.root).parent), "")
        text = text.replace(re.escape(name), "HOST")
        for ours, theirs in (("/usr/sbin/rotatelogs", "/usr/bin/rotatelogs"), ("/var/log/httpd", "/var/log/apache2")):
            text = text.replace(ours, theirs)
        return text

    for records_name in RECORDS:
        assert common(f"RedHat-6-{records_name}") == common(f"Debian-6-{records_name}")


@pytest.mark.parametrize("name", ["Debian-6-port", "Debian-6-tls"])
def test_check_mode_accepts_sites_whose_account_map_and_certificate_come_later(
    rendered: dict[str, Rendered], name: str
) -> None:
    result = rendered[name]
    write(result)
    entries = {}
    for path in Path(result.layout.root, "sites-available").glob("wsgi-*.conf"):
        text = re.sub(r"(?<![\w-])(user|group)=\S+", r"\1=nobody-has-it", path.read_text())
        text = re.sub(r'(RewriteMap \S+) "rnd:[^"]+"', r'\1 "rnd:/nonexistent/slot.map"', text)
        text = re.sub(r'(SSLCertificate\w*) ".*"', r'\1 "/nonexistent/a.crt"', text)
        entries[f"sites-available/{path.name}"] = tree.Entry(content=text)
    assert entries
    with pytest.raises(TreeError, match="bad user name nobody-has-it"):
        tree.check_staged(result.layout, entries)
    tree.check_staged(result.layout, entries, early=True)
