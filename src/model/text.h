/* text.h - builds a text of any length in a buffer of the caller's, as snprintf would.
 * Layer: model (includes base). */
#ifndef ARENITE_MODEL_TEXT_H
#define ARENITE_MODEL_TEXT_H

#include "base/compiler.h"

/* text may be NULL when size is 0. length: of the whole text, also of what did not fit. */
struct model_text {
    char *text;
    size_t size;
    size_t length;
};

void text_add(struct model_text *out, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
