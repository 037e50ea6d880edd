/* Fields of an access log whose lines are JSON.
 *
 * Apache escapes what it logs as C does (\xhh, \v), which JSON does not know. The directive %{FIELD}^js of LogFormat is a
 * whole value of JSON instead, a text in quotes, a number, or null:
 *
 * - request: the line that the client sent, also one that is no HTTP
 * - in:NAME: a header of the request
 * - id: the request's id (GROVE_REQUEST_ID, or Apache's own); id_in: the X-Request-ID that came in
 * - status, user, and tls, the version of TLS
 * - app, slot: the parts of WSGI_SLOT; release, queue_ms, app_ms: what the application's process has said (the note
 *   grove-log: the release's id, and the microseconds in the queue of the process and in the application)
 *
 * Texts stand in UTF-8; a byte that is no UTF-8 becomes \xhh, with two backslashes in JSON. Secrets in URLs become ***:
 * the account in front of a host, and the values of parameters whose names say that they are secret, also in a URL that is
 * a parameter itself.
 */

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_log_config.h"
#include "mod_ssl.h"
#include "apr_lib.h"
#include "apr_strings.h"

/* A URL may be a parameter of a URL, and so on: how often a value is decoded to look for secrets. */
#define DEPTH 3
/* Bytes of an id that a client has sent: no program makes longer ones, and the line shall stay readable. */
#define LONGEST_ID 200
/* What a parameter may follow. */
#define DELIMITERS "?&;#/"

static const char *const secret_parts[] = {
    "token", "passw", "passphrase", "secret", "signature", "credential", "session", "authorization", "apikey", "api_key",
    "api-key", "accesskey", "access_key", "access-key", "privatekey", "private_key", "private-key", "_sig", NULL};
static const char *const secret_names[] = {
    "sig", "sign", "hmac", "key", "code", "jwt", "auth", "pwd", "pass", "pin", "otp", "sid", "ticket", "assertion",
    "samlresponse", "samlrequest", NULL};

static APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *lookup_ssl;

static int hex_digit(char digit)
{
    return apr_isdigit(digit) ? digit - '0' : apr_isxdigit(digit) ? (apr_tolower(digit) - 'a') + 10 : -1;
}

/* The text with %hh and + decoded. */
static char *decoded(apr_pool_t *p, const char *text, apr_size_t length)
{
    char *result = apr_palloc(p, length + 1), *end = result;
    apr_size_t i;

    for (i = 0; i < length; i++) {
        if (text[i] == '%' && i + 2 < length && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
            char byte = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            *end++ = byte ? byte : ' ';
            i += 2;
        } else {
            *end++ = text[i] == '+' ? ' ' : text[i];
        }
    }
    *end = '\0';
    return result;
}

static int is_secret(apr_pool_t *p, const char *name, apr_size_t length)
{
    char *lower = decoded(p, name, length);
    int i;

    ap_str_tolower(lower);
    for (i = 0; secret_parts[i]; i++)
        if (strstr(lower, secret_parts[i]))
            return 1;
    for (i = 0; secret_names[i]; i++)
        if (!strcmp(lower, secret_names[i]))
            return 1;
    return 0;
}

static const char *masked(apr_pool_t *p, const char *text, int is_value, int depth);

/* Whether a value is, or has in it, a URL with a secret, be it encoded several times. */
static int hides_secret(apr_pool_t *p, const char *value, apr_size_t length, int depth)
{
    const char *plain = apr_pstrmemdup(p, value, length);

    while (depth-- > 0) {
        const char *next = decoded(p, plain, strlen(plain));

        if (masked(p, next, 1, depth) != next)
            return 1;
        if (!strcmp(next, plain))
            break;
        plain = next;
    }
    return 0;
}

