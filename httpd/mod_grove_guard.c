/* Keeps slow clients away from the processes of applications.
 *
 * An application's thread is busy from the moment when its request is handed over until its answer is taken. This module
 * makes both moments independent of the client:
 *
 * - GroveBufferBody BYTES: so much of a request's body is read before the handler runs. The handler reads it as if it
 *   came from the client. Of a longer body the rest follows as it arrives.
 * - GroveChunkedBody On: a body without a length (Transfer-Encoding: chunked) that is read to its end gets its length, so
 *   that the handler sees an ordinary request: many frameworks take a body without a length for an empty one. With Off, the
 *   default, nothing of such a body is read, and the handler decides.
 * - GroveBufferAnswer BYTES: so much of an answer is kept while its client reads slower than the handler writes. An
 *   answer that the client keeps up with is passed on at once.
 *
 * MEMORY bytes are kept in memory, the rest in a file below GroveBufferFolder that has no name. Where no file can be
 * written, or the file system is nearly full, the request goes on without further buffering. 0 bytes switch a buffer off.
 *
 * - GroveAddressConnections NUMBER: so many connections one address may have at the same time, in all processes; further
 *   ones are closed. An IPv6 client has a whole /64, so that counts as one address.
 * - GroveLongestUrl BYTES, GroveLongestHeader BYTES: longer ones are refused with 414 and 400. Apache's own limits count for
 *   all VirtualHosts of an address, since it reads the head of a request before it knows the host name.
 * - GroveAddressExempt ADDRESS...: addresses and networks, such as proxies, that may have any number.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"
#include "ap_mpm.h"
#include "apr_atomic.h"
#include "apr_buckets.h"
#include "apr_file_io.h"
#include "apr_network_io.h"
#include "apr_portable.h"
#include "apr_shm.h"
#include "apr_strings.h"

/* Bytes of one body or answer that are kept in memory. FlushMaxThreshold has to be larger. */
#define MEMORY 65536
/* Bytes of one read of a body, and of one piece of a kept answer. */
#define PIECE 16384
/* Percent of the file system that stay free for others. */
#define FREE_PERCENT 10
/* The free space is looked up again after so many bytes of a file. */
#define LOOK_EVERY (1024 * 1024)

/* Rows of the table of addresses. Two addresses share a row, and a budget, with a chance of one in so many. */
#define ROWS 16384

#define BODY_FILTER "GROVE_BODY"
#define ANSWER_FILTER "GROVE_ANSWER"

extern module AP_MODULE_DECLARE_DATA grove_guard_module;
APLOG_USE_MODULE(grove_guard);

typedef struct {
    apr_off_t body;
    apr_off_t answer;
    /* -1 for no limit. */
    apr_off_t url;
    apr_off_t header;
    int chunked;
} dir_config;

typedef struct {
    const char *folder;
    int address_connections;
    apr_array_header_t *exempt;
} server_config;

/* The connections of each address, by processes: a process that is killed leaves no count behind. */
typedef struct {
    apr_uint32_t rows[ROWS];
} process_table;

static struct {
    apr_shm_t *memory;
    process_table *processes;
    int number;
    int threads;
    unsigned char key[16];
    apr_uint32_t *last_message;
} addresses;

/* Bytes in their order: first those in memory, then those in the file from read_to on. The file system has got back those
 * before freed_to. */
typedef struct {
    apr_bucket_brigade *memory;
    apr_off_t in_memory;
    apr_file_t *file;
    apr_off_t written_to;
    apr_off_t read_to;
    apr_off_t freed_to;
    apr_off_t looked_at;
    int at_end;
} store;

typedef struct {
    store kept;
    /* What is passed on. A brigade for each piece would stay in the pool as long as the request. */
    apr_bucket_brigade *out;
    apr_off_t limit;
    apr_off_t passed;
    apr_off_t since_advance;
    int direct;
} answer_context;

static apr_off_t length(const store *kept)
{
    return kept->in_memory + kept->written_to - kept->read_to;
}

/* Bytes that are occupied, read ones among them. */
static apr_off_t occupied(const store *kept)
{
    return kept->in_memory + kept->written_to - kept->freed_to;
}

