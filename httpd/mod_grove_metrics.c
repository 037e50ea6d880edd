/* Counts requests: for each application, slot and release, by status, with their times.
 *
 * GroveMetrics FILE GROUP
 * GroveMetricsApp NAME ACCOUNT PROCESSES THREADS
 *
 * The second directive says what each slot of an application may have. It is in the file, too.
 *
 * The counters are in a file below /run that Apache's processes share. The members of GROUP may read the file, and
 * monitoring/grove_metrics/requests.py knows its layout, too. A request costs a few additions; no lock, no system call. The
 * counters outlive a reload and a restart of Apache. Without the file nothing is counted, and Apache serves as before.
 *
 * Apache's parent makes the file and does not keep it mapped: mod_wsgi forks the processes of applications from the parent,
 * and they shall not be able to change the counters. Requests to doors are not counted, as they are not in the access log.
 */

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "unixd.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

APLOG_USE_MODULE(grove_metrics);

#define MAGIC "grovereq"
#define LAYOUT 1
/* Applications of a host, with one place for the requests that belong to none. */
#define APPS 64
/* Slots and releases of an application. A further one takes the place of the one without requests for the longest time: an
 * application cannot use up the places of others, whatever release it says it is. */
#define SERIES 12
#define STATUSES 500
#define NAME 64
#define SLOT 8
#define RELEASE 24
/* How often a process looks again at a place that another one is just filling. */
#define PATIENCE 1000

/* Microseconds; everything above the last bound is in a bucket of its own. */
static const apr_int64_t bounds[] = {5000,   10000,   25000,   50000,   100000,   250000,
                                     500000, 1000000, 2500000, 5000000, 10000000, 30000000};
#define BUCKETS (sizeof bounds / sizeof bounds[0] + 1)

/* The whole request, its wait for a thread of the application, and the application until it began to answer. */
enum { WHOLE, QUEUE, APPLICATION, TIMES };
enum { EMPTY, FILLING, READY };

typedef struct {
    uint32_t state, unused;
    uint64_t last;
    char slot[SLOT], release[RELEASE];
    uint64_t statuses[STATUSES], buckets[TIMES][BUCKETS], sums[TIMES];
} series;

/* An application that is not configured any more has 0 processes. */
typedef struct {
    uint32_t state, user, processes, threads;
    char name[NAME];
    series of[SERIES];
} application;

typedef struct {
    const char *name;
    uint32_t user, processes, threads;
} configured;

typedef struct {
    char magic[8];
    uint32_t layout, size;
} header;

typedef struct {
    header head;
    /* Requests that found no place. */
    uint64_t lost;
    application apps[APPS];
} counters;

static const header expected = {MAGIC, LAYOUT, sizeof(counters)};

static const char *path, *group;
static apr_array_header_t *configured_apps;
static counters *shared;

static const char *set_file(cmd_parms *cmd, void *config, const char *file, const char *name)
{
    (void)cmd, (void)config;
    path = file;
    group = name;
    return NULL;
}

static const char *add_app(cmd_parms *cmd, void *config, int count, char *const words[])
{
    struct passwd *found;
    configured *one;

    (void)cmd, (void)config;
    if (count != 4 || strlen(words[0]) >= NAME)
        return "GroveMetricsApp takes a name, an account, and the numbers of processes and threads";
    found = getpwnam(words[1]);
    one = apr_array_push(configured_apps);
    one->name = words[0];
    one->user = found ? (uint32_t)found->pw_uid : 0;
    one->processes = (uint32_t)apr_atoi64(words[2]);
    one->threads = (uint32_t)apr_atoi64(words[3]);
    return NULL;
}

static int forget(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog, (void)ptemp;
    path = group = NULL;
    configured_apps = apr_array_make(p, 8, sizeof(configured));
    return OK;
}

/* Whether the open file has the layout of this module. */
static int is_usable(int file)
{
    header head;
    struct stat status;

    return !fstat(file, &status) && S_ISREG(status.st_mode) && status.st_size == sizeof(counters) &&
           pread(file, &head, sizeof head, 0) == sizeof head && !memcmp(&head, &expected, sizeof head);
}