/* The text without its secrets; the text itself if it has none. A value may begin with a parameter. */
static const char *masked(apr_pool_t *p, const char *text, int is_value, int depth)
{
    apr_size_t length = strlen(text);
    /* Each secret has at least one byte and a delimiter, and three bytes in its place. */
    char *result = apr_palloc(p, 2 * length + 4), *end = result;
    const char *c = text;
    int changed = 0, may_begin = is_value;

    while (*c) {
        if (!strncmp(c, "://", 3)) {
            const char *host = c + 3 + strcspn(c + 3, "/?#\"<> "), *at = host;

            while (at > c + 3 && *at != '@')
                at--;
            memcpy(end, "://", 3);
            end += 3;
            c += 3;
            if (at > c || *c == '@') {
                if (at > c) {
                    memcpy(end, "***", 3);
                    end += 3;
                    changed = 1;
                }
                c = at;
            }
            may_begin = 0;
            continue;
        }
        if (*c && strchr(DELIMITERS, *c)) {
            *end++ = *c++;
            may_begin = 1;
        }
        if (may_begin) {
            apr_size_t name = strcspn(c, "=" DELIMITERS);
            const char *value;
            int secret;

            may_begin = 0;
            if (c[name] != '=')
                continue;
            value = c + name + 1;
            secret = is_secret(p, c, name);
            memcpy(end, c, name + 1);
            end += name + 1;
            c = value;
            /* Each level looks at a value once, as a whole: a long URL takes no more time than its length. */
            if (secret || depth) {
                apr_size_t size = strcspn(value, "&");

                c += size;
                if (size && (secret || hides_secret(p, value, size, depth))) {
                    memcpy(end, "***", 3);
                    end += 3;
                    changed = 1;
                } else {
                    memcpy(end, value, size);
                    end += size;
                }
            }
            continue;
        }
        *end++ = *c++;
    }
    *end = '\0';
    return changed ? result : text;
}

/* The line with a masked URL in it: what stands between the first space and the last one, if a protocol follows. */
static const char *masked_request(apr_pool_t *p, const char *line)
{
    const char *url = strchr(line, ' '), *end;

    if (!url)
        return masked(p, line, 0, DEPTH);
    url++;
    end = strrchr(url, ' ');
    if (!end || strncmp(end, " HTTP/", 6))
        end = url + strlen(url);
    return apr_pstrcat(p, apr_pstrmemdup(p, line, url - line),
                       masked(p, apr_pstrmemdup(p, url, end - url), 0, DEPTH), end, NULL);
}

/* The bytes of a character of UTF-8 at ``text``; 0 for what is none, which the end of the text is, too. */
static int utf8_length(const unsigned char *text)
{
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    int length = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : text[0] < 0xf5 ? 4 : 0;
    unsigned long character;
    int i;

    if (length < 2)
        return length;
    character = text[0] & (0x7f >> length);
    for (i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        character = (character << 6) | (text[i] & 0x3f);
    }
    if (character < least[length] || character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff))
        return 0;
    /* C1 controls, which terminals obey, and the ends of lines that are none in JSON. */
    return character < 0xa0 || character == 0x2028 || character == 0x2029 ? -length : length;
}

static const char *json(apr_pool_t *p, const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    char *result, *end;

    if (!text)
        return "null";
    result = end = apr_palloc(p, 6 * strlen(text) + 3);
    *end++ = '"';
    while (*c) {
        int length = utf8_length(c);

        if (*c == '"' || *c == '\\') {
            *end++ = '\\';
            *end++ = (char)*c++;
        } else if (*c < 0x20 || *c == 0x7f) {
            end += sprintf(end, "\\u%04x", *c++);
        } else if (length > 0) {
            memcpy(end, c, length);
            end += length;
            c += length;
        } else if (length < 0) {
            unsigned character = length == -2 ? ((c[0] & 0x1fu) << 6) | (c[1] & 0x3fu)
                                              : ((c[0] & 0x0fu) << 12) | ((c[1] & 0x3fu) << 6) | (c[2] & 0x3fu);
            end += sprintf(end, "\\u%04x", character);
            c -= length;
        } else {
            end += sprintf(end, "\\\\x%02x", *c++);
        }
    }
    *end++ = '"';
    *end = '\0';
    return result;
}

/* A value of the request, or of the one that was redirected to it inside of Apache. */
static const char *find(request_rec *r, const char *name, int is_note)
{
    const char *value = NULL;

    for (; r && !value; r = r->prev)
        value = apr_table_get(is_note ? r->notes : r->subprocess_env, name);
    return value;
}

