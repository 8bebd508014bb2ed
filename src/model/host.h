/* host.h - the real machine under the model: where its own memory comes from.
 * Layer: model (includes only base).
 *
 * Not os.h: with os_model.c bound, os.h is what the model provides, and the model's state must not
 * lie in the memory that it models. */
#ifndef ARENITE_MODEL_HOST_H
#define ARENITE_MODEL_HOST_H

#include "base/compiler.h"

/* Maps zeroed memory, without a charge for what is never touched; NULL when the host refuses. */
void *host_map(size_t bytes);

/* The same in huge pages, for what is used all over: more of it is within reach of the processor's
 * translations. */
void *host_map_large(size_t bytes);

void host_unmap(void *start, size_t bytes);

#endif