/* Gives the file system back what has been read: a long answer must not occupy more than its buffer. */
static void give_back(store *kept)
{
    apr_os_file_t descriptor;

    if (!kept->file || kept->read_to == kept->freed_to)
        return;
    if (kept->read_to == kept->written_to) {
        if (apr_file_trunc(kept->file, 0) == APR_SUCCESS)
            kept->written_to = kept->read_to = kept->freed_to = kept->looked_at = 0;
        kept->at_end = 0;
    }
    else if (apr_os_file_get(&descriptor, kept->file) == APR_SUCCESS
             && fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kept->read_to) == 0) {
        kept->freed_to = kept->read_to;
    }
}

static int nearly_full(apr_file_t *file)
{
    apr_os_file_t descriptor;
    struct statvfs state;

    if (apr_os_file_get(&descriptor, file) != APR_SUCCESS || fstatvfs(descriptor, &state) != 0)
        return 1;
    return (apr_uint64_t)state.f_bavail * 100 < (apr_uint64_t)state.f_blocks * FREE_PERCENT;
}

/* Whether more than half of the descriptors are used. A process that has none for a connection ends itself. */
static int has_few_descriptors(apr_file_t *file)
{
    apr_os_file_t descriptor;
    struct rlimit limit;

    return apr_os_file_get(&descriptor, file) != APR_SUCCESS
           || (getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)descriptor >= limit.rlim_cur / 2);
}

static apr_status_t open_file(store *kept, request_rec *r)
{
    server_config *config = ap_get_module_config(r->server->module_config, &grove_guard_module);
    char *name = apr_pstrcat(r->pool, config->folder, "/grove-buffer-XXXXXX", NULL);
    apr_int32_t flags = APR_FOPEN_CREATE | APR_FOPEN_EXCL | APR_FOPEN_READ | APR_FOPEN_WRITE | APR_FOPEN_BINARY;
    apr_status_t rv;

    /* Without sendfile the core reads up to FlushMaxThreshold of the file into memory for each client. */
    flags |= APR_FOPEN_SENDFILE_ENABLED;
    rv = apr_file_mktemp(&kept->file, name, flags, r->pool);
    if (rv == APR_SUCCESS) {
        apr_file_remove(name, r->pool);
        if (!has_few_descriptors(kept->file))
            return APR_SUCCESS;
        apr_file_close(kept->file);
        rv = APR_EMFILE;
    }
    kept->file = NULL;
    ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r, "grove_guard: no file in %s; this request is not buffered further",
                  config->folder);
    return rv;
}

/* Adds bytes; where that fails, nothing of them has been added. */
static apr_status_t append(store *kept, request_rec *r, const char *data, apr_size_t size)
{
    apr_off_t end = kept->written_to;
    apr_status_t rv;

    if (!kept->file && kept->in_memory + (apr_off_t)size <= MEMORY) {
        /* Copies into buckets that are filled to their end: a client that sends single bytes costs no more memory. */
        rv = apr_brigade_write(kept->memory, NULL, NULL, data, size);
        if (rv == APR_SUCCESS)
            kept->in_memory += size;
        return rv;
    }
    if (!kept->file && (rv = open_file(kept, r)) != APR_SUCCESS)
        return rv;
    if (kept->written_to >= kept->looked_at) {
        if (nearly_full(kept->file)) {
            ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                          "grove_guard: less than %d %% of the file system is free; this request is not buffered further",
                          FREE_PERCENT);
            return APR_ENOSPC;
        }
        kept->looked_at = kept->written_to + LOOK_EVERY;
    }
    rv = kept->at_end ? APR_SUCCESS : apr_file_seek(kept->file, APR_SET, &end);
    kept->at_end = 1;
    if (rv == APR_SUCCESS)
        rv = apr_file_write_full(kept->file, data, size, NULL);
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r, "grove_guard: cannot write; this request is not buffered further");
        return rv;
    }
    kept->written_to += size;
    return APR_SUCCESS;
}

