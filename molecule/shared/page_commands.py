"""The commands of README.md and docs/*.md: where each is run as it stands there, or why none of the tests runs it.

``commands`` reads them from the pages. tests/unit/test_page_commands.py fails for a command that is in none of the
tables below, and for one of the tables that is on no page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
# By these, a command in a sentence is known.
PROGRAMS = (
    r"\./grove|/srv/wsgi/[^ ]+|tests/[^ ]+|apachectl|apt-get|cat|curl|df|du|findmnt|grep|journalctl|podman|ps|systemctl"
    "|userdel|uv"
)
INLINE_COMMAND = re.compile(rf"({PROGRAMS}) \S")
# Pages and sections whose commands a scenario reads from the page itself.
READ_FROM_THE_PAGE = {
    ("cookbook.md", ""): "molecule/gallery/page.py",
    ("openstack.md", "The first server"): "molecule/openstack/test_first_server.py",
    **{
        ("runbook.md", section): "molecule/runbook/entries.py"
        for section in ("Deployments", "Answers", "The host", "The database", "Loss", "Secrets")
    },
}


def commands() -> list[str]:
    """Return the commands of the blocks and of the text, without comments, each once, in the order of the pages.

    Those that a scenario reads from the page itself are left out.
    """
    found: list[str] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name, heading in READ_FROM_THE_PAGE:
            if name == page.name:
                before, _, rest = text.partition(f"\n## {heading}")
                text = before + "\n## ".join(["", *rest.partition("\n## ")[2:]]) if heading else ""
        for block in BLOCK.findall(text):
            joined = re.sub(r"\\\n\s*", "", block)
            joined = re.sub(r"\|\n\s*", "| ", joined)
            found += (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
        outside = FENCE.sub("", text).replace(r"\|", "|")
        found += (code for code in INLINE.findall(outside) if INLINE_COMMAND.match(code))
    return list(dict.fromkeys(filter(None, found)))


@dataclass(frozen=True)
class Run:
    """A command that a scenario runs.

    names: what a reader writes in the place of the page's names; ``IDLE`` stands for a release that does not serve.
    shows: a pattern that is in the output. before: a command that makes the state in which a reader types this one.
    """

    command: str
    shows: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    status: int = 0

    def words(self, idle: str = "") -> str:
        """Return the command with the host's own names."""
        text = self.command
        for name, own in self.names.items():
            text = text.replace(name, own)
        return text.replace("IDLE", idle)


