/* SPDX-License-Identifier: MIT
 *
 * What `headscope info` says of each kind of file: functions that fill an
 * object with a "kind" and the facts of one input. null stands for "not
 * recorded".
 */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

#include <jansson.h>
#include <stdbool.h>

#include "dump/dump.h"

/* Puts "path" first. */
int describe_path(json_t *item, const char *path, struct err *e);

/* A dump folder, or bare arrays with a layout. `verify` compares every byte
 * with the manifest's checksums. */
int describe_dump(json_t *item, const char *const *paths, size_t n,
                  const struct dump_options *options, bool verify,
                  struct err *e);
int describe_sae(json_t *item, const char *folder, struct err *e);
/* A Hugging Face folder, by its config.json. */
int describe_model(json_t *item, const char *config, struct err *e);
int describe_vocab(json_t *item, const char *path, struct err *e);
int describe_npy(json_t *item, const char *path, struct err *e);
int describe_safetensors(json_t *item, const char *path, struct err *e);

#endif