/* Moves all that is kept to the end of a brigade. Nothing may be added afterwards. */
static void take_all(store *kept, request_rec *r, apr_bucket_brigade *bb)
{
    APR_BRIGADE_CONCAT(bb, kept->memory);
    kept->in_memory = 0;
    if (kept->written_to > kept->read_to) {
        apr_bucket *file = apr_brigade_insert_file(bb, kept->file, kept->read_to, kept->written_to - kept->read_to, r->pool);

        apr_bucket_file_enable_mmap(file, 0);
    }
    kept->read_to = kept->written_to;
}

/* Moves at most PIECE bytes from the beginning to the end of a brigade. */
static apr_status_t take_piece(store *kept, request_rec *r, apr_bucket_brigade *bb)
{
    apr_size_t size = (apr_size_t)(length(kept) < PIECE ? length(kept) : PIECE);
    apr_off_t from = kept->read_to;
    apr_bucket *after;
    apr_status_t rv;
    char *data;

    if (kept->in_memory > 0) {
        if ((apr_off_t)size > kept->in_memory)
            size = (apr_size_t)kept->in_memory;
        rv = apr_brigade_partition(kept->memory, size, &after);
        if (rv != APR_SUCCESS && rv != APR_INCOMPLETE)
            return rv;
        while (APR_BRIGADE_FIRST(kept->memory) != after) {
            apr_bucket *bucket = APR_BRIGADE_FIRST(kept->memory);

            APR_BUCKET_REMOVE(bucket);
            APR_BRIGADE_INSERT_TAIL(bb, bucket);
        }
        kept->in_memory -= size;
        return APR_SUCCESS;
    }
    /* A bucket of the file itself would move the file to another pool, and the rest of the answer is still written. */
    data = apr_bucket_alloc(size, r->connection->bucket_alloc);
    kept->at_end = 0;
    rv = apr_file_seek(kept->file, APR_SET, &from);
    if (rv == APR_SUCCESS)
        rv = apr_file_read_full(kept->file, data, size, NULL);
    if (rv != APR_SUCCESS) {
        apr_bucket_free(data);
        return rv;
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_heap_create(data, size, apr_bucket_free, r->connection->bucket_alloc));
    kept->read_to += size;
    return APR_SUCCESS;
}

/* The body */

static int has_body(request_rec *r)
{
    const char *field = apr_table_get(r->headers_in, "Content-Length");

    return apr_table_get(r->headers_in, "Transfer-Encoding") || (field && strcmp(field, "0") != 0);
}

/* Whether the handler refuses the body by its length; it then does so without a byte of the body. */
static int is_too_large(request_rec *r)
{
    apr_off_t limit = ap_get_limit_req_body(r);
    const char *field = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t size;

    return limit && field && apr_strtoff(&size, field, NULL, 10) == APR_SUCCESS && size > limit;
}

/* Whether the body is of unknown length, with no other coding: the handler refuses other codings. */
static int is_chunked(request_rec *r)
{
    const char *coding = apr_table_get(r->headers_in, "Transfer-Encoding");

    return coding && !ap_cstr_casecmp(coding, "chunked");
}

/* A body that has been read to its end arrives as one with a length does. Its trailers have been left out. */
static void give_length(request_rec *r, apr_off_t bytes)
{
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    apr_table_unset(r->headers_in, "Trailer");
    apr_table_setn(r->headers_in, "Content-Length", apr_off_t_toa(r->pool, bytes));
}

