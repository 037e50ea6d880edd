/* Included before every source file of mod_wsgi, which the role mod_wsgi builds.
 *
 * For each request, a daemon process of mod_wsgi 6.1.1 turns the address of the server into a structure of APR, without saying
 * of which kind the address is. The C library then asks the kernel for all addresses of the host, through a new socket.
 * With the kind it asks nothing.
 */

#ifndef GROVE_NUMERIC_ADDRESSES_H
#define GROVE_NUMERIC_ADDRESSES_H

#include <string.h>

#include "apr_network_io.h"

/* The kind of an address in digits; the given kind for a name. */
static inline apr_int32_t grove_family(const char *address, apr_int32_t family)
{
    if (family != APR_UNSPEC || !address || !*address)
        return family;
    if (address[strspn(address, "0123456789.")] == '\0')
        return APR_INET;
#if APR_HAVE_IPV6
    if (address[strspn(address, "0123456789abcdefABCDEF:.")] == '\0' && strchr(address, ':'))
        return APR_INET6;
#endif
    return family;
}

#define apr_sockaddr_info_get(result, address, family, port, flags, pool) \
    apr_sockaddr_info_get(result, address, grove_family(address, family), port, flags, pool)

#endif
