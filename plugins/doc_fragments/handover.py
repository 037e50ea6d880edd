"""Options of the modules that hand the traffic of applications over."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment ``grove.wsgi.handover``."""

    DOCUMENTATION = r"""
options:
  keep:
    description: How many releases are kept besides those that the slots run.
    type: int
    default: 3
  program:
    description: Apache's program name in the process table.
    type: str
    default: apache2
  pid_file:
    description:
      - The file with the process id of Apache's parent. The slots' processes are its children. By default it is where
        the distribution of C(program) keeps it.
    type: path
  percent:
    description: The share of the requests that the release gets. With less than 100 the live release stays live.
    type: int
    default: 100
  cross_contract:
    description: Accept a release from before a contract.
    type: bool
    default: false
  starting:
    description:
      - How many applications Apache may just have started together. They share the processor, so that one that has
        given no answer yet gets this many times its C(start_timeout).
    type: int
    default: 1
  end:
    description:
      - What M(grove.wsgi.deployment) gets to end the deployment, C(apps) and C(base), and C(after), the applications
        with such a hook. It is ended unless one of these hooks is due. Empty where further steps follow.
    type: dict
    default: {}
"""