static int read_body(request_rec *r)
{
    dir_config *config = ap_get_module_config(r->per_dir_config, &grove_guard_module);
    apr_bucket_brigade *arrived, *replayed;
    store *kept;
    int more = 1, complete = 0;

    if (r->prev && !r->main && (replayed = ap_get_module_config(r->prev->request_config, &grove_guard_module))) {
        /* An internal redirect, such as a RewriteRule of a folder makes, has dropped the filter. */
        ap_set_module_config(r->request_config, &grove_guard_module, replayed);
        ap_add_input_filter(BODY_FILTER, replayed, r, r->connection);
        return DECLINED;
    }
    if (config->body <= 0 || !ap_is_initial_req(r) || !has_body(r) || is_too_large(r))
        return DECLINED;
    if (apr_table_get(r->headers_in, "Transfer-Encoding") && (config->chunked <= 0 || !is_chunked(r)))
        return DECLINED;
    kept = apr_pcalloc(r->pool, sizeof(*kept));
    kept->memory = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    arrived = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    while (more && length(kept) < config->body) {
        apr_status_t rv = ap_get_brigade(r->input_filters, arrived, AP_MODE_READBYTES, APR_BLOCK_READ, PIECE);

        if (rv != APR_SUCCESS) {
            ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, r, "grove_guard: the body ended after %" APR_OFF_T_FMT " bytes",
                          length(kept));
            return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        }
        while (more && !APR_BRIGADE_EMPTY(arrived)) {
            apr_bucket *bucket = APR_BRIGADE_FIRST(arrived);
            const char *data;
            apr_size_t size;

            if (APR_BUCKET_IS_EOS(bucket)) {
                more = 0;
                complete = 1;
            }
            else if (!APR_BUCKET_IS_METADATA(bucket)) {
                rv = apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ);
                if (rv != APR_SUCCESS)
                    return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
                if (size > 0 && append(kept, r, data, size) != APR_SUCCESS) {
                    more = 0;
                    break;
                }
            }
            apr_bucket_delete(bucket);
        }
    }
    replayed = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    /* Where nothing is left, another module may have taken the body, and hand it on later. */
    if (complete && length(kept) > 0 && is_chunked(r))
        give_length(r, length(kept));
    take_all(kept, r, replayed);
    APR_BRIGADE_CONCAT(replayed, arrived);
    ap_set_module_config(r->request_config, &grove_guard_module, replayed);
    ap_add_input_filter(BODY_FILTER, replayed, r, r->connection);
    return DECLINED;
}

/* Hands the kept bytes to the handler. The filter below says where the body ends, as it does without this filter. */
static apr_status_t body_filter(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                                apr_off_t wanted)
{
    apr_bucket_brigade *replayed = f->ctx;
    apr_bucket *after;
    apr_status_t rv;

    if (APR_BRIGADE_EMPTY(replayed)) {
        ap_remove_input_filter(f);
        return ap_get_brigade(f->next, bb, mode, block, wanted);
    }
    if (mode == AP_MODE_EXHAUSTIVE) {
        APR_BRIGADE_CONCAT(bb, replayed);
        return APR_SUCCESS;
    }
    if (mode != AP_MODE_READBYTES)
        return APR_ENOTIMPL;
    rv = apr_brigade_partition(replayed, wanted, &after);
    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE)
        return rv;
    while (APR_BRIGADE_FIRST(replayed) != after) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(replayed);

        APR_BUCKET_REMOVE(bucket);
        APR_BRIGADE_INSERT_TAIL(bb, bucket);
    }
    return APR_SUCCESS;
}

/* The head */

static int check_header(void *config, const char *name, const char *value)
{
    return (apr_off_t)(strlen(name) + 1 + strlen(value)) <= ((dir_config *)config)->header;
}

static int check_head(request_rec *r)
{
    dir_config *config = ap_get_module_config(r->per_dir_config, &grove_guard_module);

    if (!ap_is_initial_req(r))
        return DECLINED;
    if (config->url >= 0 && r->unparsed_uri && (apr_off_t)strlen(r->unparsed_uri) > config->url) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "grove_guard: a URL of more than %" APR_OFF_T_FMT " bytes", config->url);
        return HTTP_REQUEST_URI_TOO_LARGE;
    }
    if (config->header >= 0 && !apr_table_do(check_header, config, r->headers_in, NULL)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "grove_guard: a header of more than %" APR_OFF_T_FMT " bytes",
                      config->header);
        return HTTP_BAD_REQUEST;
    }
    return DECLINED;
}

/* The answer */

static int is_writable(conn_rec *c)
{
    apr_socket_t *socket = ap_get_conn_socket(c);
    struct pollfd waiting = {0};

    if (!socket || apr_os_sock_get(&waiting.fd, socket) != APR_SUCCESS)
        return 1;
    waiting.events = POLLOUT;
    /* An error counts as writable: the next write finds it. */
    return poll(&waiting, 1, 0) != 0;
}

