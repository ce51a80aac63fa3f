/* SPDX-License-Identifier: MIT */
#include "base/interrupt.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    signal_seen = number;
}

void interrupt_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    /* One shot: the second signal has its default effect. Reads and writes
     * under way are restarted. */
    action.sa_flags = (int)SA_RESETHAND | SA_RESTART;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    /* A closed pipe on stdout is an error value of write, not a silent end. */
    (void)signal(SIGPIPE, SIG_IGN);
    /* So is a file that grows beyond `ulimit -f`. */
    (void)signal(SIGXFSZ, SIG_IGN);
}

bool interrupt_requested(void)
{
    return signal_seen != 0;
}

int interrupt_exit_status(void)
{
    return signal_seen == 0 ? 0 : 128 + (int)signal_seen;
}