/* Gives the file to Apache's account, and lets the group read it. */
static int is_shared_out(int file, gid_t gid)
{
    return !fchown(file, ap_unixd_config.user_id, gid) && !fchmod(file, 0640);
}

static int make(const char *name, gid_t gid)
{
    int file, done;

    unlink(name);
    file = open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return 0;
    /* With all its blocks: a process that writes to a mapped file finds no full disk. */
    errno = posix_fallocate(file, 0, sizeof(counters));
    done = !errno && pwrite(file, &expected, sizeof expected, 0) == sizeof expected && is_shared_out(file, gid) &&
           !rename(name, path);
    close(file);
    if (!done)
        unlink(name);
    return done;
}

/* Maps the file; returns NULL if that cannot be. */
static counters *mapped(void)
{
    void *address = MAP_FAILED;
    int file = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    if (file >= 0 && is_usable(file))
        address = mmap(NULL, sizeof(counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    return address == MAP_FAILED ? NULL : address;
}

static void map(apr_pool_t *p, server_rec *s)
{
    (void)p;
    shared = path ? mapped() : NULL;
    if (path && !shared)
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s, "GroveMetrics: cannot use %s; requests are not counted", path);
}

static void add(uint64_t *counter, uint64_t number)
{
    __atomic_fetch_add(counter, number, __ATOMIC_RELAXED);
}

/* The state of a place, after another process has filled it. */
static uint32_t settled(uint32_t *state)
{
    uint32_t now = __atomic_load_n(state, __ATOMIC_ACQUIRE);
    int i;

    for (i = 0; now == FILLING && i < PATIENCE; i++) {
        sched_yield();
        now = __atomic_load_n(state, __ATOMIC_ACQUIRE);
    }
    return now;
}

/* Whether this process may fill a place that was in the state ``before``. */
static int takes(uint32_t *state, uint32_t before)
{
    return __atomic_compare_exchange_n(state, &before, FILLING, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* Two processes may fill a place each for the same name; who reads the file adds them up. */
static application *find_application(const char *name)
{
    int i;

    for (i = 0; i < APPS; i++) {
        application *one = &shared->apps[i];

        if (settled(&one->state) == EMPTY && takes(&one->state, EMPTY)) {
            apr_cpystrn(one->name, name, NAME);
            __atomic_store_n(&one->state, READY, __ATOMIC_RELEASE);
        }
        if (settled(&one->state) == READY && !strcmp(one->name, name))
            return one;
    }
    return NULL;
}

/* Writes down what the applications of this configuration may have. */
static void note_configured(void)
{
    int i;

    for (i = 0; i < APPS; i++)
        shared->apps[i].processes = 0;
    for (i = 0; i < configured_apps->nelts; i++) {
        const configured *one = &APR_ARRAY_IDX(configured_apps, i, configured);
        application *place = find_application(one->name);

        if (place) {
            place->user = one->user;
            place->threads = one->threads;
            place->processes = one->processes;
        }
    }
}

static int prepare(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    struct group *found;
    int file, usable;
    gid_t gid;

    (void)p, (void)plog;
    if (!path || ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK;
    found = getgrnam(group);
    if (!found)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "GroveMetrics: no group %s; root alone reads %s", group, path);
    gid = found ? found->gr_gid : 0;
    file = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    usable = file >= 0 && is_usable(file) && is_shared_out(file, gid);
    if (file >= 0)
        close(file);
    if (!usable && !make(apr_pstrcat(ptemp, path, ".new", NULL), gid))
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s, "GroveMetrics: cannot make %s; requests are not counted", path);
    shared = mapped();
    if (shared) {
        note_configured();
        munmap(shared, sizeof(counters));
        shared = NULL;
    }
    return OK;
}

static series *find_series(application *app, const char *slot, const char *release)
{
    series *oldest = NULL;
    int i;

    for (i = 0; i < SERIES; i++) {
        series *one = &app->of[i];
        uint32_t state = settled(&one->state);

        if (state == EMPTY) {
            oldest = one;
            break;
        }
        if (state != READY)
            continue;
        if (!strcmp(one->slot, slot) && !strcmp(one->release, release))
            return one;
        if (!oldest || one->last < oldest->last)
            oldest = one;
    }
    if (!oldest || !takes(&oldest->state, i < SERIES ? EMPTY : READY))
        return NULL;
    memset((char *)oldest + offsetof(series, last), 0, sizeof *oldest - offsetof(series, last));
    apr_cpystrn(oldest->slot, slot, SLOT);
    apr_cpystrn(oldest->release, release, RELEASE);
    oldest->last = (uint64_t)apr_time_sec(apr_time_now());
    __atomic_store_n(&oldest->state, READY, __ATOMIC_RELEASE);
    return oldest;
}

static void note_time(series *one, int which, apr_int64_t microseconds)
{
    apr_size_t i = 0;

    if (microseconds < 0)
        microseconds = 0;
    while (i < BUCKETS - 1 && microseconds > bounds[i])
        i++;
    add(&one->buckets[which][i], 1);
    add(&one->sums[which], (uint64_t)microseconds);
}

/* A value of the request, or of the one that was redirected to it inside of Apache. */
static const char *find(request_rec *r, const char *name, int is_note)
{
    const char *value = NULL;

    for (; r && !value; r = r->prev)
        value = apr_table_get(is_note ? r->notes : r->subprocess_env, name);
    return value;
}

/* Reads what the application's process has said: "RELEASE QUEUE APPLICATION", two times in microseconds. */
static int is_said(const char *note, char *release, apr_int64_t *queue, apr_int64_t *app)
{
    apr_size_t length = note ? strspn(note, "0123456789abcdef") : 0;
    char *end;

    if (!length || length >= RELEASE || note[length] != ' ' || !apr_isdigit(note[length + 1]))
        return 0;
    *queue = apr_strtoi64(note + length + 1, &end, 10);
    if (*end != ' ' || !apr_isdigit(end[1]))
        return 0;
    *app = apr_strtoi64(end + 1, &end, 10);
    if (*end)
        return 0;
    apr_cpystrn(release, note, length + 1);
    return 1;
}

static int count(request_rec *r)
{
    apr_int64_t queue = 0, app = 0;
    apr_time_t now = apr_time_now(), whole = now - r->request_time;
    char release[RELEASE] = "", name[NAME] = "";
    const char *slot, *dash;
    application *place;
    series *one;
    int is_answered;

    if (!shared)
        return DECLINED;
    while (r->next)
        r = r->next;
    if (find(r, "GROVE_DOOR", 0) || find(r, "GROVE_ROOT", 0) || find(r, "GROVE_STATUS", 0))
        return DECLINED;
    slot = find(r, "WSGI_SLOT", 0);
    dash = slot ? strrchr(slot, '-') : NULL;
    if (dash && dash - slot < NAME)
        apr_cpystrn(name, slot, dash - slot + 1);
    is_answered = is_said(find(r, "grove-log", 1), release, &queue, &app);
    place = find_application(name);
    one = place ? find_series(place, *name ? dash + 1 : "", release) : NULL;
    if (!one) {
        add(&shared->lost, 1);
        return DECLINED;
    }
    __atomic_store_n(&one->last, (uint64_t)apr_time_sec(now), __ATOMIC_RELAXED);
    add(&one->statuses[r->status >= 100 && r->status < 600 ? r->status - 100 : 400], 1);
    note_time(one, WHOLE, whole);
    if (is_answered) {
        note_time(one, QUEUE, queue);
        note_time(one, APPLICATION, app);
    }
    return DECLINED;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(forget, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(prepare, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(map, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(count, NULL, NULL, APR_HOOK_MIDDLE);
}

static const command_rec commands[] = {
    AP_INIT_TAKE2("GroveMetrics", set_file, NULL, RSRC_CONF, "the file of the counters, and the group that may read it"),
    AP_INIT_TAKE_ARGV("GroveMetricsApp", add_app, NULL, RSRC_CONF, "an application, and what each slot may have"),
    {NULL}};

module AP_MODULE_DECLARE_DATA grove_metrics_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, register_hooks, AP_MODULE_FLAG_NONE};
