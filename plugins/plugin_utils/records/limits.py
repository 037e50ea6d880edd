"""The limits of a record's values, each with its reason. Numbers are inclusive."""

from __future__ import annotations

from dataclasses import dataclass

from ..mpm import MOST_SERVERS, MOST_THREADS


@dataclass(frozen=True)
class Range:
    """The least and the greatest number that a key may have."""

    least: int
    greatest: int

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and self.least <= number <= self.greatest

    def __str__(self) -> str:
        return f"from {self.least} to {self.greatest}"


RANGES = {
    # One process has to answer; beyond 512 a number is a typing error, and the MPM cannot feed so many.
    "processes": Range(1, 512),
    "threads": Range(1, 512),
    # Seconds. A start or a drain of an hour is a broken application, and the deployment's lease is no longer.
    "start_timeout": Range(1, 3600),
    "drain_timeout": Range(0, 3600),
    # Bytes: LimitRequestBody takes 0 for no limit; 1 TiB is beyond what a WSGI application can read.
    "max_body": Range(0, 1 << 40),
    # Bytes. With less, ordinary clients are refused; more than a megabyte in each of 100 headers would fill the memory.
    "max_url": Range(1024, 1 << 20),
    "max_header": Range(1024, 1 << 20),
    # Bytes. mod_wsgi takes no less; it clears so much memory for each request.
    "max_response_header": Range(8192, 1 << 20),
    # Bytes, in a temporary file; 0 is off. More than 1 GiB for one request would let a few clients fill a disk.
    "buffer_body": Range(0, 1 << 30),
    "buffer_answer": Range(0, 1 << 30),
    # Megabytes: with less than 64 Python itself cannot import an application; 1 TiB is more than a host has.
    "memory_limit": Range(64, 1 << 20),
    # Seconds, a day at most; 0 is no limit.
    "request_timeout": Range(0, 86_400),
    # Bytes. With less than a megabyte a few tracebacks are all that is kept; 1 TiB is more than a disk for logs has.
    "max_log": Range(1 << 20, 1 << 40),
    # Days: the files of today are always kept, and ten years are for ever.
    "log_days": Range(1, 3650),
}
# Bytes of a line in the head of a request, in Apache's own configuration (LimitRequestLine, LimitRequestFieldSize).
APACHE_LINE = 8190
# Seconds: systemd kills an agent that does not end, and a deployment waits for an agent to settle.
AGENT_RANGES = {"stop_timeout": Range(1, 3600), "settle": Range(1, 120)}
# Seconds that an agent may take to end: as long as the drain of a slot.
AGENT_STOP_TIMEOUT = 60
# Seconds that an agent has to stay up: most programs that cannot work end within two.
AGENT_SETTLE = 4
# Seconds after which systemd kills an agent that has a lease and does not tell that it renews it: WATCHDOG_SECONDS of
# wsgi/grove_runtime/lease_rules.py.
AGENT_WATCHDOG = 16
# Seconds that such an agent has, after its own time to end, to be killed and to give the lease back.
AGENT_GIVE_BACK = 15
# TCP ports.
PORTS = Range(1, 65_535)
# A final answer has 200 or more. Apache itself answers 500 and more for an application that fails.
HEALTH_STATUSES = Range(200, 499)
# The longest common name of a certificate (X.520); the full host name stands in the alternative names.
COMMON_NAME_LENGTH = 64
# Digits of a port as text.
PORT_DIGITS = 5
# Characters of an application's name: an account's name has 32, and cron and process titles add to it.
NAME_LENGTH = 30
# Characters of a timer's or an agent's name: together with an application's name it makes the name of a unit.
UNIT_NAME_LENGTH = 31
# Characters of a value that a message shows.
SHOWN_LENGTH = 80
# Characters of a record's or key's name, of the actual value, and of a remedy in a message. The longest remedy lists
# all keys of a record.
NAME_SHOWN_LENGTH = 120
ACTUAL_SHOWN_LENGTH = 400
REMEDY_SHOWN_LENGTH = 1000
# Problems that a message lists; it counts the others. Who mends so many starts again with a new list.
PROBLEMS_SHOWN = 50
# Characters of an unknown key for which a similar known one is looked for: the comparison takes quadratic time.
COMPARED_LENGTH = 40
# Characters of a host name, and of a part of it between two dots (RFC 1035).
HOST_NAME_LENGTH = 253
HOST_LABEL_LENGTH = 63
# Characters of a URL path: the least max_url.
URL_PATH_LENGTH = 1024
# Bytes of a path, and of a name in it (PATH_MAX and NAME_MAX of Linux).
PATH_BYTES = 4095
FILE_NAME_BYTES = 255
# Bytes of one argument or variable with the NUL at its end (MAX_ARG_STRLEN of Linux).
ARGUMENT_BYTES = 131_072
# Bytes of all variables of a record: half of what the kernel has for arguments and environment with its usual stack.
ENVIRONMENT_BYTES = 1 << 20
# The largest number in a dictionary: JSON, SQL and C's long have 64 bits.
LARGEST_NUMBER = (1 << 63) - 1
# The largest value of an option of WSGIDaemonProcess: mod_wsgi reads it into an int.
LARGEST_OPTION = (1 << 31) - 1
# The priorities of Linux, for cpu-priority.
CPU_PRIORITIES = Range(-20, 19)
# Threads of a process, for records without the key: 3 are the best for Pecan by measurement, 5 the advice of mod_wsgi.
THREADS = {"pecan": 3, "paste": 5, "module": 5}
# Lists and dictionaries inside each other in the arguments of an entry; more is a mistake.
ENTRY_DEPTH = 20
# Files of requirements that include each other; more is a circle.
REQUIREMENTS_FILES = 50
# Numbers of the roles' variables. Those without an entry are any whole numbers.
RANGES_OF_VARIABLES = {
    # Percent; 0 would build a release that nothing asks for.
    "wsgi_app_percent": Range(1, 100),
    "wsgi_app_keep_releases": Range(0, 1000),
    "wsgi_app_processes": Range(0, 512),
    # Days: browsers refuse certificates of more than 398 days, and ten years is what the authority has itself.
    "wsgi_app_tls_days": Range(1, 3650),
    # Apache compiles in these limits of ServerLimit (a quarter of it, see mpm.py) and ThreadLimit.
    "httpd_server_limit": Range(0, MOST_SERVERS),
    "httpd_threads_per_child": Range(0, MOST_THREADS),
    "httpd_address_connections": Range(0, 100_000),
    # Seconds, a day at most.
    "httpd_timeout": Range(1, 86_400),
    "httpd_keepalive_timeout": Range(0, 86_400),
    "debian_packages_reboot_seconds": Range(10, 86_400),
    # Bytes.
    "httpd_max_url_for_applications": RANGES["max_url"],
    "httpd_max_header_for_applications": RANGES["max_header"],
    # Seconds.
    "mod_wsgi_telemetry_interval": Range(1, 60),
    "httpd_log_days": Range(1, 36_500),
    "httpd_apt_valid_time": Range(0, 31_536_000),
    # Connections, hosts, and seconds: an hour at most.
    "load_balancer_max_connections": Range(10, 1_000_000),
    "load_balancer_router_id": Range(1, 255),
    "load_balancer_serial": Range(1, 10_000),
    "load_balancer_drain": Range(1, 3600),
    "load_balancer_wait": Range(1, 3600),
    # Connections, and megabytes: a terabyte is more than a host has.
    "database_max_connections": Range(1, 100_000),
    "database_expected_connections": Range(0, 100_000),
    "database_buffer_pool": Range(1, 1 << 20),
    "message_bus_memory": Range(1, 1 << 20),
    "message_bus_disk_free": Range(1, 1 << 20),
    "message_bus_open_files": Range(1, 1 << 20),
    "message_bus_unread_notifications": Range(0, LARGEST_OPTION),
    "cache_memory": Range(1, 1 << 20),
    "cache_max_connections": Range(1, 1 << 20),
}