/* Lets the core write what it has kept, without waiting; returns whether the client has not taken all of it. */
static int is_behind(conn_rec *c)
{
    if (!is_writable(c))
        return 1;
    if (c->data_in_output_filters) {
        ap_filter_t *last = c->output_filters;

        while (last->next)
            last = last->next;
        /* The event MPM calls the core in this way when the client can take more. */
        if (last->frec->filter_func.out_func(last, NULL) != APR_SUCCESS)
            return 0;
    }
    return c->data_in_output_filters;
}

/* Passes on as much of the kept answer as the client takes now. */
static apr_status_t advance(ap_filter_t *f, answer_context *context)
{
    store *kept = &context->kept;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && length(kept) > 0 && !is_behind(f->c)) {
        rv = take_piece(kept, f->r, context->out);
        if (rv != APR_SUCCESS) {
            ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, f->r, "grove_guard: cannot read the kept answer; it is cut off");
            /* What is missing must not look like an end. */
            f->c->aborted = 1;
            return rv;
        }
        rv = ap_pass_brigade(f->next, context->out);
        apr_brigade_cleanup(context->out);
        if (kept->read_to - kept->freed_to >= LOOK_EVERY)
            give_back(kept);
    }
    return rv;
}

/* Passes on everything, kept and new, and waits for the client as Apache does. */
static apr_status_t pass_all(ap_filter_t *f, answer_context *context, apr_bucket_brigade *bb)
{
    apr_status_t rv;

    take_all(&context->kept, f->r, context->out);
    APR_BRIGADE_CONCAT(context->out, bb);
    rv = ap_pass_brigade(f->next, context->out);
    apr_brigade_cleanup(context->out);
    return rv;
}

/* Gives the client what it takes now, and waits for nobody. */
static apr_status_t flush(ap_filter_t *f, answer_context *context)
{
    apr_status_t rv = advance(f, context);

    if (rv == APR_SUCCESS && length(&context->kept) == 0 && !is_behind(f->c)) {
        /* The filter of TLS keeps small pieces until it is told to flush. */
        APR_BRIGADE_INSERT_TAIL(context->out, apr_bucket_flush_create(f->c->bucket_alloc));
        rv = ap_pass_brigade(f->next, context->out);
        apr_brigade_cleanup(context->out);
    }
    return rv;
}

static int ends(apr_bucket_brigade *bb)
{
    apr_bucket *bucket;

    for (bucket = APR_BRIGADE_FIRST(bb); bucket != APR_BRIGADE_SENTINEL(bb); bucket = APR_BUCKET_NEXT(bucket))
        if (APR_BUCKET_IS_EOS(bucket) || AP_BUCKET_IS_EOC(bucket) || AP_BUCKET_IS_ERROR(bucket))
            return 1;
    return 0;
}

static apr_status_t answer_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    answer_context *context = f->ctx;
    request_rec *r = f->r;
    apr_status_t rv = APR_SUCCESS;
    apr_bucket *bucket;

    if (f->c->aborted) {
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED;
    }
    if (context->direct)
        return pass_all(f, context, bb);
    if (r->content_type && !ap_cstr_casecmpn(r->content_type, "text/event-stream", 17)) {
        context->direct = 1;
        return pass_all(f, context, bb);
    }
    if (ends(bb)) {
        /* The core keeps a file and sends it when the client can take it, after the handler has ended. */
        for (bucket = APR_BRIGADE_FIRST(bb); bucket != APR_BRIGADE_SENTINEL(bb);) {
            apr_bucket *next = APR_BUCKET_NEXT(bucket);

            if (APR_BUCKET_IS_FLUSH(bucket))
                apr_bucket_delete(bucket);
            bucket = next;
        }
        context->direct = 1;
        rv = pass_all(f, context, bb);
        /* What the client takes now goes out before the request is logged. A client that is kept has then often sent its
         * next request when the worker looks for it, and the connection need not go through the listener. */
        if (rv == APR_SUCCESS && f->c->data_in_output_filters)
            (void)is_behind(f->c);
        return rv;
    }
    while (rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(bb)) {
        const char *data;
        apr_size_t size;

        bucket = APR_BRIGADE_FIRST(bb);
        if (APR_BUCKET_IS_FLUSH(bucket)) {
            apr_bucket_delete(bucket);
            rv = flush(f, context);
            continue;
        }
        if (APR_BUCKET_IS_METADATA(bucket)) {
            /* Its place in the answer counts. */
            context->direct = 1;
            return pass_all(f, context, bb);
        }
        rv = apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ);
        if (rv != APR_SUCCESS)
            break;
        /* To ask the kernel for each piece of the handler would cost more than the pieces. */
        if (length(&context->kept) > 0 && (context->since_advance += size) >= MEMORY) {
            context->since_advance = 0;
            rv = advance(f, context);
            if (rv != APR_SUCCESS)
                break;
        }
        if (length(&context->kept) == 0
            && (context->passed + (apr_off_t)size <= MEMORY || !is_behind(f->c))) {
            APR_BUCKET_REMOVE(bucket);
            APR_BRIGADE_INSERT_TAIL(context->out, bucket);
            context->passed += size;
            rv = ap_pass_brigade(f->next, context->out);
            apr_brigade_cleanup(context->out);
            continue;
        }
        if (occupied(&context->kept) + (apr_off_t)size > context->limit)
            give_back(&context->kept);
        if (occupied(&context->kept) + (apr_off_t)size > context->limit || append(&context->kept, r, data, size) != APR_SUCCESS) {
            context->direct = 1;
            return pass_all(f, context, bb);
        }
        apr_bucket_delete(bucket);
    }
    apr_brigade_cleanup(bb);
    return rv;
}

