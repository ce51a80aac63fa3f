/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/output.h"

static char folder[] = "output-XXXXXX";
static struct err e;

/* Each test runs in an empty folder of its own. */
static int enter(void **state)
{
    (void)state;
    (void)strcpy(folder, "output-XXXXXX");
    e = (struct err){0};
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int leave(void **state)
{
    (void)state;
    char command[64];
    if (chdir("..") != 0)
        return -1;
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_holds(const char *path, const char *text)
{
    char found[64] = "";
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(found, 1, sizeof found - 1, f);
    (void)fclose(f);
    assert_int_equal(n, strlen(text));
    assert_string_equal(found, text);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void a_file_appears_at_commit(void **state)
{
    (void)state;
    struct output o;
    assert_int_equal(output_begin_file(&o, "f", false, &e), 0);
    put(o.partial, "new");
    assert_false(exists("f"));
    assert_int_equal(output_commit(&o, &e), 0);
    assert_holds("f", "new");
    assert_false(exists(".f.partial"));
    output_abort(&o); /* does nothing now */
    assert_holds("f", "new");
}

static void an_abort_leaves_nothing(void **state)
{
    (void)state;
    struct output o = {0};
    output_abort(&o);
    assert_int_equal(output_begin_folder(&o, "d/", "cfg.json", false, &e), 0);
    char inside[OUTPUT_PATH_MAX];
    assert_int_equal(output_join(inside, o.partial, "x", &e), 0);
    put(inside, "x");
    output_abort(&o);
    assert_false(exists("d"));
    assert_false(exists(".d.partial"));
}

static void what_exists_is_kept_without_force(void **state)
{
    (void)state;
    struct output o;
    put("f", "old");
    assert_int_equal(output_check("f", false, false, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "--force"));
    assert_int_equal(output_begin_file(&o, "f", false, &e), ERR_INPUT);
    assert_int_equal(symlink("nowhere", "link"), 0);
    assert_int_equal(output_check("link", false, false, &e), ERR_INPUT);
    assert_holds("f", "old");
    assert_int_equal(output_write_file("f", "new", 3, true, &e), 0);
    assert_holds("f", "new");
}

/* Somebody made the same name while we were writing. */
static void commit_does_not_overwrite_a_newcomer(void **state)
{
    (void)state;
    struct output o;
    assert_int_equal(output_begin_file(&o, "f", false, &e), 0);
    put(o.partial, "ours");
    put("f", "theirs");
    assert_int_equal(output_commit(&o, &e), ERR_INPUT);
    assert_holds("f", "theirs");
    assert_holds(o.partial, "ours");
    output_abort(&o);
    assert_false(exists(".f.partial"));
}

static void force_replaces_only_its_own_kind(void **state)
{
    (void)state;
    struct output o;
    put("f", "old");
    assert_int_equal(mkdir("d", 0777), 0);
    put("d/precious", "x");
    assert_int_equal(output_check("d", false, true, &e), ERR_INPUT);
    assert_int_equal(output_check("f", true, true, &e), ERR_INPUT);
    assert_int_equal(output_begin_folder(&o, "d", "cfg.json", true, &e),
                     ERR_INPUT);
    assert_non_null(strstr(e.msg, "cfg.json"));
    assert_holds("d/precious", "x");
}

static void force_exchanges_a_whole_folder(void **state)
{
    (void)state;
    struct output o;
    assert_int_equal(mkdir("d", 0777), 0);
    put("d/cfg.json", "old");
    put("d/left-over", "old");
    assert_int_equal(output_begin_folder(&o, "d", "cfg.json", true, &e), 0);
    char inside[OUTPUT_PATH_MAX];
    assert_int_equal(output_join(inside, o.partial, "cfg.json", &e), 0);
    put(inside, "new");
    assert_holds("d/cfg.json", "old");
    assert_int_equal(output_commit(&o, &e), 0);
    assert_holds("d/cfg.json", "new");
    assert_false(exists("d/left-over"));
    assert_false(exists(".d.partial"));
}

/* What a killed run left must not come back in the next one. */
static void a_stale_partial_is_cleared(void **state)
{
    (void)state;
    struct output o;
    put(".f.partial", "a much longer half of an output");
    assert_int_equal(output_begin_file(&o, "f", false, &e), 0);
    assert_holds(o.partial, "");
    assert_int_equal(output_commit(&o, &e), 0);
    assert_holds("f", "");
    assert_int_equal(mkdir(".d.partial", 0777), 0);
    put(".d.partial/stale", "x");
    assert_int_equal(output_begin_folder(&o, "d", "m", false, &e), 0);
    assert_int_equal(output_commit(&o, &e), 0);
    assert_false(exists("d/stale"));
}

/* flock belongs to an open file, so a second open in this process stands for
 * another program. */
static void two_programs_do_not_write_one_output(void **state)
{
    (void)state;
    struct output first, second;
    assert_int_equal(output_begin_file(&first, "f", false, &e), 0);
    put(first.partial, "first");
    assert_int_equal(output_begin_file(&second, "f", false, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "another program"));
    output_abort(&second); /* must not take the first one's file away */
    assert_holds(first.partial, "first");
    assert_int_equal(output_commit(&first, &e), 0);
    assert_int_equal(output_begin_folder(&first, "d", "m", false, &e), 0);
    assert_int_equal(output_begin_folder(&second, "d", "m", false, &e),
                     ERR_INPUT);
    output_abort(&second);
    assert_int_equal(output_commit(&first, &e), 0);
    assert_true(exists("d"));
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"", "/", ".", "..", "a/..", "./."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(output_check(names[i], false, true, &e), ERR_INPUT);
    assert_int_equal(output_check("no-such/f", false, false, &e), ERR_INPUT);
    put("f", "x");
    assert_int_equal(output_check("f/g", false, false, &e), ERR_INPUT);
    static char name[OUTPUT_PATH_MAX + 10];
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(output_check(name, false, false, &e), ERR_INPUT);
    name[300] = '\0'; /* fits a path, but no file system */
    struct output o;
    assert_int_equal(output_begin_file(&o, name, false, &e), ERR_INPUT);
    assert_int_equal(output_check("f", false, true, &e), 0);
}

static void base_names(void **state)
{
    (void)state;
    char name[16];
    output_base_name(name, sizeof name, "a/b.dump//");
    assert_string_equal(name, "b.dump");
    output_base_name(name, sizeof name, "b");
    assert_string_equal(name, "b");
    output_base_name(name, 4, "longer");
    assert_string_equal(name, "lon");
}

/* Root may write anywhere, so a child without its rights asks. */
static void a_folder_without_permission_is_named(void **state)
{
    (void)state;
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(mkdir("locked", 0555), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const uid_t nobody = 65534;
        if (geteuid() == 0 && setuid(nobody) != 0)
            _exit(1);
        bool told = output_check("locked/f", false, false, &e) == ERR_INPUT &&
                    strstr(e.msg, "into folder locked") != NULL;
        _exit(told ? 0 : 2);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A limit on the size of files stands for a disk that is full. */
static void a_write_that_does_not_fit_is_undone(void **state)
{
    (void)state;
    put("f", "old");
    struct rlimit old, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 4096;
    static char big[100000];
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int code = output_write_file("f", big, sizeof big, true, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(code, ERR_INPUT);
    assert_non_null(strstr(e.msg, strerror(EFBIG)));
    assert_holds("f", "old");
    assert_false(exists(".f.partial"));
}

static void a_full_disk_is_the_users_to_mend(void **state)
{
    (void)state;
    assert_int_equal(mkdir("disk", 0777), 0);
    if (mount("none", "disk", "tmpfs", 0, "size=16k") != 0)
        skip(); /* needs root with the right to mount */
    static char big[100000];
    int code = output_write_file("disk/f", big, sizeof big, false, &e);
    bool left = exists("disk/f") || exists("disk/.f.partial");
    (void)umount("disk");
    assert_int_equal(code, ERR_INPUT);
    assert_non_null(strstr(e.msg, strerror(ENOSPC)));
    assert_false(left);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_file_appears_at_commit),
        IN_FOLDER(an_abort_leaves_nothing),
        IN_FOLDER(what_exists_is_kept_without_force),
        IN_FOLDER(commit_does_not_overwrite_a_newcomer),
        IN_FOLDER(force_replaces_only_its_own_kind),
        IN_FOLDER(force_exchanges_a_whole_folder),
        IN_FOLDER(a_stale_partial_is_cleared),
        IN_FOLDER(two_programs_do_not_write_one_output),
        IN_FOLDER(bad_names_are_refused),
        IN_FOLDER(base_names),
        IN_FOLDER(a_folder_without_permission_is_named),
        IN_FOLDER(a_write_that_does_not_fit_is_undone),
        IN_FOLDER(a_full_disk_is_the_users_to_mend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
