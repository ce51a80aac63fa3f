/* SPDX-License-Identifier: MIT */
#include "viewer/prompts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "viewer/clients.h"
#include "viewer/prompt_cache.h"

enum {
    LOOK_MILLISECONDS = 50, /* between looks at the client and the clock */
    NICER = 10,             /* of the worker and its team */
    DIGITS = 9,             /* bring a float back */
};

/* A question on its way; on the stack of who asks. */
struct job {
    struct job *next;
    const struct prompts_question *question;
    char *key; /* with the database's state; NULL: not kept */
    double deadline;
    enum { WAITS, RUNS, ENDED } phase;
    atomic_bool unwanted;
    struct prompts_answer answer;
    struct err *e;
};

struct prompts {
    /* the worker's */
    struct prompt_model model;
    struct prompt_runs runs;
    pthread_t thread;
    double seconds;

    pthread_mutex_t mutex; /* of all below and of the jobs' phases */
    pthread_cond_t queued, ended;
    struct job *first; /* in the order in which they came */
    int waiting;
    bool stopped;
    struct prompt_cache cache;
};

/* ---- the worker ---- */

static bool is_unwanted(void *context)
{
    struct job *job = context;
    return atomic_load_explicit(&job->unwanted, memory_order_relaxed) ||
           clock_seconds() > job->deadline;
}

static int ask_lens(json_t **out, struct prompts *p, struct job *job)
{
    const struct prompts_question *q = job->question;
    if (!prompt_model_is_for(&p->model, q->site))
        prompt_runs_close(&p->runs);
    job->answer.status = 409;
    TRY(prompt_model_open(&p->model, q->site, job->e));
    job->answer.status = 500;
    const struct prompt_stop stop = {is_unwanted, job};
    if (q->induction != NULL)
        return prompt_induction(out, p->model.lens, q->induction, &stop,
                                job->e);
    if (q->asked == NULL)
        return prompt_lens_about(out, p->model.lens, job->e);
    struct prompt_asked asked = *q->asked;
    asked.question.stop = stop;
    return prompt_runs_ask(out, &p->runs, p->model.lens, &asked, job->e);
}

static int write_answer(struct prompts_answer *out, const json_t *object,
                        struct err *e)
{
    out->text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
    out->length = out->text == NULL ? 0 : strlen(out->text);
    out->status = out->text == NULL ? 500 : 200;
    return out->text == NULL ? err_memory(e, "an answer", 0) : 0;
}

/* Whether the same was answered before, perhaps while this one waited. */
static bool was_answered(struct prompts_answer *out, struct prompts *p,
                         const char *key)
{
    if (key == NULL)
        return false;
    out->text = prompt_cache_get(&out->length, &p->cache, key);
    if (out->text == NULL)
        return false;
    out->status = 200;
    return true;
}

static void do_job(struct prompts *p, struct job *job)
{
    json_t *object = NULL;
    int code = ask_lens(&object, p, job);
    if (code == 0)
        code = write_answer(&job->answer, object, job->e);
    json_decref(object);
    if (job->answer.status == 500 && code == ERR_INPUT)
        job->answer.status = 400;
    if (code == 0 && job->key != NULL) {
        (void)pthread_mutex_lock(&p->mutex);
        prompt_cache_put(&p->cache, job->key, job->answer.text,
                         job->answer.length);
        (void)pthread_mutex_unlock(&p->mutex);
    }
}

static void *work(void *context)
{
    struct prompts *p = context;
    /* On Linux of this thread, and of the team, which it starts. */
    (void)setpriority(PRIO_PROCESS, 0, NICER);
    (void)pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (!p->stopped && p->first == NULL)
            (void)pthread_cond_wait(&p->queued, &p->mutex);
        struct job *job = p->first;
        if (p->stopped)
            break;
        p->first = job->next;
        p->waiting--;
        job->phase = RUNS;
        if (!was_answered(&job->answer, p, job->key)) {
            (void)pthread_mutex_unlock(&p->mutex);
            do_job(p, job);
            (void)pthread_mutex_lock(&p->mutex);
        }
        job->phase = ENDED;
        (void)pthread_cond_broadcast(&p->ended);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* ---- asking; all with the mutex held ---- */

static void put_last(struct prompts *p, struct job *job)
{
    struct job **last = &p->first;
    while (*last != NULL)
        last = &(*last)->next;
    *last = job;
    p->waiting++;
    (void)pthread_cond_signal(&p->queued);
}

static void take_back(struct prompts *p, struct job *job)
{
    struct job **at = &p->first;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    p->waiting--;
    job->phase = ENDED;
}

static void wait_a_little(struct prompts *p)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += LOOK_MILLISECONDS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    (void)pthread_cond_timedwait(&p->ended, &p->mutex, &t);
}

