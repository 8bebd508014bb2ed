/* model.h - the parts of the verb `model`, and the options that they share.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_MODEL_H
#define ARENITE_CLI_MODEL_H

#include "cli/model_script.h"
#include "model/mm.h"

struct model_options {
    const char *file;
    const char *address; /* walk's */
    bool json;
    bool memory; /* show the machine's frames and slabs at the end */
    bool bottom_up;
    bool bits32;
    enum index_kind index;
    bool random;
    uint64_t scripts;
    uint64_t ops;
    uint64_t seed;
    uint64_t ram_bytes;   /* of the model machine; 0: as much as this one has */
    uint64_t swap_bytes;  /* its swap area */
    uint64_t group_bytes; /* limit of a memory control group around the script; 0: none */
};

/* Runs a script in the model. */
int model_run(const struct model_options *options);

/* Runs a script, or random ones, in the model and in the kernel, and compares. */
int model_check(const struct model_options *options, char **argv);

/* Runs a script in the model and draws how an address is translated then. */
int model_walk(const struct model_options *options);

/* Plays the demo that options->file names. */
int model_demo(const struct model_options *options);

/* Lays argv[0] with its arguments out, in the model and in a real process. */
int model_exec(const struct model_options *options, char **argv);

/* Says where a script is wrong. */
void model_say_bad_line(const struct script *script, const char *path);

/* The personality that the options ask for, of a machine like this one. */
struct personality model_personality(const struct model_options *options);

/* Frames of the model machine: as many as its memory has. */
uint64_t model_frames(const struct model_options *options, const struct personality *personality);

#endif
