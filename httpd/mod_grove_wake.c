/* Lets Apache's parent process look at once for child processes that have ended.
 *
 * The parent looks for them once a second, and sleeps in between. So a daemon process of mod_wsgi that a deployment ends is
 * replaced half a second later on average. With this module, the signal SIGCONT ends the sleep. Any other process ignores
 * the signal: an Apache without this module, too. A deployment sends it once the daemon processes have ended. The end of a
 * child process alone wakes nobody: a process that ends as soon as it starts would be started again without a pause.
 */

#include <signal.h>

#include "httpd.h"
#include "http_config.h"
#include "http_log.h"

extern module AP_MODULE_DECLARE_DATA grove_wake_module;
APLOG_USE_MODULE(grove_wake);

static void end_sleep(int number)
{
    (void)number;
}

static int handle(void (*handler)(int))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGCONT, &action, NULL);
}

/* Before Apache unloads the module to read its configuration anew. */
static apr_status_t forget(void *data)
{
    (void)data;
    handle(SIG_DFL);
    return APR_SUCCESS;
}

static int prepare(apr_pool_t *pool, apr_pool_t *log, apr_pool_t *temporary, server_rec *server)
{
    (void)log;
    (void)temporary;
    if (handle(end_sleep) != 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, server, "SIGCONT does not wake the parent process");
        return OK;
    }
    apr_pool_cleanup_register(pool, NULL, forget, apr_pool_cleanup_null);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_post_config(prepare, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA grove_wake_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, AP_MODULE_FLAG_NONE};