TEST1 = {"bookstore": "test1", "0123456789ab": "IDLE"}
TELEMETRY = {"NAME": "telemetry", "glance": "telemetry", "nova": "telemetry"}
CHANGE = "echo '# changed' >>wsgi/pecan_test_project/config.py"
LIVE = r"test1: http://127\.0\.0\.1:8080/ is healthy, release \w{12} in (blue|green)"
BACK = r"test1: back to release \w{12} in (blue|green)"
# On a host that is its own controller, in the repository: molecule/no-systemd.
ON_A_CONTROLLER = (
    Run("./grove site --check --diff", r"changed=0 "),
    Run("./grove status", r"telemetry +"),
    Run("./grove site --verbose", r"(?m)^PLAY RECAP \*+$"),
    Run("./grove site --profile", r"(?m)^Where the time went: "),
    Run("./grove doctor", r"ok +apps +healthy: telemetry \(\w{12}\)"),
    Run("./grove routes -e app=glance", "controller /v2 ", TELEMETRY),
    Run(
        """./grove routes -e app=glance -e "explain='GET /v2/images'\"""",
        "V2Controller",
        {**TELEMETRY, "images": "meters"},
    ),
    Run("./grove routes -e app=glance -e json=glance.json", "", TELEMETRY),
    Run(
        """./grove routes -e app=NAME -e "explain='GET /v2/meters?limit=1'\"""",
        "V2Controller",
        {**TELEMETRY, "NAME": "telemetry"},
    ),
    Run(
        r"""./grove routes -e app=nova -e '{"explain": "POST /v2.1/servers/7/action {\"reboot\": {}}"}'""",
        "POST /v2/meters",
        {**TELEMETRY, "/v2.1/servers/7/action": "/v2/meters/cpu"},
    ),
    Run("/srv/wsgi/glance/run python {release}/runtime/grove_routes --help", "usage:", TELEMETRY),
    Run("""./grove trace -e app=NAME -e "request='GET /v2/meters?limit=1'\"""", r"GET /v2/meters: \d+ ", TELEMETRY),
    Run("""./grove trace -e app=NAME -e "request='GET /v2/meters'" -e json=trace.json""", "", TELEMETRY),
    Run("/srv/wsgi/telemetry/run telemetry-upgrade --config-file {etc}/telemetry.conf"),
    Run("./grove logs -e app=NAME", " access ", {"NAME": "telemetry"}),
    Run("./grove logs -e app=NAME -e since=1h", " access ", {"NAME": "telemetry"}),
    Run("./grove capacity", r"telemetry: beyond \d+ requests at once: 503 after 15 s"),
    Run("./grove report", r"the page is in .*/report\.html"),
    Run("./grove sbom -e to=FOLDER", "", {"FOLDER": "/root/documents"}),
    Run("./grove lock -e app=NAME", r"requirements\.lock: \d+ packages for Python 3\.11", {"NAME": "test1"}),
    Run("./grove lock -e app=NAME -e upgrade=PACKAGE", "nothing to change", {"NAME": "test1", "PACKAGE": "pecan"}),
    Run("./grove deploy -e app=bookstore", LIVE, TEST1, CHANGE),
    Run("./grove rollback -e app=bookstore", BACK, TEST1),
    Run("./grove canary -e app=bookstore -e percent=10", "10 %", TEST1),
    Run("./grove canary -e app=bookstore -e percent=0", "", TEST1),
    Run("./grove canary -e app=bookstore -e percent=50 -e release=0123456789ab", "50 %", TEST1),
    Run("./grove canary -e app=bookstore -e percent=100", "", TEST1),
    Run("./grove rollback -e app=bookstore -e release=0123456789ab", BACK, TEST1),
)
# The same, when telemetry is no longer in the inventory.
AFTER_THE_REMOVAL = (
    Run("userdel NAME && rm -rf /srv/wsgi/NAME /var/lib/NAME /var/log/NAME", "", {"NAME": "telemetry"}),
)
TEST2 = {"NAME": "test2", "AGENT": "agent", "TIMER": "timer", "FOLDER": "/srv/wsgi"}
DOOR = {"books.example.org:8080": "127.0.0.1:8080"}
# On a host with systemd and the sample project: molecule/default.
ON_A_HOST = (
    Run(
        "curl -i -H @/var/lib/grove/door.header -H 'X-Grove-Slot: blue' -H 'Host: books.example.org:8080'"
        " http://127.0.0.1:8080/",
        r"^HTTP/1\.1 200 OK",
        DOOR,
    ),
    Run(
        "curl -i -H @/var/lib/grove/door.header -H 'X-Grove-Slot: green' http://127.0.0.1:8080/",
        r"^HTTP/1\.1 200 OK",
    ),
    Run(
        "curl -H @/var/lib/grove/door.header -H 'Host: status.door' 'http://127.0.0.1:9080/?auto'",
        r"(?m)^BusyWorkers: \d+$",
    ),
    Run("apachectl -S", r"wsgi-test2\.conf"),
    Run("ps -u NAME -o pid,rss,etime,args", r"(?m)^ *\d+ +\d+ .* b-test2\b", TEST2),
    Run("cat /srv/wsgi/NAME/slot.map", "blue", TEST2),
    Run("cat /srv/wsgi/NAME/slots/blue/RELEASE.json", '"inputs"', TEST2),
    Run("systemctl status 'grove-NAME-*'", "", TEST2),
    Run("systemctl list-timers 'grove-NAME-*'", "timers listed", TEST2),
    Run("systemctl cat apache2 'grove-NAME-*'", r"20-grove\.conf", TEST2),
    Run("journalctl -u grove-NAME-AGENT", "", TEST2),
    Run("journalctl -u grove-NAME-TIMER", "", TEST2),
    Run("journalctl -u apache-metrics -n 20", "Started apache-metrics.service"),
    Run("systemctl reload apache2"),
    Run("systemctl status apache-metrics", "active \\(running\\)"),
    Run("findmnt -T FOLDER", "TARGET", TEST2),
    Run("df -hi FOLDER", "IFree", TEST2),
    # No request was refused.
    Run("grep ModSecurity /var/log/apache2/NAME-error.log", "^$", TEST2, status=1),
)
# The same command with other names, which is run.
SAME = {
    "./grove deploy -e app=NAME": "./grove deploy -e app=bookstore",
    "./grove rollback -e app=NAME": "./grove rollback -e app=bookstore",
    "./grove canary -e app=NAME -e percent=10": "./grove canary -e app=bookstore -e percent=10",
    "./grove deploy -i inventory/mine -e app=nova": "./grove deploy -e app=bookstore",
    "./grove lock -i inventory/mine -e app=bookstore": "./grove lock -e app=NAME",
    "./grove status -i inventory/mine": "./grove status",
    "./grove doctor -i inventory/mine": "./grove doctor",
    "./grove rotate_secrets": "./grove rotate_secrets -i inventory/mine",
    "./grove rotate_fernet": "./grove rotate_fernet -i inventory/mine",
    "journalctl -u grove-nova-scheduler": "journalctl -u grove-NAME-AGENT",
    "journalctl -u grove-nova-lost-builds": "journalctl -u grove-NAME-AGENT",
}
# Commands that another test runs, with its file and a text in it.
ELSEWHERE = {
    "./grove site": ("molecule/no-systemd/test_alone.py", "./grove site"),
    "./grove site -i inventory/mine": ("molecule/gallery/test_gallery.py", "Then run `"),
    "./grove site -i inventory/openstack": (".config/molecule/config.yml", "inventory/openstack"),
    "./grove site -i inventory/cluster": ("molecule/fleet/records.yml.j2", "inventory/cluster"),
    "curl -s 'http://127.0.0.1:9119/;csv'": ("molecule/fleet/test_cluster.py", "http://127.0.0.1:9119/;csv"),
    "journalctl -u haproxy": ("plugins/module_utils/load_balancer/process.py", "--unit={self.unit}"),
    "journalctl -u grove-database-proxy": ("plugins/module_utils/load_balancer/process.py", "--unit={self.unit}"),
    "journalctl -u grove-database-health": ("molecule/cluster/test_cluster_faults.py", "grove-database-health"),
    "systemctl stop grove-database-health": (
        "molecule/cluster/test_cluster_faults.py",
        '"stop", "grove-database-health"',
    ),
    "ip -brief address show to 192.0.2.10": ("molecule/shared/cluster_hosts.py", '"address", "show", "to"'),
    "systemctl stop keepalived": ("molecule/fleet/test_shared_address.py", '"stop", "keepalived"'),
    "journalctl -u keepalived": ("molecule/fleet/test_shared_address.py", "--unit=keepalived"),
    "systemctl disable --now keepalived haproxy": (
        "molecule/fleet/test_shared_address.py",
        '"disable", "--now", "keepalived", "haproxy"',
    ),
    "./grove scale_out -e host=NAME": ("molecule/fleet/test_cluster.py", "playbooks/scale_out.yml"),
    "./grove scale_in -e host=NAME": ("molecule/fleet/test_cluster.py", "playbooks/scale_in.yml"),
    "./grove update_hosts": ("molecule/fleet/test_cluster.py", "playbooks/update_hosts.yml"),
    "./grove update_hosts -i inventory/mine": ("molecule/fleet/test_cluster.py", "playbooks/update_hosts.yml"),
    "./grove scale_out -i inventory/mine -e host=api3": (
        "molecule/fleet/test_cluster.py",
        "playbooks/scale_out.yml",
    ),
    "./grove scale_in -i inventory/mine -e host=api3": (
        "molecule/fleet/test_cluster.py",
        "playbooks/scale_in.yml",
    ),
    "./grove canary -i inventory/mine -l api1 -e app=bookstore -e percent=10": (
        "molecule/fleet/test_cluster.py",
        '"playbooks/canary.yml", "--limit", first.name',
    ),
    "./grove replace -e host=NAME": ("molecule/fleet/test_cluster.py", "playbooks/replace.yml"),
    "./grove replace -i inventory/mine -e host=api2": (
        "molecule/fleet/test_cluster.py",
        "playbooks/replace.yml",
    ),
    "./grove replace -i inventory/mine -e host=db3": (
        "molecule/galera/test_galera.py",
        "playbooks/replace.yml",
    ),
    "./grove replace -e host=db3": ("molecule/galera/test_galera.py", "playbooks/replace.yml"),
    "./grove scale_out -i inventory/mine -e host=db4,db5": (
        "molecule/galera/test_galera.py",
        "playbooks/scale_out.yml",
    ),
    "./grove scale_out -e host=db4,db5": ("molecule/galera/test_galera.py", "playbooks/scale_out.yml"),
    "./grove scale_in -i inventory/mine -e host=db4,db5": (
        "molecule/galera/test_galera.py",
        "playbooks/scale_in.yml",
    ),
    "./grove replace": ("molecule/fleet/test_cluster.py", "playbooks/replace.yml"),
    "./grove site -e database_lost_hosts=db3": ("molecule/galera/test_galera.py", 'database_lost_hosts="db3"'),
    "./grove site -e message_bus_lost_hosts=mq3": (
        "molecule/message-bus/test_message_bus.py",
        'message_bus_lost_hosts="mq3"',
    ),
    "./grove backup": ("molecule/galera/test_galera.py", "playbooks/backup.yml"),
    "./grove backup -i inventory/mine": ("molecule/galera/test_galera.py", "playbooks/backup.yml"),
    "./grove backup -i inventory/mine --check": ("molecule/galera/test_galera.py", "playbooks/backup.yml"),
    "./grove restore": ("molecule/galera/test_galera.py", "playbooks/restore.yml"),
    "./grove restore -e backup=FOLDER": ("molecule/galera/test_galera.py", "playbooks/restore.yml"),
    "./grove restore -i inventory/mine -e backup=FOLDER": ("molecule/galera/test_galera.py", "playbooks/restore.yml"),
    "./grove restore -i inventory/mine -e backup=inventory/mine/backups/2026-01-31T02-00-00Z": (
        "molecule/galera/test_galera.py",
        "playbooks/restore.yml",
    ),
    "./grove scale_out": ("molecule/fleet/test_cluster.py", "playbooks/scale_out.yml"),
    "./grove rollback": ("molecule/fleet/test_cluster.py", "playbooks/rollback.yml"),
    "./grove audit": ("molecule/shared/checks/test_audit.py", "playbooks/audit.yml"),
    "./grove infrastructure": ("playbooks/hosts/site.yml", "infrastructure.yml"),
    "./grove rotate_secrets -i inventory/mine": ("molecule/openstack-changes/test_changes.py", "rotate_secrets.yml"),
    "./grove rotate_fernet -i inventory/mine": ("molecule/openstack-changes/test_changes.py", "rotate_fernet.yml"),
    "systemctl status apache2": ("molecule/handover/test_handover.py", '"systemctl", "show"'),
    "systemctl restart apache2": ("molecule/handover/test_handover.py", '"systemctl", "restart", "apache2"'),
    "systemctl stop apache2": ("molecule/handover/test_handover.py", '"systemctl", "stop", "apache2"'),
    "mkdir -p /run/systemd/system/apache2.service.d": ("molecule/handover/test_handover.py", "mkdir -p /run/systemd"),
    "printf '[Unit]\\nRefuseManualStop=no\\n' >/run/systemd/system/apache2.service.d/90-stop.conf": (
        "molecule/handover/test_handover.py",
        "90-stop.conf",
    ),
    "systemctl daemon-reload && systemctl stop apache2": (
        "molecule/handover/test_handover.py",
        "systemctl daemon-reload && systemctl stop apache2",
    ),
    "apachectl configtest": ("molecule/handover/test_handover.py", '"apachectl", "configtest"'),
    "grep ID output.log": ("molecule/default/test_logs.py", 'log_with("test1-output", identifier)'),
    ". /etc/openstack/openrc": ("molecule/shared/cloud.py", ". /etc/openstack/openrc"),
    "openstack token issue": ("molecule/openstack/test_openstack.py", "openstack token issue"),
    "molecule/shared/host.py create grove-try bookworm": ("molecule/shared/create.yml", "host.py"),
    "molecule/shared/host.py destroy grove-try": ("molecule/shared/destroy.yml", "host.py"),
    "molecule/shared/host.py restart grove-try": ("molecule/default/test_restart.py", '"restart"'),
    "python -m tests.load run http://10.88.0.5:8300 /tmp/run &": ("tests/load/process.py", '"tests.load", "run"'),
    "python -m tests.load report /tmp/run": ("tests/system/test_load.py", '"tests.load"'),
    'python -m tests.load mark /tmp/run begin switch "release 2"': ("tests/system/test_load.py", '"tests.load"'),
    "python -m tests.load release /tmp/r1 1": ("tests/system/test_load.py", '"tests.load"'),
}
A_VERB = "the text names a verb or a program; its commands stand in full elsewhere"
A_TEST = "it runs tests, or what they are run on"
# Commands that no test runs, with the reason.
SHOWN = {
    "./grove lock": A_VERB,
    "./grove logs": A_VERB,
    "./grove routes": A_VERB,
    "./grove trace": A_VERB,
    "./grove VERB": A_VERB,
    "journalctl -u": A_VERB,
    "curl -H @/var/lib/grove/door.header": A_VERB,
    "/srv/wsgi/NAME/run COMMAND…": A_VERB,
    "ssh -N -L 9118:127.0.0.1:9118 root@web1.example.org": "it runs until a person ends it",
    "apachectl graceful": "the text advises against it",
    "./grove update_hosts -e interrupt=true": "it interrupts apps that no other host serves",
    "./grove site -b -K": "it asks a person for a password",
    "./grove audit -e audit_refresh=true -e json=/var/lib/audit.json >/var/log/audit.txt || mail …": "it sends mail",
    **dict.fromkeys(
        (
            "./grove test",
            "./grove test lint",
            "./grove test unit -k records",
            "./grove test tempest",
            "./grove test trixie -x",
            ". .venv/bin/activate",
            "molecule converge -s trixie",
            "molecule verify -s trixie",
            'PYTEST_ADDOPTS="-k NAME" molecule verify -s trixie',
            "molecule destroy -s trixie",
            "molecule converge -s tempest && molecule verify -s tempest",
            "molecule/shared/host.py exec grove-try bash",
            "tests/load/hostile.py headers http://10.88.0.5:8300/ --clients 500 --seconds 60",
            "tests/load/hostile.py readers 'http://10.88.0.5:8300/large?pieces=64' --clients 200 --seconds 60",
            "podman exec -it NAME runuser -u tempest -- env --chdir=/var/lib/tempest HOME=/var/lib/tempest"
            " /opt/tempest/bin/tempest run --config-file tempest.conf --regex tempest.api.volume",
            "printf '%s\\n' tempest==47.0.0 {keystone,cinder,neutron,telemetry}-tempest-plugin 'jsonpath-ng<1.8' |"
            " uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate"
            " -o tempest.lock -",
        ),
        A_TEST,
    ),
}
