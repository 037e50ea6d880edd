"""Service users, services and endpoints in a keystone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: catalogue
short_description: Service users, roles, services and endpoints of the OpenStack services are in keystone
description:
  - Makes the project of the service users, the users with their passwords and roles, the services and their endpoints,
    all in one process and with one session.
  - Sets the password of a user only when the user does not get a token with it. In the end, every user has to get a
    token, and every endpoint has to be in the catalogue of the administrator's token.
  - Needs openstacksdk, which the role C(openstack_client) installs; set C(ansible_python_interpreter) for the task.
options:
  auth_url:
    description: The URL of keystone with the version, such as C(http://127.0.0.1:5000/v3).
    type: str
    required: true
  username:
    description: The administrator.
    type: str
    required: true
  password:
    description: The administrator's password.
    type: str
    required: true
  project_name:
    description: The administrator's project.
    type: str
    default: admin
  region:
    description: The region of the endpoints.
    type: str
    default: RegionOne
  service_project:
    description: The project of the service users.
    type: str
    default: service
  users:
    description: Service users.
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: The service whose user it is.
        type: str
        required: true
      name:
        description: The user's name.
        type: str
        required: true
      password:
        description: The user's password.
        type: str
        required: true
      roles:
        description: The user's roles on C(service_project).
        type: list
        elements: str
        default: [service]
  endpoints:
    description:
      - Entries of the catalogue, each with C(service), C(type), C(name), C(description) and C(url), and with
        C(internal_url) and C(admin_url) where these differ.
    type: list
    elements: dict
    default: []
  retire:
    description: Whether users of older generations are removed, such as C(nova_1) when C(nova_2) is one of the users.
    type: bool
    default: false
  timeout:
    description: Seconds that keystone may take to answer a request.
    type: int
    default: 30
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Write users and endpoints
  grove.wsgi.catalogue:
    auth_url: http://127.0.0.1:5000/v3
    username: admin_1
    password: "{{ password }}"
    users:
      - {service: nova, name: nova_1, password: "{{ nova_password }}", roles: [service]}
    endpoints:
      - {service: nova, type: compute, name: nova, description: Compute, url: "http://127.0.0.1:8774/v2.1"}
"""

RETURN = r"""
changes:
  description: A line for each change that was made, or would be in check mode.
  type: list
  returned: always
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.openstack import catalogue

# Names of users are not secret: changes and errors have to show them.
USER: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "roles": {"type": "list", "elements": "str", "default": ["service"]},
}
REMEDY = "run again when the cause is gone; what is done stays"


class Keystone:
    """Logs in to a keystone."""

    def __init__(self, auth_url: str, timeout: int) -> None:
        """Take the URL with the version, and the seconds that a request may take."""
        from keystoneauth1 import session

        self.auth_url = auth_url
        self.session = session.Session(timeout=timeout)

    def password(self, username: str, password: str, project: str) -> Any:
        """Return an authentication, which logs in when it is first used."""
        from keystoneauth1.identity import v3

        domain = catalogue.DOMAIN
        scope = {"project_name": project, "project_domain_id": domain} if project else {"unscoped": True}
        return v3.Password(self.auth_url, username=username, password=password, user_domain_id=domain, **scope)

    def log_in(self, username: str, password: str, project: str) -> Any:
        """Return an administrator's access. Raises CatalogueError."""
        from keystoneauth1 import exceptions

        step = f"keystone: the step 'log in as {username}'"
        try:
            return self.password(username, password, project).get_access(self.session)
        except exceptions.Unauthorized:
            raise catalogue.CatalogueError(
                f"{step} is refused: {self.auth_url} does not accept the password in openstack_secrets_dir. If the"
                " password was changed elsewhere, write it there; or set the password of that folder in keystone: run"
                " /srv/wsgi/keystone/run sh {etc}/bootstrap.sh on its host. Then run again"
            ) from None
        except exceptions.ConnectFailure:
            raise catalogue.CatalogueError(
                f"{step} gets no answer from {self.auth_url}. Does Apache run on keystone's host, and does"
                f" openstack_keystone_url name it? {REMEDY}"
            ) from None
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise catalogue.CatalogueError(
                f"{step} fails at {self.auth_url}: {reason}. Apache's error log of keystone has the reason; {REMEDY}"
            ) from error

    def gets_token(self, username: str, password: str) -> bool:
        """Return whether an account gets a token."""
        from keystoneauth1 import exceptions

        try:
            self.password(username, password, "").get_access(self.session)
        except exceptions.Unauthorized:
            return False
        return True


def run(params: dict[str, Any], *, dry: bool) -> list[str]:
    """Change keystone as the module's arguments say, and return a line for each change. Raises CatalogueError."""
    from openstack import connection

    keystone = Keystone(params["auth_url"], params["timeout"])
    admin = (params["username"], params["password"], params["project_name"])
    access = keystone.log_in(*admin)
    description = catalogue.Description(
        project=params["service_project"],
        region=params["region"],
        users=params["users"],
        endpoints=params["endpoints"],
        retire=params["retire"],
        keep=[params["username"]],
    )
    own = keystone.password(*admin)
    own.auth_ref = access
    keystone.session.auth = own
    cloud = connection.Connection(
        session=keystone.session, identity_api_version="3", identity_endpoint_override=params["auth_url"]
    )
    reconciler = catalogue.Reconciler(cloud.identity, keystone.gets_token, description, dry=dry)
    reconciler.run()
    if not dry:
        if reconciler.changes:
            access = keystone.log_in(*admin)
        missing = catalogue.missing_endpoints(access.service_catalog.catalog, description)
        if missing:
            raise catalogue.CatalogueError(
                f"{', '.join(missing)}: the step 'find its endpoints in the catalogue of a token' fails, although"
                " keystone has them. Is the service disabled (openstack service list --long)? Run again when it is not"
            )
    return reconciler.changes


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "auth_url": {"type": "str", "required": True},
            "username": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "project_name": {"type": "str", "default": "admin"},
            "region": {"type": "str", "default": "RegionOne"},
            "service_project": {"type": "str", "default": "service"},
            "users": {"type": "list", "elements": "dict", "default": [], "options": USER},
            "endpoints": {"type": "list", "elements": "dict", "default": []},
            "retire": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    try:
        changes = run(module.params, dry=module.check_mode)
    except ImportError as error:
        module.fail_json(
            msg=f"keystone: {error}; the module needs openstacksdk: set ansible_python_interpreter of the task to the"
            " Python of the role openstack_client"
        )
    except catalogue.CatalogueError as error:
        module.fail_json(msg=str(error))
    after = "".join(f"{line}\n" for line in changes)
    module.exit_json(changed=bool(changes), changes=changes, diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
