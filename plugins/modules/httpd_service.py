"""Have Apache running with the configuration that was written."""

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_service
short_description: Apache runs, and runs what was written
description:
  - Starts Apache where it does not run, and reloads it where files that M(grove.wsgi.httpd_config) wrote were not read
    by the running server yet. A restart is made only for files that were declared to need one.
  - This compares states and does not depend on a handler, so that a run which was interrupted between writing and
    loading is finished by the next one.
  - The configuration is checked before each of these. When Apache refuses it, the running server is left alone. When
    Apache stops all the same, it is started again with the configuration that it ran with before.
options:
  layout:
    description: Where the distribution keeps Apache's files, C(httpd_layout) of the role C(httpd).
    type: dict
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Load what was written
  grove.wsgi.httpd_service:
    layout: "{{ httpd_layout }}"
"""

RETURN = r"""
action:
  description: One of C(none), C(start), C(reload) and C(restart).
  type: str
  returned: always
because:
  description: The paths relative to ServerRoot that were the reason.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import control as httpd_control
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import last_good as httpd_last_good
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import loaded as httpd_loaded
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import tree as httpd_tree


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"layout": {"type": "dict", "required": True}}, supports_check_mode=True)
    try:
        layout = httpd_tree.Layout.of(module.params["layout"])
        parent = httpd_control.parent_pid(layout)
        because: list[str] = []
        if parent is None:
            action = "start"
        else:
            because, needs_restart = httpd_loaded.pending(parent)
            action = "restart" if needs_restart else "reload" if because else "none"
        enabled = httpd_control.enable_at_boot(layout, dry=module.check_mode)
        if action != "none" and not module.check_mode:
            act = {"start": httpd_control.start, "reload": httpd_control.reload, "restart": httpd_control.restart}
            try:
                parent = act[action](layout)
            except httpd_control.ControlError as error:
                raise httpd_control.ControlError(f"{error}{httpd_control.recover(layout)}") from error
            httpd_loaded.note_loaded(parent)
            httpd_last_good.keep(layout.root)
    except (httpd_tree.TreeError, httpd_control.ControlError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=action != "none" or enabled,
        action=action,
        because=because,
        diff={"before": "", "after": f"{action}: {', '.join(because)}\n" if action != "none" else ""},
    )


if __name__ == "__main__":
    main()
