/* SPDX-License-Identifier: MIT
 *
 * Catches: z, attention patterns or logits that differ from those of Hugging
 * Face's GPT2LMHeadModel in any shape of model: odd head sizes, an MLP of
 * another width, each activation, half-width weights, a head of its own,
 * shards. The models and what transformers makes of them are in
 * tests/golden/gpt2, written by tests/compare/gpt2_transformers.py; GPT2_GOLDEN
 * names another folder of such.
 */
#include "scratch.h"

#include <dirent.h>
#include <math.h>

#include "base/team.h"
#include "capture/gpt2.h"
#include "dump/safetensors.h"

/* The bound of the issue; f32 rounding is about a hundredth of it. */
static const double bound = 1e-4;

enum { FOLDERS_MIN = 5 };

static const char *golden_folder(void)
{
    const char *other = getenv("GPT2_GOLDEN");
    return other != NULL ? other : SOURCE_DIR "/tests/golden/gpt2";
}

/* What a pass hands out, and what it must be. */
struct check {
    const char *name; /* of the model */
    const struct gpt2 *g;
    struct safetensors golden;
    int t;
    float *out; /* room for a pattern */
    double worst;
};

static const struct tensor *find(const struct check *c, const char *what)
{
    const struct tensor *t = safetensors_find(&c->golden, what);
    if (t == NULL)
        fail_msg("%s: no golden %s", c->name, what);
    return t;
}

/* The largest difference as a share of the largest value. */
static void compare(struct check *c, const float *got, const char *what,
                    size_t at, size_t n)
{
    const struct tensor *t = find(c, what);
    double most = 0, largest = 0;
    assert_true(at + n <= tensor_count(t));
    for (size_t i = 0; i < n; i++) {
        float want;
        memcpy(&want, (const char *)t->data + (at + i) * sizeof want,
               sizeof want);
        assert_true(isfinite(got[i]));
        most = fmax(most, fabs((double)got[i] - (double)want));
        largest = fmax(largest, fabs((double)want));
    }
    c->worst = fmax(c->worst, most / largest);
    if (most / largest >= bound)
        fail_msg("%s: %s is off by %.2g of its largest value", c->name, what,
                 most / largest);
}

static void check_patterns(void *ctx, int layer, const float *qkv)
{
    struct check *c = ctx;
    size_t each = (size_t)c->t * (size_t)c->t;
    for (int h = 0; h < c->g->config.heads; h++) {
        gpt2_pattern(&c->g->config, c->out, qkv, h, c->t);
        compare(c, c->out, "pattern",
                ((size_t)layer * (size_t)c->g->config.heads + (size_t)h) * each,
                each);
    }
}

static void *room(size_t values)
{
    void *p = calloc(values, sizeof(float));
    assert_non_null(p);
    return p;
}

static void check_pass(struct check *c)
{
    const struct gpt2_config *config = &c->g->config;
    size_t t = (size_t)c->t, d = (size_t)config->d_model;
    size_t layers = (size_t)config->layers, vocab = (size_t)config->vocab;
    struct gpt2_workspace w;
    struct err e = {0};
    float *z = room(layers * t * d), *logits = room(t * vocab);
    float **layer = calloc(layers, sizeof *layer);
    assert_non_null(layer);
    for (size_t l = 0; l < layers; l++)
        layer[l] = z + l * t * d;
    c->out = room(t * t);
    const struct gpt2_batch batch = {.ids = find(c, "ids")->data,
                                     .starts = (const int64_t[]){0, c->t},
                                     .contexts = 1};
    const struct gpt2_tap tap = {
        .z = layer, .to_end = true, .qkv = check_patterns, .ctx = c};
    assert_int_equal(gpt2_workspace_open(&w, c->g, t, &e), 0);
    gpt2_forward(c->g, &w, &batch, &tap);
    compare(c, z, "z", 0, layers * t * d);
    gpt2_logits(c->g, &w, logits, w.x, t);
    compare(c, logits, "logits", 0, t * vocab);
    gpt2_workspace_close(&w);
    free(z);
    free(logits);
    free(layer);
    free(c->out);
}

static void check_model(const char *name)
{
    struct gpt2 g;
    struct check c = {.name = name, .g = &g};
    struct err e = {0};
    char folder[512], golden[640];
    (void)snprintf(folder, sizeof folder, "%s/%s", golden_folder(), name);
    (void)snprintf(golden, sizeof golden, "%s/golden.safetensors", folder);
    if (gpt2_open(&g, folder, &e) != 0 ||
        safetensors_open(&c.golden, golden, &e) != 0)
        fail_msg("%s", e.msg);
    c.t = (int)find(&c, "ids")->shape[0];
    assert_int_equal(tensor_count(find(&c, "z")),
                     g.config.layers * c.t * g.config.d_model);
    check_pass(&c);
    print_message("%s: within %.1g\n", name, c.worst);
    safetensors_close(&c.golden);
    gpt2_close(&g);
}

static void every_model_is_that_of_transformers(void **state)
{
    (void)state;
    int models = 0;
    (void)team_make(1);
    DIR *folder = opendir(golden_folder());
    assert_non_null(folder);
    for (struct dirent *d; (d = readdir(folder)) != NULL;)
        if (d->d_name[0] != '.') {
            check_model(d->d_name);
            models++;
        }
    (void)closedir(folder);
    assert_true(models >= FOLDERS_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_is_that_of_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
