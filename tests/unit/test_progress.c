/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/progress.h"

/* stderr goes to `fd` while something is printed. */
static int saved;

static void divert(int fd)
{
    (void)fflush(stderr);
    saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
}

static void restore(void)
{
    (void)fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
}

/* Half of 2000 done after two seconds, then the end. */
static void show(uint64_t total, const char *note)
{
    struct progress p;
    progress_begin(&p, "train", "tokens", 0, total);
    p.t_begin -= 2;
    p.t_shown -= 60; /* time to draw */
    progress_set(&p, 1000, note);
    progress_set(&p, 1001, NULL); /* too early for another one */
    progress_end(&p);
}

static void collect(char *text, size_t size, uint64_t total, const char *note)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    divert(ends[1]);
    show(total, note);
    restore();
    (void)close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while ((got = read(ends[0], text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    (void)close(ends[0]);
}

static void elsewhere_a_line_now_and_then(void **state)
{
    (void)state;
    char text[1024];
    collect(text, sizeof text, 2000, "FVU 0.2");
    assert_string_equal(text,
                        "train: 1.00k tokens (50%), 500 tokens/s, 2.0s left"
                        "  FVU 0.2\n"
                        "train: 1.00k tokens in 2.0s (500/s)  FVU 0.2\n");
}

static void without_a_total_no_share_and_no_time_left(void **state)
{
    (void)state;
    char text[1024];
    collect(text, sizeof text, 0, NULL);
    assert_string_equal(text, "train: 1.00k tokens, 500 tokens/s\n"
                              "train: 1.00k tokens in 2.0s (500/s)\n");
}

static void quiet_prints_nothing(void **state)
{
    (void)state;
    char text[1024];
    log_set_level(LOG_RESULT);
    collect(text, sizeof text, 2000, NULL);
    log_set_level(LOG_PROGRESS);
    assert_string_equal(text, "");
}

static void a_resumed_run_counts_only_its_own_work(void **state)
{
    (void)state;
    struct progress p;
    int ends[2];
    char text[256] = "";
    assert_int_equal(pipe(ends), 0);
    divert(ends[1]);
    progress_begin(&p, "train", "tokens", 5000, 6000);
    p.t_begin -= 2;
    progress_set(&p, 6000, NULL);
    progress_end(&p);
    restore();
    (void)close(ends[1]);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    (void)close(ends[0]);
    assert_string_equal(text, "train: 1.00k tokens in 2.0s (500/s)\n");
}

/* On a terminal: one line, redrawn, and wiped before anything else. */
static void on_a_terminal_a_bar(void **state)
{
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0)
        skip(); /* a root without /dev/pts */
    if (grantpt(master) != 0 || unlockpt(master) != 0) {
        (void)close(master);
        skip();
    }
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (slave < 0) {
        (void)close(master);
        skip();
    }
    divert(slave);
    show(2000, NULL);
    restore();
    /* What was written at two times may come in two pieces. */
    char text[1024] = "";
    for (size_t used = 0; strchr(text, '\n') == NULL;) {
        ssize_t got = read(master, text + used, sizeof text - 1 - used);
        assert_true(got > 0);
        used += (size_t)got;
    }
    assert_string_equal(text,
                        "\rtrain [############............]  50%,"
                        " 500 tokens/s, 2.0s left\x1b[K"
                        "\r\x1b[Ktrain: 1.00k tokens in 2.0s (500/s)\r\n");
    (void)close(slave);
    (void)close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elsewhere_a_line_now_and_then),
        cmocka_unit_test(without_a_total_no_share_and_no_time_left),
        cmocka_unit_test(quiet_prints_nothing),
        cmocka_unit_test(a_resumed_run_counts_only_its_own_work),
        cmocka_unit_test(on_a_terminal_a_bar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