/* Returns why it ended early, or NULL. */
static const char *wait_for(struct prompts *p, struct job *job)
{
    const char *why = NULL;
    int socket = job->question->socket;
    while (job->phase != ENDED) {
        if (p->stopped)
            why = "the server ends";
        else if (clock_seconds() > job->deadline)
            why = job->phase == WAITS ? "others were asked first"
                                      : "it took too long";
        else if (socket >= 0 && clients_has_left(socket))
            why = "its client has left";
        if (why != NULL && job->phase == WAITS)
            take_back(p, job);
        else if (why != NULL)
            atomic_store(&job->unwanted, true);
        if (job->phase != ENDED)
            wait_a_little(p);
    }
    return why;
}

static int queue_and_wait(struct prompts *p, struct job *job)
{
    struct prompts_answer *a = &job->answer;
    if (was_answered(a, p, job->key))
        return 0;
    a->status = 503;
    if (p->waiting == PROMPTS_WAITING)
        return err_set(job->e, ERR_USAGE,
                       "%d questions about prompts wait already; ask again in "
                       "a moment",
                       PROMPTS_WAITING);
    put_last(p, job);
    const char *why = wait_for(p, job);
    if (a->text != NULL)
        return 0;
    if (why == NULL && job->e->code == ERR_INTERRUPTED)
        why = "it took too long"; /* the worker saw it first */
    if (why != NULL) {
        a->status = 503;
        return err_set(job->e, ERR_INTERRUPTED,
                       "stopped: %s (a prompt may take %.3g seconds)", why,
                       p->seconds);
    }
    return job->e->code;
}

static char *make_key(const struct prompts_question *q)
{
    if (q->key == NULL)
        return NULL;
    size_t size = strlen(q->key) + 24;
    char *key = malloc(size);
    if (key != NULL)
        (void)snprintf(key, size, "%016" PRIx64 " %s",
                       pool_fingerprint(q->site->pool), q->key);
    return key;
}

int prompts_ask(struct prompts_answer *out, struct prompts *p,
                const struct prompts_question *question, struct err *e)
{
    struct job job = {.question = question,
                      .key = make_key(question),
                      .deadline = clock_seconds() + p->seconds,
                      .e = e};
    (void)pthread_mutex_lock(&p->mutex);
    int code = queue_and_wait(p, &job);
    (void)pthread_mutex_unlock(&p->mutex);
    free(job.key);
    *out = job.answer;
    return code;
}

/* ---- from start to end ---- */

static int start(struct prompts *p, struct err *e)
{
    pthread_condattr_t clock;
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->ended, &clock);
    (void)pthread_condattr_destroy(&clock);
    (void)pthread_cond_init(&p->queued, NULL);
    if (pthread_create(&p->thread, NULL, work, p) == 0)
        return 0;
    (void)pthread_cond_destroy(&p->queued);
    (void)pthread_cond_destroy(&p->ended);
    (void)pthread_mutex_destroy(&p->mutex);
    return err_set(e, ERR_SYSTEM, "cannot start a thread for prompts");
}

int prompts_open(struct prompts **out,
                 const struct prompt_model_options *options, double seconds,
                 struct err *e)
{
    struct prompts *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_memory(e, "prompts", sizeof *p);
    p->model.options = *options;
    p->seconds = seconds;
    p->cache.most = PROMPTS_CACHE_BYTES;
    int code = start(p, e);
    if (code != 0)
        free(p);
    else
        *out = p;
    return code;
}

void prompts_interrupt(struct prompts *p)
{
    if (p == NULL)
        return;
    (void)pthread_mutex_lock(&p->mutex);
    p->stopped = true;
    (void)pthread_cond_broadcast(&p->queued);
    (void)pthread_cond_broadcast(&p->ended);
    (void)pthread_mutex_unlock(&p->mutex);
}

void prompts_close(struct prompts **prompts)
{
    struct prompts *p = *prompts;
    if (p == NULL)
        return;
    prompts_interrupt(p);
    (void)pthread_join(p->thread, NULL);
    prompt_runs_close(&p->runs);
    prompt_model_close(&p->model);
    prompt_cache_clear(&p->cache);
    (void)pthread_cond_destroy(&p->queued);
    (void)pthread_cond_destroy(&p->ended);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
    *prompts = NULL;
}
