/* fuzz_script.c - scripts of `arenite model`: parsed and, where they are small, run.
 * Layer: tests (includes cli). */
#include "cli/model.h"
#include "cli/model_arrange.h"
#include "cli/model_world.h"
#include "fuzz.h"

#define OPS_MAX 24
#define BYTES_MAX ((uint64_t)16 << 20)
#define MACHINE_FRAMES ((uint64_t)1 << 16)

/* Touching what a script asks for takes as long as it is large. */
static bool is_small(const struct script *script) {
    for (size_t i = 0; i < script->op_count; i++) {
        const struct script_op *op = &script->ops[i];
        bool is_limit = op->verb == SCRIPT_RLIMIT;
        if (!is_limit && ((op->length != SCRIPT_NO_SIZE && op->length > BYTES_MAX) ||
                          (op->new_length != SCRIPT_NO_SIZE && op->new_length > BYTES_MAX))) {
            return false;
        }
    }
    return script->op_count <= OPS_MAX;
}

static void run(const struct script *script, enum index_kind index) {
    const struct model_options options = {.index = index, .ram_bytes = MACHINE_FRAMES << 12};
    const struct personality personality = model_personality(&options);
    struct scene scene;
    struct world world;
    scene_default(&scene, &personality);
    fuzz_expect(world_init(&world, script, &scene, &personality, index, MACHINE_FRAMES),
                "no memory for the model");
    for (size_t i = 0; i < script->op_count; i++) {
        if (script->ops[i].verb != SCRIPT_EXPECT) {
            world_run(&world, &script->ops[i]);
        }
    }
    const char *broken = world_audit(&world);
    fuzz_expect(broken == NULL, broken);
    world_destroy(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = {data, size};
    struct script script;
    enum index_kind index = fuzz_byte(&input) % 2 == 0 ? INDEX_MAPLE : INDEX_RBTREE;
    char *text = fuzz_text(&input, '\0');
    script_parse(&script, text);
    fuzz_expect(script.bad_line == 0 || script.complaint != NULL, "a bad line without a complaint");
    if (is_small(&script)) {
        run(&script, index);
    }
    script_destroy(&script);
    free(text);
    return 0;
}
