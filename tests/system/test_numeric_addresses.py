"""What the header that is included into mod_wsgi changes: how the C library is asked for addresses in digits."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from httpd_modules import REPOSITORY, need

pytestmark = pytest.mark.debian_packages("apache2-dev", "gcc")

HEADER = REPOSITORY / "httpd" / "numeric_addresses.h"
# Prints of each address: the family that the C library is asked for, whether it has to look at all addresses of the
# host, and the family of the result.
PROGRAM = """
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include "apr_general.h"
#include "apr_network_io.h"

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    real = dlsym(RTLD_NEXT, "getaddrinfo");
    printf("%d %d ", hints->ai_family, (hints->ai_flags & AI_ADDRCONFIG) != 0);
    return real(node, service, hints, found);
}

int main(int count, char **words)
{
    apr_sockaddr_t *address;
    apr_pool_t *pool;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    for (int i = 1; i < count; i++)
        if (apr_sockaddr_info_get(&address, words[i], APR_UNSPEC, 80, 0, pool) == APR_SUCCESS)
            printf("%d\\n", address->family);
        else
            printf("none\\n");
    return 0;
}
"""
INET, INET6, ANY = 2, 10, 0


def asked(folder: Path, *options: str) -> list[str]:
    """Return what the program prints of an IPv4 address, an IPv6 address, and two texts that are none."""
    source, program = folder / "program.c", folder / "program"
    source.write_text(PROGRAM)
    words = subprocess.run(["apr-1-config", "--cppflags", "--includes"], capture_output=True, text=True, check=True)
    libraries = subprocess.run(["apr-1-config", "--link-ld", "--libs"], capture_output=True, text=True, check=True)
    command = ["gcc", "-Wall", "-Wextra", "-Werror", *words.stdout.split(), *options, "-o", str(program), str(source)]
    subprocess.run([*command, *libraries.stdout.split()], check=True)
    addresses = ["127.0.0.1", "::1", "300.0.0.1", "::g"]
    return subprocess.run([program, *addresses], capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_host_is_not_asked_for_all_its_addresses(tmp_path: Path) -> None:
    need("/usr/bin/apr-1-config", "apache2-dev")
    with_header = asked(tmp_path, "-include", str(HEADER))
    assert with_header == [f"{INET} 0 {INET}", f"{INET6} 0 {INET6}", f"{INET} 0 none", f"{ANY} 1 none"]
    # When APR asks no more, the header can go.
    without = asked(tmp_path)
    assert without[:2] == [f"{ANY} 1 {INET}", f"{ANY} 1 {INET6}"]
