/* SPDX-License-Identifier: MIT */
#include "capture/capture.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/format.h"
#include "base/output.h"
#include "base/utf8.h"
#include "cli/cli.h"

static struct capture_options options;

static int fill_report(json_t *report, const struct capture_plan *p,
                       double seconds, double rate, struct err *e)
{
    char output[OUTPUT_PATH_MAX];
    (void)snprintf(output, sizeof output, "%s", options.output);
    utf8_repair(output); /* a path may be any bytes, JSON may not */
    int bad = json_object_update_new(
        report,
        json_pack(
            "{s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:s, s:I, s:I, s:f, s:f}",
            "output", output, "tokens", (json_int_t)p->tokens, "contexts",
            (json_int_t)p->contexts, "first_layer", p->first_layer, "layers",
            p->layers, "heads", p->heads, "d_head", p->d_head, "dtype",
            dtype_name(p->dtype), "resumed_tokens", (json_int_t)p->there,
            "output_bytes", (json_int_t)p->output_bytes, "seconds", seconds,
            "tokens_per_second", rate));
    return bad != 0 ? err_memory(e, "the report", 0) : 0;
}

/* "334.5k tokens in 1958 contexts, layers 0 to 3, 8 heads of 32, f16" */
static void describe(char *out, size_t size, const struct capture_plan *p)
{
    char tokens[32], layers[48];
    format_count(tokens, sizeof tokens, (double)p->tokens);
    if (p->layers == 1)
        (void)snprintf(layers, sizeof layers, "layer %d", p->first_layer);
    else
        (void)snprintf(layers, sizeof layers, "layers %d to %d", p->first_layer,
                       p->first_layer + p->layers - 1);
    (void)snprintf(
        out, size, "%s tokens in %" PRIu64 " contexts, %s, %d heads of %d, %s",
        tokens, p->contexts, layers, p->heads, p->d_head, dtype_name(p->dtype));
}

static int estimate(struct capture *c, bool json, json_t *report, struct err *e)
{
    const struct capture_plan *p = capture_plan(c);
    double rate;
    TRY(capture_measure(c, &rate, e));
    double seconds = (double)p->tokens / rate;
    char what[160], bytes[32], memory[32], time[32];
    describe(what, sizeof what, p);
    format_bytes(bytes, sizeof bytes, (double)p->output_bytes);
    format_bytes(memory, sizeof memory, (double)p->memory_bytes);
    format_duration(time, sizeof time, seconds);
    if (!json)
        (void)printf("would capture %s\nwould write %s (%s)\nexpects %s and up "
                     "to %s of memory\n",
                     what, options.output, bytes, time, memory);
    TRY(fill_report(report, p, seconds, rate, e));
    if (json_object_set_new(report, "memory_bytes",
                            json_integer((json_int_t)p->memory_bytes)) != 0)
        return err_memory(e, "the report", 0);
    return 0;
}

static int capture(struct capture *c, const struct common_options *common,
                   json_t *report, struct err *e)
{
    const struct capture_plan *p = capture_plan(c);
    double seconds;
    TRY(capture_run(c, common->force, &seconds, e));
    double rate = (double)(p->tokens - p->there) / seconds;
    char what[160], bytes[32], speed[32];
    describe(what, sizeof what, p);
    format_bytes(bytes, sizeof bytes, (double)p->output_bytes);
    format_count(speed, sizeof speed, rate);
    if (!common->json)
        (void)printf("%s: %s, %s, %s tokens/s\n", options.output, what, bytes,
                     speed);
    return fill_report(report, p, seconds, rate, e);
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    (void)n_args;
    if (options.text == NULL && options.prompts == NULL)
        return err_set(e, ERR_USAGE,
                       "no text; give --text FILE or --prompts FILE.jsonl");
    if (options.text != NULL && options.prompts != NULL)
        return err_set(e, ERR_USAGE, "--text and --prompts; give one of them");
    if (options.output == NULL)
        return err_set(e, ERR_USAGE, "no output; give -o NAME.dump");
    TRY(output_check(options.output, true, common->force, e));
    struct team team = team_make((int)common->threads);
    struct capture *c;
    TRY(capture_open(&c, args[0], &options, &team, e));
    int code = common->dry_run ? estimate(c, common->json, report, e)
                               : capture(c, common, report, e);
    capture_close(&c);
    return code;
}

const struct command command_capture = {
    .usage =
        {
            .command = "capture",
            .summary = "Run a language model over a text and write its z.",
            .arguments = "MODEL",
            .details =
                "MODEL is a Hugging Face folder of the GPT-2 family: "
                "config.json, vocab.json, merges.txt, and model.safetensors or "
                "shards with model.safetensors.index.json, in f32, f16 or "
                "bf16.\n"
                "The text is cut into documents at <|endoftext|>, and each "
                "document into contexts; --pack puts several into one. z of "
                "every head is written before the "
                "output projection, value biases included unless they are "
                "folded away.",
        },
    .args_min = 1,
    .args_max = 1,
    .groups = {{"Capture options", capture_option_table, CAPTURE_OPTION_COUNT,
                &options}},
    .n_groups = 1,
    .run = run,
};
