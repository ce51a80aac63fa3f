/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <stdio.h>
#include <string.h>

/* A curve with more points than a screen has columns is thinned. */
enum { POINTS = 1000 };

/* One of an SAE's curves on its way into its arrays. */
struct curve {
    json_t *steps, *values;
};

static void begin_curve(struct curve *curve, struct call *c, json_t *curves,
                        const char *name)
{
    json_t *object = call_add_object(c, curves);
    call_put_text(c, object, "name", name);
    curve->steps = call_put_array(c, object, "steps");
    curve->values = call_put_array(c, object, "values");
}

/* Leaves out every second point so far, the last one not. */
static void thin(json_t *array)
{
    for (size_t i = json_array_size(array); i >= 2; i -= 2)
        (void)json_array_remove(array, i - 2);
}

static void add_point(struct curve *curve, struct call *c,
                      const struct query *q)
{
    call_add(c, curve->steps, json_integer(query_int(q, METRICS_STEP)));
    call_add(c, curve->values, call_real(query_real(q, METRICS_VALUE)));
    if (json_array_size(curve->steps) >= 2 * POINTS) {
        thin(curve->steps);
        thin(curve->values);
    }
}

static int put_curves(struct call *c, json_t *object, int64_t sae)
{
    struct curve curve = {0};
    char name[128] = "";
    json_t *curves = call_put_array(c, object, "curves");
    struct query q = query_begin(c->queries, QUERY_METRICS);
    query_bind(&q, sae);
    while (query_next(&q)) {
        size_t length;
        const char *text = query_text(&q, METRICS_NAME, &length);
        if (curve.steps == NULL || strncmp(text, name, sizeof name - 1) != 0) {
            (void)snprintf(name, sizeof name, "%s", text);
            begin_curve(&curve, c, curves, text);
        }
        add_point(&curve, c, &q);
    }
    return query_end(&q, c->e);
}

/* What the trainer and the encoder were told: JSON of the file, or null where
 * it is none. */
static int put_texts(struct call *c, json_t *object, int64_t sae)
{
    static const char *const names[] = {"config", "options"};
    struct query q = query_begin(c->queries, QUERY_SAE_TEXTS);
    query_bind(&q, sae);
    if (query_next(&q)) {
        for (int i = 0; i < 2; i++) {
            size_t length;
            const char *text = query_text(&q, i, &length);
            json_t *value = json_loadb(text, length, JSON_DECODE_ANY, NULL);
            call_put(c, object, names[i], value != NULL ? value : json_null());
        }
    }
    return query_end(&q, c->e);
}

int api_training(json_t *out, struct call *c)
{
    size_t from, to;
    TRY(call_get_saes(&from, &to, c));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    json_t *saes = call_put_array(c, out, "saes");
    for (size_t i = from; i < to; i++) {
        const struct catalog_sae *sae = call_sae(c, i);
        json_t *object = call_add_object(c, saes);
        call_put_int(c, object, "sae", sae->id);
        call_put_int(c, object, "layer", sae->layer);
        call_put_text(c, object, "name", sae->name);
        TRY(put_texts(c, object, sae->id));
        TRY(put_curves(c, object, sae->id));
    }
    return 0;
}
