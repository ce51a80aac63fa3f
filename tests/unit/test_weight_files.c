/* SPDX-License-Identifier: MIT
 *
 * Catches: an index that leads out of its folder, that names what is not there
 * or is somewhere else, shards with tensors that no one reads; and a model that
 * is loaded although it cannot fit into memory.
 */
#include "scratch.h"

#include <sys/stat.h>

#include "base/json.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/team.h"
#include "capture/gpt2.h"

#define MODEL SOURCE_DIR "/tests/golden/gpt2/sharded_untied"
#define INDEX "model.safetensors.index.json"

enum { SHARDS = 8 };

static const char *shard_name(int i)
{
    static char name[64];
    (void)snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", i,
                   SHARDS);
    return name;
}

static void copy(const char *name)
{
    struct map m;
    struct err e = {0};
    char path[512];
    (void)snprintf(path, sizeof path, MODEL "/%s", name);
    assert_int_equal(map_open(&m, path, &e), 0);
    write_bytes(name, m.data, m.size);
    map_close(&m);
}

/* The whole model, here. */
static void copy_model(void)
{
    copy("config.json");
    copy(INDEX);
    for (int i = 1; i <= SHARDS; i++)
        copy(shard_name(i));
    (void)remove("model.safetensors");
}

static void assert_model_refused(const char *words)
{
    struct gpt2 g;
    struct err e = {0};
    assert_refused(gpt2_open(&g, ".", &e), &e, words);
}

/* The index with one entry set, or taken out where `value` is NULL. */
static void spoil_index(const char *tensor, const char *value)
{
    json_t *root;
    struct err e = {0};
    copy_model();
    assert_int_equal(json_read(&root, INDEX, &e), 0);
    json_t *map = json_object_get(root, "weight_map");
    if (value == NULL)
        assert_int_equal(json_object_del(map, tensor), 0);
    else
        assert_int_equal(
            json_object_set_new(map, tensor,
                                json_loads(value, JSON_DECODE_ANY, NULL)),
            0);
    assert_int_equal(json_write(INDEX, root, &e), 0);
    json_decref(root);
}

static void an_index_that_lies_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *tensor, *value, *words;
    } cases[] = {
        {"lm_head.weight", "\"../model-00008-of-00008.safetensors\"",
         "without '/' and '..'"},
        {"lm_head.weight", "\"/etc/passwd\"", "'/etc/passwd'"},
        {"lm_head.weight", "\"..\"", "without '/' and '..'"},
        {"lm_head.weight", "\"\"", "is refused: ''"},
        {"lm_head.weight", "7", "no string"},
        {"lm_head.weight", "\"gone.safetensors\"",
         "names the shard gone.safetensors, which is not there"},
        {"lm_head.weight", "\"model-00001-of-00008.safetensors\"",
         "'lm_head.weight' is in model-00001-of-00008.safetensors, which does "
         "not hold it"},
        {"lm_head.bias", "\"model-00001-of-00008.safetensors\"",
         "'lm_head.bias' is in model-00001"},
        {"transformer.wpe.weight", NULL,
         "holds tensor 'transformer.wpe.weight', which "
         "model.safetensors.index.json does not list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spoil_index(cases[i].tensor, cases[i].value);
        assert_model_refused(cases[i].words);
    }
}

static void an_index_that_is_none_is_refused(void **state)
{
    (void)state;
    copy_model();
    write_text(INDEX, "{}");
    assert_model_refused(INDEX ": 'weight_map' is missing");
    write_text(INDEX, "{\"weight_map\": []}");
    assert_model_refused("'weight_map' must be an object");
    write_text(INDEX, "{\"weight_map\": {}}");
    assert_model_refused("'weight_map' is empty");
    write_text(INDEX, "{");
    assert_model_refused(INDEX ": line 1: no valid JSON");
    assert_int_equal(remove(INDEX), 0);
    assert_model_refused("holds neither model.safetensors nor " INDEX);
}

static void a_missing_or_cut_shard_is_refused(void **state)
{
    (void)state;
    copy_model();
    assert_int_equal(truncate(shard_name(3), 2000), 0);
    assert_model_refused("model-00003-of-00008.safetensors");
    copy_model();
    assert_int_equal(remove(shard_name(5)), 0);
    assert_model_refused("names the shard model-00005-of-00008.safetensors");
}

