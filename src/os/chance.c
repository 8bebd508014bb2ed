/* chance.c - see chance.h.
 * Layer: os (includes base, os.h). */
#include "os/chance.h"

uint64_t chance_seed;
