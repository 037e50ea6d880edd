"""Two applications on one host: a deployment of one does not change the other."""

from __future__ import annotations

from load import releases, summary
from load.process import under_load
from switch_host import APP, LOAD, SwitchHost
from switch_plugin import OnEachHost


def test_neighbours(on_each_host: OnEachHost) -> None:
    """Deploy one of two applications while the inventory has a changed record of the other one, too."""

    def check_host(host: SwitchHost) -> None:
        folder = releases.make(host.folder / "sources" / "other", 1)
        other = {**releases.record(folder, name="other", listen=8301), "processes": 1}
        host.play("site.yml", wsgi_apps=[host.record(7), other])
        state = "cat /etc/apache2/sites-enabled/wsgi-other.conf; readlink /srv/wsgi/other/slots/*; pgrep -u other"
        before = host.run("sh", "-c", state)
        releases.make(host.folder / "sources" / "other", 2)
        with (
            host.load("deployed beside another") as run,
            under_load(f"http://{host.address}:8301", host.folder / "neighbour", *LOAD) as beside,
            run.window("switch", "deploy, with a changed record beside"),
        ):
            host.deploy(host.record(8), {**other, "threads": 3, "listen": 8302})
        assert host.run("sh", "-c", state) == before, f"the deployment of {APP} changed the other application"
        host.check_summary("the other application meanwhile", summary.summarize(beside))
        host.play("site.yml", wsgi_apps=[host.record(8)])
        assert "wsgi-other" not in host.run("ls", "/etc/apache2/sites-enabled"), "the removed record is still served"

    on_each_host(check_host)
