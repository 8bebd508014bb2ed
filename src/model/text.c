/* text.c - see text.h.
 * Layer: model (includes base). */
#include "model/text.h"

#include <stdarg.h>
#include <stdio.h>

void text_add(struct model_text *out, const char *format, ...) {
    size_t used = out->length < out->size ? out->length : out->size;
    va_list arguments;
    va_start(arguments, format);
    int added =
        vsnprintf(out->size > 0 ? out->text + used : NULL, out->size - used, format, arguments);
    va_end(arguments);
    out->length += added > 0 ? (size_t)added : 0;
}
