/* SPDX-License-Identifier: MIT */
#include "cli/measured.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/json.h"
#include "base/log.h"

const char *measured_split_name(enum measured_split split)
{
    static const char *const names[] = {"held-out", "train", "all"};
    return names[split];
}

const struct row_set *measured_set(const struct measured *m)
{
    return m->split == SPLIT_HELD_OUT ? &m->reading.held_out
                                      : &m->reading.train;
}

static int choose_layer(struct measured *m, const char *layer, struct err *e)
{
    const struct dump_info *info = dump_info(m->dump);
    int last = info->first_layer + info->layers - 1;
    int64_t value = m->sae.layer;
    if (layer != NULL && !format_parse_count(layer, &value))
        return err_set(e, ERR_INPUT, "--layer %.20s: must be a whole number",
                       layer);
    if (value < 0)
        return err_set(e, ERR_INPUT,
                       "%s does not say which layer it is for; add --layer L",
                       m->folder);
    if (value < info->first_layer || value > last)
        return err_set(e, ERR_INPUT,
                       "layer %" PRId64 " is not in %s, which has layers %d to "
                       "%d; see --layer",
                       value, info->path, info->first_layer, last);
    m->layer = (int)value;
    return 0;
}

static int check_shape(struct measured *m, struct err *e)
{
    const struct dump_info *info = dump_info(m->dump);
    TRY(rows_of_sae(&m->view, m->dump, &m->sae, m->layer, e));
    if (info->tokens == 0)
        return err_set(e, ERR_INPUT, "%s has no tokens", info->path);
    return 0;
}

/* The split of the training, if it was on this dump. */
static int read_split(struct measured *m, const json_t *record, struct err *e)
{
    char where[300];
    (void)snprintf(where, sizeof where, "%.250s: headscope.json", m->folder);
    const json_t *training = json_object_get(record, "training");
    const json_t *trained_on = json_object_get(record, "dump");
    const json_t *options = json_object_get(training, "options");
    const char *fingerprint;
    int64_t seed, rows;
    double share;
    TRY(json_get_string(&fingerprint, trained_on, "fingerprint", "", where, e));
    TRY(json_get_int(&rows, trained_on, "held_out_rows", 0, INT64_MAX, -1,
                     where, e));
    TRY(json_get_int(&seed, training, "seed", 0, INT64_MAX, -1, where, e));
    TRY(json_get_real(&share, options, "held-out", -1, where, e));
    if (strcmp(fingerprint, dump_info(m->dump)->fingerprint) != 0 || seed < 0 ||
        !(share >= 0 && share < 1))
        return 0;
    struct reading_options o = {.held_out = share, .seed = (uint64_t)seed};
    TRY(json_get_bool(&o.skip_bos, options, "skip-bos", false, where, e));
    TRY(json_get_real(&o.skip_outliers, options, "skip-outliers", 0, where, e));
    TRY(reading_split(&m->reading, &m->view, &o, e));
    uint64_t found = view_rows(&m->view, &m->reading.held_out);
    if (found == 0)
        return err_set(e, ERR_INPUT,
                       "%s: the training held out no rows; see --split", where);
    if (rows >= 0 && found != (uint64_t)rows)
        return err_set(e, ERR_INPUT,
                       "%s says that %" PRId64 " rows were held out, but its "
                       "seed and share give %" PRIu64 "; see --split all",
                       where, rows, found);
    m->known = true;
    return 0;
}

/* All rows, undivided, in `train`. */
static int take_all(struct measured *m, struct err *e)
{
    const struct reading_options undivided = {.held_out = 0};
    return reading_split(&m->reading, &m->view, &undivided, e);
}

static int find_split(struct measured *m, const struct measured_options *o,
                      struct err *e)
{
    int split = o->split;
    json_t *record = NULL;
    if (m->sae.headscope != NULL && split != SPLIT_ALL) {
        record = json_loads(m->sae.headscope, JSON_REJECT_DUPLICATES, NULL);
        if (record == NULL)
            return err_memory(e, "headscope.json", 0);
    }
    int code = record != NULL ? read_split(m, record, e) : 0;
    json_decref(record);
    TRY(code);
    m->split = m->known ? (enum measured_split)split : SPLIT_ALL;
    if (m->known || split == SPLIT_ALL)
        return m->known ? 0 : take_all(m, e);
    if (split == SPLIT_TRAIN)
        return err_set(e, ERR_INPUT,
                       "%s does not say that it was trained on %s, so its "
                       "training rows are not known; see --split all",
                       m->folder, dump_info(m->dump)->path);
    if (!o->quiet)
        log_line(LOG_RESULT,
                 "%s does not say that it was trained on %s: measuring all "
                 "rows",
                 m->folder, dump_info(m->dump)->path);
    return take_all(m, e);
}

static int choose_rows(struct measured *m, const struct measured_options *o,
                       struct err *e)
{
    TRY(find_split(m, o, e));
    const struct row_set *set = measured_set(m);
    uint64_t parts = m->view.parts, tokens = row_set_total(set);
    if (o->rows > 0)
        tokens = ((uint64_t)o->rows + parts - 1) / parts;
    TRY(row_set_sample(&m->rows, set, tokens, e));
    if (m->split != SPLIT_HELD_OUT)
        return 0;
    return row_set_sample(&m->train_rows, &m->reading.train,
                          row_set_total(&m->rows), e);
}

static int open_all(struct measured *m, const struct measured_options *o,
                    struct err *e)
{
    TRY(sae_load(&m->sae, m->folder, e));
    TRY(choose_layer(m, o->layer, e));
    TRY(check_shape(m, e));
    return choose_rows(m, o, e);
}

int measured_open(struct measured *m, const struct dump *dump,
                  const char *folder, const struct measured_options *o,
                  struct err *e)
{
    *m = (struct measured){.dump = dump, .folder = folder};
    int code = open_all(m, o, e);
    if (code != 0)
        measured_close(m);
    return code;
}

void measured_close(struct measured *m)
{
    sae_free(&m->sae);
    reading_close(&m->reading);
    view_free(&m->view);
    row_set_free(&m->rows);
    row_set_free(&m->train_rows);
    *m = (struct measured){0};
}