static void insert_answer_filter(request_rec *r)
{
    dir_config *config = ap_get_module_config(r->per_dir_config, &grove_guard_module);
    answer_context *context;

    if (config->answer <= 0 || r->main || r->connection->master)
        return;
    context = apr_pcalloc(r->pool, sizeof(*context));
    context->limit = config->answer;
    context->out = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    context->kept.memory = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    ap_add_output_filter(ANSWER_FILTER, context, r, r->connection);
}

/* The connections of an address */

static const void *significant(apr_sockaddr_t *address, apr_size_t *size)
{
    const unsigned char *bytes = address->ipaddr_ptr;

#if APR_HAVE_IPV6
    if (address->family == AF_INET6) {
        if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address->ipaddr_ptr)) {
            *size = 4;
            return bytes + 12;
        }
        *size = 8;
        return bytes;
    }
#endif
    *size = 4;
    return bytes;
}

/* Nobody outside knows the key, so nobody can choose addresses that share a row with another one. */
static apr_uint32_t row_of(apr_sockaddr_t *address)
{
    apr_size_t size, at;
    const unsigned char *bytes = significant(address, &size);
    apr_uint64_t hash = 1469598103934665603ULL;

    for (at = 0; at < sizeof(addresses.key); at++)
        hash = (hash ^ addresses.key[at]) * 1099511628211ULL;
    for (at = 0; at < size; at++)
        hash = (hash ^ bytes[at]) * 1099511628211ULL;
    for (at = 0; at < sizeof(addresses.key); at++)
        hash = (hash ^ addresses.key[at]) * 1099511628211ULL;
    return (apr_uint32_t)((hash ^ (hash >> 32)) % ROWS);
}

static int is_exempt(server_config *config, apr_sockaddr_t *address)
{
    int number;

    for (number = 0; config->exempt && number < config->exempt->nelts; number++)
        if (apr_ipsubnet_test(APR_ARRAY_IDX(config->exempt, number, apr_ipsubnet_t *), address))
            return 1;
    return 0;
}

static apr_status_t forget_connection(void *row)
{
    apr_atomic_dec32(row);
    return APR_SUCCESS;
}

static int count_connection(conn_rec *c, void *socket)
{
    server_config *config = ap_get_module_config(ap_server_conf->module_config, &grove_guard_module);
    apr_uint32_t row, sum = 0, now;
    int process;

    (void)socket;
    if (c->master || !config->address_connections || !addresses.processes || is_exempt(config, c->client_addr))
        return DECLINED;
    process = (int)(c->id / addresses.threads);
    if (process < 0 || process >= addresses.number)
        return DECLINED;
    row = row_of(c->client_addr);
    apr_atomic_inc32(&addresses.processes[process].rows[row]);
    apr_pool_cleanup_register(c->pool, &addresses.processes[process].rows[row], forget_connection,
                              apr_pool_cleanup_null);
    for (process = 0; process < addresses.number; process++)
        sum += apr_atomic_read32(&addresses.processes[process].rows[row]);
    if (sum <= (apr_uint32_t)config->address_connections)
        return DECLINED;
    /* One line a second: an attack must not fill the log. */
    now = (apr_uint32_t)apr_time_sec(apr_time_now());
    if (apr_atomic_xchg32(addresses.last_message, now) != now)
        ap_log_cerror(APLOG_MARK, APLOG_WARNING, 0, c,
                      "grove_guard: %s has %u connections; GroveAddressConnections allows %d, further ones are closed",
                      c->client_ip, sum, config->address_connections);
    return HTTP_SERVICE_UNAVAILABLE;
}

