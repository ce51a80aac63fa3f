/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <math.h>

#include "viewer/circuits.h"
#include "viewer/marks.h"

/* The histogram of densities: 24 bins, four to a power of ten, from one in a
 * million. */
enum { BINS = 24, FROM = -6, PER_DECADE = 4 };

static int put_all(struct call *c, json_t *array, enum query_name name)
{
    struct query q = query_begin(c->queries, name);
    while (query_next(&q))
        call_add(c, array, query_object(&q));
    return query_end(&q, c->e);
}

static void put_database(struct call *c, json_t *out)
{
    json_t *database = call_put_object(c, out, "database");
    call_put_text(c, database, "name", c->site->name);
    call_put_int(c, database, "bytes", pool_bytes(c->site->pool));
}

/* Densities beyond either end count in the last bin there. */
static void put_densities(struct call *c, json_t *out,
                          const struct catalog_feature *features, size_t n)
{
    int64_t counts[BINS] = {0};
    for (size_t i = 0; i < n; i++) {
        if (!(features[i].density > 0))
            continue;
        double at = (log10(features[i].density) - FROM) * PER_DECADE;
        counts[at < 0 ? 0 : at >= BINS ? BINS - 1 : (int)at]++;
    }
    json_t *density = call_put_object(c, out, "density");
    call_put_int(c, density, "log10_from", FROM);
    call_put_real(c, density, "log10_step", 1.0 / PER_DECADE);
    json_t *array = call_put_array(c, density, "counts");
    for (int b = 0; b < BINS; b++)
        call_add(c, array, json_integer(counts[b]));
}

int api_about(json_t *out, struct call *c)
{
    TRY(call_asked(c, target_finish(c->target, c->e)));
    const struct catalog_feature *features;
    size_t n;
    TRY(catalog_features(&features, &n, c->site->catalog, c->queries, c->e));
    call_put_text(c, out, "version", c->site->version);
    put_database(c, out);
    TRY(put_all(c, call_put_array(c, out, "dumps"), QUERY_DUMPS));
    TRY(put_all(c, call_put_array(c, out, "saes"), QUERY_SAES));
    call_put_int(c, out, "features", (int64_t)n);
    call_put_int(c, out, "heads", catalog_heads(c->site->catalog));
    marks_put_count(c, out);
    TRY(circuits_put_count(c, out));
    put_densities(c, out, features, n);
    return 0;
}