/* The word of that number in what the application's process has said; NULL if the process has said something else. */
static const char *said(request_rec *r, int number)
{
    const char *note = find(r, "grove-log", 1), *words[3], *c = note;
    int i;

    for (i = 0; i < 3; i++) {
        apr_size_t length = c ? strspn(c, i ? "0123456789" : "0123456789abcdef") : 0;

        if (!length || length > 16 || c[length] != (i < 2 ? ' ' : '\0'))
            return NULL;
        words[i] = apr_pstrmemdup(r->pool, c, length);
        c += length + 1;
    }
    return words[number];
}

static const char *milliseconds(request_rec *r, int number)
{
    const char *text = said(r, number);

    return text ? apr_psprintf(r->pool, "%.1f", (double)apr_atoi64(text) / 1000) : "null";
}

static const char *id_of(request_rec *r)
{
    const char *id = find(r, "GROVE_REQUEST_ID", 0);

    if (!id)
        id = find(r, "UNIQUE_ID", 0);
    if (!id && !r->log_id)
        ap_run_generate_log_id(r->connection, r, &r->log_id);
    return id ? id : r->log_id;
}

static const char *log_field(request_rec *r, char *field)
{
    const char *slot, *dash, *text;

    if (!strcmp(field, "request"))
        return json(r->pool, r->the_request ? masked_request(r->pool, r->the_request) : NULL);
    if (!strncmp(field, "in:", 3)) {
        text = apr_table_get(r->headers_in, field + 3);
        return json(r->pool, text ? masked(r->pool, text, 0, DEPTH) : NULL);
    }
    if (!strcmp(field, "id"))
        return json(r->pool, id_of(r));
    if (!strcmp(field, "id_in"))
        return json(r->pool, find(r, "grove-id-in", 1));
    if (!strcmp(field, "status"))
        return r->status > 0 ? apr_itoa(r->pool, r->status) : "null";
    if (!strcmp(field, "user"))
        return json(r->pool, r->user);
    if (!strcmp(field, "tls")) {
        text = lookup_ssl ? lookup_ssl(r->pool, r->server, r->connection, r, apr_pstrdup(r->pool, "SSL_PROTOCOL")) : NULL;
        return json(r->pool, text && *text ? text : NULL);
    }
    if (!strcmp(field, "release"))
        return json(r->pool, said(r, 0));
    if (!strcmp(field, "queue_ms"))
        return milliseconds(r, 1);
    if (!strcmp(field, "app_ms"))
        return milliseconds(r, 2);
    slot = find(r, "WSGI_SLOT", 0);
    dash = slot ? strrchr(slot, '-') : NULL;
    if (!strcmp(field, "app"))
        return json(r->pool, dash ? apr_pstrmemdup(r->pool, slot, dash - slot) : NULL);
    if (!strcmp(field, "slot"))
        return json(r->pool, dash ? dash + 1 : NULL);
    return "null";
}

/* Keeps the id that came in: the configuration puts another one in its place. */
static int keep_id(request_rec *r)
{
    const char *id = apr_table_get(r->headers_in, "X-Request-ID");

    if (id && !r->main && !r->prev)
        apr_table_setn(r->notes, "grove-id-in", apr_pstrndup(r->pool, id, LONGEST_ID));
    return DECLINED;
}

/* Lets the id that a trusted proxy has given the request stand in the error log, and reach mod_wsgi, too. */
static int adopt_id(request_rec *r)
{
    const char *id = apr_table_get(r->subprocess_env, "GROVE_REQUEST_ID");

    if (id)
        r->log_id = apr_pstrdup(r->pool, id);
    return DECLINED;
}

static int register_field(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp)
{
    APR_OPTIONAL_FN_TYPE(ap_register_log_handler) *log_handler = APR_RETRIEVE_OPTIONAL_FN(ap_register_log_handler);

    (void)plog, (void)ptemp;
    if (log_handler)
        log_handler(p, "^js", log_field, 0);
    return OK;
}

static void find_ssl(void)
{
    lookup_ssl = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(register_field, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_optional_fn_retrieve(find_ssl, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(keep_id, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* After mod_setenvif. */
    ap_hook_post_read_request(adopt_id, NULL, NULL, APR_HOOK_REALLY_LAST);
}

module AP_MODULE_DECLARE_DATA grove_log_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, AP_MODULE_FLAG_NONE};