/* A tensor that stands in two shards: which one counts would be chance. */
static void a_tensor_in_two_shards_is_refused(void **state)
{
    (void)state;
    static const char list[] = "{\"weight_map\": {\"a\": \"one.safetensors\","
                               " \"b\": \"two.safetensors\"}}";
    static const char both[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    char file[8 + sizeof both - 1];
    uint64_t size = sizeof both - 1;
    memcpy(file, &size, sizeof size);
    memcpy(file + 8, both, sizeof both - 1);
    write_bytes("one.safetensors", file, sizeof file);
    write_bytes("two.safetensors", file, sizeof file);
    copy_model();
    write_text(INDEX, list);
    assert_model_refused("one.safetensors: holds tensor 'b', which " INDEX
                         " says is in two.safetensors");
}

/* ---- memory ---- */

/* Entries of the header of a model with one layer, d 16384 and a vocabulary of
 * 2^24: a file of half a terabyte, of which nothing is on disk. */
struct header {
    char text[4096];
    size_t length;
    uint64_t data;
};

static void add_entry(struct header *h, const char *name, uint64_t rows,
                      uint64_t cols)
{
    char shape[64];
    uint64_t bytes = 2 * cols * (rows > 0 ? rows : 1);
    if (rows > 0)
        (void)snprintf(shape, sizeof shape, "%llu,%llu",
                       (unsigned long long)rows, (unsigned long long)cols);
    else
        (void)snprintf(shape, sizeof shape, "%llu", (unsigned long long)cols);
    h->length += (size_t)snprintf(
        h->text + h->length, sizeof h->text - h->length,
        "%c\"%s\":{\"dtype\":\"F16\",\"shape\":[%s],\"data_offsets\":[%llu,"
        "%llu]}",
        h->length == 0 ? '{' : ',', name, shape, (unsigned long long)h->data,
        (unsigned long long)(h->data + bytes));
    h->data += bytes;
}

static void write_huge_model(void)
{
    enum { D = 16384, VOCAB = 1 << 24 };
    struct header h = {.length = 0};
    add_entry(&h, "wte.weight", VOCAB, D);
    add_entry(&h, "wpe.weight", 8, D);
    add_entry(&h, "h.0.ln_1.weight", 0, D);
    add_entry(&h, "h.0.ln_1.bias", 0, D);
    add_entry(&h, "h.0.attn.c_attn.weight", D, 3 * D);
    add_entry(&h, "h.0.attn.c_attn.bias", 0, 3 * D);
    add_entry(&h, "h.0.attn.c_proj.weight", D, D);
    add_entry(&h, "h.0.attn.c_proj.bias", 0, D);
    add_entry(&h, "h.0.ln_2.weight", 0, D);
    add_entry(&h, "h.0.ln_2.bias", 0, D);
    add_entry(&h, "h.0.mlp.c_fc.weight", D, 4);
    add_entry(&h, "h.0.mlp.c_fc.bias", 0, 4);
    add_entry(&h, "h.0.mlp.c_proj.weight", 4, D);
    add_entry(&h, "h.0.mlp.c_proj.bias", 0, D);
    add_entry(&h, "ln_f.weight", 0, D);
    add_entry(&h, "ln_f.bias", 0, D);
    h.text[h.length++] = '}';
    uint64_t size = h.length;
    FILE *f = fopen("model.safetensors", "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(&size, sizeof size, 1, f), 1);
    assert_int_equal(fwrite(h.text, 1, h.length, f), h.length);
    assert_int_equal(fclose(f), 0);
    if (truncate("model.safetensors",
                 (off_t)(sizeof size + h.length + h.data)) != 0)
        skip(); /* a file system without such files */
}

static void a_model_beyond_memory_is_refused_before_it_is_loaded(void **state)
{
    (void)state;
    write_text("config.json",
               "{\"n_layer\": 1, \"n_head\": 8, \"n_embd\": 16384,"
               " \"n_inner\": 4, \"n_positions\": 8, \"vocab_size\": "
               "16777216}");
    write_huge_model();
    if (memory_available() > UINT64_C(1) << 40)
        skip();
    assert_model_refused(".: needs 1.10 TB of memory, but only ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_that_lies_is_refused),
        cmocka_unit_test(an_index_that_is_none_is_refused),
        cmocka_unit_test(a_missing_or_cut_shard_is_refused),
        cmocka_unit_test(a_tensor_in_two_shards_is_refused),
        cmocka_unit_test(a_model_beyond_memory_is_refused_before_it_is_loaded),
    };
    (void)team_make(1);
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