/* Apache's parent process calls this. A process that was killed has not counted down, and none may follow in its place. */
static void forget_process(server_rec *s, pid_t pid, ap_generation_t generation, int slot, mpm_child_status status)
{
    (void)s, (void)pid, (void)generation;
    if (status == MPM_CHILD_EXITED && addresses.processes && slot >= 0 && slot < addresses.number)
        memset(&addresses.processes[slot], 0, sizeof(process_table));
}

static int make_table(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    apr_size_t size;
    apr_status_t rv;

    (void)plog, (void)ptemp;
    addresses.processes = NULL;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK;
    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &addresses.number);
    ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &addresses.threads);
    size = addresses.number * sizeof(process_table) + sizeof(apr_uint32_t);
    rv = apr_shm_create(&addresses.memory, size, NULL, pconf);
    if (rv == APR_SUCCESS)
        rv = apr_generate_random_bytes(addresses.key, sizeof(addresses.key));
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, "grove_guard: no shared memory for the table of addresses");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    addresses.processes = apr_shm_baseaddr_get(addresses.memory);
    memset(addresses.processes, 0, size);
    addresses.last_message = (apr_uint32_t *)(addresses.processes + addresses.number);
    return OK;
}

/* The configuration */

static void *create_dir_config(apr_pool_t *p, char *folder)
{
    dir_config *config = apr_pcalloc(p, sizeof(*config));

    (void)folder;
    config->body = config->answer = config->url = config->header = config->chunked = -1;
    return config;
}

static void *merge_dir_config(apr_pool_t *p, void *outer_config, void *inner_config)
{
    dir_config *outer = outer_config, *inner = inner_config, *merged = apr_pcalloc(p, sizeof(*merged));

    merged->body = inner->body < 0 ? outer->body : inner->body;
    merged->answer = inner->answer < 0 ? outer->answer : inner->answer;
    merged->url = inner->url < 0 ? outer->url : inner->url;
    merged->header = inner->header < 0 ? outer->header : inner->header;
    merged->chunked = inner->chunked < 0 ? outer->chunked : inner->chunked;
    return merged;
}

static void *create_server_config(apr_pool_t *p, server_rec *s)
{
    server_config *config = apr_pcalloc(p, sizeof(*config));

    (void)s;
    config->folder = "/var/tmp";
    return config;
}

static void *merge_server_config(apr_pool_t *p, void *outer, void *inner)
{
    (void)p, (void)inner;
    return outer;
}

static const char *set_bytes(cmd_parms *cmd, void *config, const char *text)
{
    apr_off_t bytes;
    char *end;

    if (apr_strtoff(&bytes, text, &end, 10) != APR_SUCCESS || *end || end == text || bytes < 0)
        return apr_pstrcat(cmd->pool, cmd->cmd->name, " takes a number of bytes, not ", text, NULL);
    *(apr_off_t *)((char *)config + (apr_size_t)cmd->info) = bytes;
    return NULL;
}

static const char *set_folder(cmd_parms *cmd, void *unused, const char *folder)
{
    server_config *config = ap_get_module_config(cmd->server->module_config, &grove_guard_module);
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)unused;
    if (error)
        return error;
    config->folder = ap_server_root_relative(cmd->pool, folder);
    return config->folder ? NULL : apr_pstrcat(cmd->pool, "no such folder: ", folder, NULL);
}

