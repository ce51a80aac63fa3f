/* SPDX-License-Identifier: MIT
 *
 * The tasks of a database whose heads were ranked by discrete codes (tables
 * circuit...), for the endpoints about them: the ranking against the true
 * circuit as a curve, and how far two circuits share heads.
 */
#ifndef VIEWER_CIRCUITS_H
#define VIEWER_CIRCUITS_H

#include "viewer/call.h"

/* What heads are ranked by: as table circuit_head has them, in this order. */
enum circuits_measure {
    CIRCUITS_SCORE,
    CIRCUITS_EDGES,
    CIRCUITS_SHUFFLED,
    CIRCUITS_DIFFERENCE,
    CIRCUITS_PROBE,
    CIRCUITS_MEASURES
};

struct circuits_head {
    int64_t layer, head;
    double measure[CIRCUITS_MEASURES];
    double effect;  /* NaN: not known */
    int in_circuit; /* -1: not known */
};

struct circuits_heads {
    struct circuits_head *head; /* by layer and head */
    size_t n;
    size_t in_circuit; /* of them */
    bool known;        /* whether the true circuit is */
};

/* Puts "circuits", how many there are. */
int circuits_put_count(struct call *c, json_t *object);

/* The circuit that `circuit` asks for, as a row of /api/circuits under *row,
 * the caller's reference. */
int circuits_get(int64_t *id, json_t **row, struct call *c);

/* Adds a row of each circuit. */
int circuits_put_all(struct call *c, json_t *array);

int circuits_read_heads(struct circuits_heads *h, struct call *c,
                        int64_t circuit);
void circuits_free_heads(struct circuits_heads *h);

/* The ROC curve of a measure: points [least score, false positive rate, true
 * positive rate] from (0, 0) to (1, 1), one for each different score, and the
 * area under it: the chance that a head of the circuit scores above another,
 * equals counting half. Where the circuit is known, and neither none nor all.
 */
int circuits_put_curve(struct call *c, json_t *object,
                       const struct circuits_heads *h,
                       enum circuits_measure by);

/* A set of heads: the true circuit, or the `size` heads of the highest score,
 * equals in the model's order. */
struct circuits_set {
    bool *in; /* [heads]; the caller's free */
    size_t size;
};
int circuits_make_set(struct circuits_set *s, struct call *c,
                      const struct circuits_heads *h, bool by_score,
                      size_t size);

/* Puts how two sets of the same model's heads overlap: "heads", "other_heads",
 * "both", "jaccard" |A ∩ B| / |A ∪ B|, "of_first" |A ∩ B| / |A|, "expected" of
 * `both` if the second were drawn at random. As view circuit_overlap has it. */
void circuits_put_overlap(struct call *c, json_t *object,
                          const struct circuits_set *a,
                          const struct circuits_set *b, size_t heads);

/* What the measures are called and mean, as an array. */
void circuits_put_legend(struct call *c, json_t *array);
const char *circuits_measure_name(enum circuits_measure m);

#endif