static const char *set_connections(cmd_parms *cmd, void *unused, const char *text)
{
    server_config *config = ap_get_module_config(cmd->server->module_config, &grove_guard_module);
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_off_t number;
    char *end;

    (void)unused;
    if (error)
        return error;
    if (apr_strtoff(&number, text, &end, 10) != APR_SUCCESS || *end || end == text || number < 0 || number > 1000000)
        return apr_pstrcat(cmd->pool, "GroveAddressConnections takes a number from 0 to 1000000, not ", text, NULL);
    config->address_connections = (int)number;
    return NULL;
}

static const char *add_exempt(cmd_parms *cmd, void *unused, const char *text)
{
    server_config *config = ap_get_module_config(cmd->server->module_config, &grove_guard_module);
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    char *address = apr_pstrdup(cmd->temp_pool, text), *mask = strchr(address, '/');
    apr_ipsubnet_t *network;

    (void)unused;
    if (error)
        return error;
    if (mask)
        *mask++ = '\0';
    if (apr_ipsubnet_create(&network, address, mask, cmd->pool) != APR_SUCCESS)
        return apr_pstrcat(cmd->pool, "GroveAddressExempt takes addresses and networks, not ", text, NULL);
    if (!config->exempt)
        config->exempt = apr_array_make(cmd->pool, 4, sizeof(apr_ipsubnet_t *));
    APR_ARRAY_PUSH(config->exempt, apr_ipsubnet_t *) = network;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("GroveBufferBody", set_bytes, (void *)APR_OFFSETOF(dir_config, body), RSRC_CONF | ACCESS_CONF,
                  "bytes of a request's body that are read before the handler runs"),
    AP_INIT_TAKE1("GroveBufferAnswer", set_bytes, (void *)APR_OFFSETOF(dir_config, answer), RSRC_CONF | ACCESS_CONF,
                  "bytes of an answer that are kept for a client that reads slowly"),
    AP_INIT_FLAG("GroveChunkedBody", ap_set_flag_slot, (void *)APR_OFFSETOF(dir_config, chunked), RSRC_CONF | ACCESS_CONF,
                 "whether a body without a length gets one when it has been read to its end"),
    AP_INIT_TAKE1("GroveLongestUrl", set_bytes, (void *)APR_OFFSETOF(dir_config, url), RSRC_CONF | ACCESS_CONF,
                  "bytes that a request's URL may have"),
    AP_INIT_TAKE1("GroveLongestHeader", set_bytes, (void *)APR_OFFSETOF(dir_config, header), RSRC_CONF | ACCESS_CONF,
                  "bytes that a header of a request may have"),
    AP_INIT_TAKE1("GroveBufferFolder", set_folder, NULL, RSRC_CONF, "the folder of the files"),
    AP_INIT_TAKE1("GroveAddressConnections", set_connections, NULL, RSRC_CONF,
                  "connections that one address may have at the same time"),
    AP_INIT_ITERATE("GroveAddressExempt", add_exempt, NULL, RSRC_CONF, "addresses and networks without a limit"),
    {NULL}};

static void register_hooks(apr_pool_t *p)
{
    static const char *const body_takers[] = {"mod_security2.c", NULL};

    (void)p;
    ap_hook_post_config(make_table, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(forget_process, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_pre_connection(count_connection, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_header_parser(check_head, NULL, NULL, APR_HOOK_FIRST);
    /* After access and identity have been checked, before the handler, and before ModSecurity, which takes the body. */
    ap_hook_fixups(read_body, NULL, body_takers, APR_HOOK_REALLY_LAST);
    ap_hook_insert_filter(insert_answer_filter, NULL, NULL, APR_HOOK_LAST);
    /* Nearer to the client than every filter that changes a body. */
    ap_register_input_filter(BODY_FILTER, body_filter, NULL, AP_FTYPE_PROTOCOL - 1);
    /* Nearer to the client than the header and the chunks of the answer, farther than TLS. */
    ap_register_output_filter(ANSWER_FILTER, answer_filter, NULL, AP_FTYPE_CONNECTION - 1);
}

module AP_MODULE_DECLARE_DATA grove_guard_module = {
    STANDARD20_MODULE_STUFF, create_dir_config, merge_dir_config, create_server_config, merge_server_config, commands,
    register_hooks, AP_MODULE_FLAG_NONE};
